"""Identity providers of tenants, and the people who came from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast
from sqlalchemy import select as select_columns
from sqlmodel import col, delete, func, select, update

from chatapp.domain import utc_now
from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import Found, ListField, Listing, find
from chatapp.store.tables import (
    GroupMemberTable,
    GroupTable,
    IdentityProviderTable,
    IdentityTable,
    SessionTable,
    TenantTable,
)

_people = (
    select(func.count())
    .select_from(IdentityTable)
    .where(col(IdentityTable.provider_id) == col(IdentityProviderTable.id))
    .correlate(IdentityProviderTable)
    .scalar_subquery()
)
_each: Any = select_columns(IdentityProviderTable, _people)
_LISTING = Listing(
    statement=_each,
    identity=col(IdentityProviderTable.id),
    fields=(
        ListField("name", col(IdentityProviderTable.name), is_searched=True),
        ListField("issuer", col(IdentityProviderTable.issuer), is_searched=True),
        ListField("is_enabled", col(IdentityProviderTable.is_enabled), "yes_no"),
        ListField("created_at", col(IdentityProviderTable.created_at), "moment"),
        ListField("id", col(IdentityProviderTable.id), "id"),
    ),
    order="name",
)


async def find_page(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """A page of the tenant's providers, each with how many people came from it.

    Raises:
        InvalidInput: a filter or the order is not valid.
    """
    return await find(tx, _LISTING, wanted)


async def get(tx: Transaction, provider_id: UUID, *, for_update: bool = False) -> IdentityProviderTable:
    """One of the tenant's providers; in a system transaction any.

    Args:
        tx: the transaction.
        provider_id: which.
        for_update: keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is none of that id.
    """
    query = select(IdentityProviderTable).where(col(IdentityProviderTable.id) == provider_id)
    row = (await tx.session.execute(query.with_for_update() if for_update else query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such identity provider.", param="provider_id")
    return row


async def is_name_taken(tx: Transaction, name: str, *, but: UUID | None = None) -> bool:
    """Whether another of the tenant's providers has this name."""
    query = select(IdentityProviderTable.id).where(func.lower(col(IdentityProviderTable.name)) == name.lower())
    found = set((await tx.session.execute(query)).scalars())
    return bool(found - {but})


async def list_enabled(tx: Transaction) -> Sequence[IdentityProviderTable]:
    """The tenant's providers that people may use, by name."""
    query = select(IdentityProviderTable).where(col(IdentityProviderTable.is_enabled).is_(True))
    return (await tx.session.execute(query.order_by(col(IdentityProviderTable.name)))).scalars().all()


async def usable(tx: Transaction, provider_id: UUID) -> tuple[IdentityProviderTable, TenantTable] | None:
    """A provider people may use at this moment, with its tenant. System transactions only."""
    query = _usable().where(col(IdentityProviderTable.id) == provider_id)
    row = (await tx.session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def for_domain(tx: Transaction, domain: str) -> list[tuple[IdentityProviderTable, TenantTable]]:
    """Providers that addresses of a domain are led to, in every tenant. System transactions only.

    Args:
        tx: a system transaction.
        domain: lower case.
    """
    query = _usable().where(_holds(domain)).order_by(col(IdentityProviderTable.name))
    rows = (await tx.session.execute(query)).all()
    return [(provider, tenant) for provider, tenant in rows if domain in provider.email_domains]


async def is_domain_elsewhere(tx: Transaction, domain: str, tenant_id: UUID) -> bool:
    """Whether a provider of another tenant has the domain, in use or not. System transactions only."""
    query = select(IdentityProviderTable).where(col(IdentityProviderTable.tenant_id) != tenant_id, _holds(domain))
    return any(domain in row.email_domains for row in (await tx.session.execute(query)).scalars())


def _holds(domain: str) -> ColumnElement[bool]:
    # The database narrows down; whether the domain is really in the list is seen by who reads the row.
    return cast(col(IdentityProviderTable.email_domains), String).contains(f'"{domain}"', autoescape=True)


async def first_usable(tx: Transaction, *, limit: int) -> list[tuple[IdentityProviderTable, TenantTable]]:
    """Some of all providers people may use at this moment, oldest first. System transactions only."""
    query = _usable().order_by(col(IdentityProviderTable.created_at), col(IdentityProviderTable.id)).limit(limit)
    return [(provider, tenant) for provider, tenant in (await tx.session.execute(query)).all()]


async def count_tenants(tx: Transaction) -> int:
    """How many tenants the installation has, counted up to two. System transactions only."""
    query = select(func.count()).select_from(select(TenantTable.id).limit(2).subquery())
    return (await tx.session.execute(query)).scalar_one()


def _usable():  # SQLAlchemy's type of a two-entity select is longer than the query
    return (
        select(IdentityProviderTable, TenantTable)
        .join(TenantTable, col(TenantTable.id) == col(IdentityProviderTable.tenant_id))
        .where(col(IdentityProviderTable.is_enabled).is_(True), col(TenantTable.is_suspended).is_(False))
    )


async def identity(tx: Transaction, provider_id: UUID, subject: str) -> IdentityTable | None:
    """Whom a provider's name for somebody stands for."""
    query = select(IdentityTable).where(
        col(IdentityTable.provider_id) == provider_id, col(IdentityTable.subject) == subject
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def known_groups(tx: Transaction, group_ids: Collection[UUID]) -> set[UUID]:
    """Those of these groups the tenant has."""
    query = select(GroupTable.id).where(col(GroupTable.id).in_(list(group_ids)))
    return set((await tx.session.execute(query)).scalars())


async def set_managed_groups(
    tx: Transaction, user_id: UUID, group_ids: Collection[UUID]
) -> tuple[set[UUID], set[UUID]]:
    """Put a person into these groups, and out of those that a provider put them into before.

    Groups somebody put them into by hand stay.

    Returns:
        the managed groups before, and after.
    """
    query = select(GroupMemberTable).where(col(GroupMemberTable.user_id) == user_id)
    rows = {row.group_id: row for row in (await tx.session.execute(query)).scalars()}
    before = {group_id for group_id, row in rows.items() if row.is_managed}
    wanted = await known_groups(tx, group_ids)
    by_hand = rows.keys() - before
    for group_id in before - wanted:
        await tx.session.delete(rows[group_id])
    for group_id in wanted - rows.keys():
        tx.session.add(GroupMemberTable(tenant_id=tx.tenant_id, group_id=group_id, user_id=user_id, is_managed=True))
    return before, wanted - by_hand


async def end_sessions(tx: Transaction, provider_id: UUID) -> int:
    """End the sessions of people who came from a provider, in its tenant.

    Returns:
        how many ended.
    """
    people = select(IdentityTable.user_id).where(col(IdentityTable.provider_id) == provider_id)
    statement = (
        update(SessionTable)
        .where(
            col(SessionTable.tenant_id) == tx.tenant_id,
            col(SessionTable.method) == "oidc",
            col(SessionTable.user_id).in_(people),
            col(SessionTable.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    return (await tx.session.execute(statement)).rowcount  # pyright: ignore[reportAttributeAccessIssue]


async def forget_people(tx: Transaction, provider_id: UUID) -> None:
    """Forget what a provider calls people; the people stay."""
    await tx.session.execute(delete(IdentityTable).where(col(IdentityTable.provider_id) == provider_id))


async def remove(tx: Transaction, provider_id: UUID) -> None:
    """Remove a provider, and with it what it called people; the people stay."""
    await tx.session.execute(delete(IdentityProviderTable).where(col(IdentityProviderTable.id) == provider_id))
