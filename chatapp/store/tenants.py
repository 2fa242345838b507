"""Queries about tenants. System transactions, but for those that say otherwise: a tenant is no row of a tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select
from sqlmodel import col

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import Found, ListField, Listing, find
from chatapp.store.tables import (
    ConversationTable,
    DocumentTable,
    MembershipTable,
    TenantDeletionTable,
    TenantTable,
    UserTable,
)

STATES = ("active", "suspended", "being_deleted")
_STATE = case(
    (col(TenantDeletionTable.tenant_id).is_not(None), "being_deleted"),
    (col(TenantTable.is_suspended).is_(True), "suspended"),
    else_="active",
)
_WITH_DELETIONS: Select[Any] = select(TenantTable, TenantDeletionTable).outerjoin(  # pyright: ignore[reportAssignmentType]
    TenantDeletionTable, col(TenantDeletionTable.tenant_id) == col(TenantTable.id)
)
_LISTING = Listing(
    statement=_WITH_DELETIONS,
    identity=col(TenantTable.id),
    fields=(
        ListField("name", col(TenantTable.name), is_searched=True),
        ListField("state", _STATE, "choice", choices=STATES),
        ListField("created_at", col(TenantTable.created_at), "moment"),
        ListField("id", col(TenantTable.id), "id"),
    ),
    order="name",
)


@dataclass(frozen=True, slots=True)
class TenantCounts:
    """How much a tenant holds."""

    users: int = 0
    """Places, those of people who were invited and have not come yet among them."""
    documents: int = 0
    conversations: int = 0
    """Also those deleted within the last hour, which their people may still take back."""


async def find_page(tx: Transaction, wanted: Mapping[str, str], *, only: UUID | None) -> Found:
    """Tenants with their deletion where one has begun.

    Args:
        tx: a system transaction.
        wanted: the grammar of `store.listing`.
        only: the one tenant to look at; None: all.
    """
    statement = _LISTING.statement if only is None else _LISTING.statement.where(col(TenantTable.id) == only)
    return await find(tx, replace(_LISTING, statement=statement), wanted)


async def get(tx: Transaction, tenant_id: UUID, *, for_update: bool = False) -> TenantTable:
    """One tenant, in a transaction of any kind.

    Args:
        tx: the transaction.
        tenant_id: which.
        for_update: keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is none of that id.
    """
    query = select(TenantTable).where(col(TenantTable.id) == tenant_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such tenant.", param="tenant_id")
    return row


async def find_deletion(tx: Transaction, tenant_id: UUID) -> TenantDeletionTable | None:
    """How far the deletion of a tenant is; None: nobody has asked for one."""
    query = select(TenantDeletionTable).where(col(TenantDeletionTable.tenant_id) == tenant_id)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def list_named(tx: Transaction, name: str) -> Sequence[TenantTable]:
    """The tenants of exactly that name, oldest first."""
    query = select(TenantTable).where(col(TenantTable.name) == name).order_by(col(TenantTable.created_at))
    return (await tx.session.execute(query)).scalars().all()


async def count(tx: Transaction, tenant_ids: Sequence[UUID]) -> dict[UUID, TenantCounts]:
    """How much each of these tenants holds."""
    users, documents, conversations = [
        await _count_by_tenant(tx, table, tenant_ids) for table in (MembershipTable, DocumentTable, ConversationTable)
    ]
    return {
        tenant_id: TenantCounts(users.get(tenant_id, 0), documents.get(tenant_id, 0), conversations.get(tenant_id, 0))
        for tenant_id in tenant_ids
    }


async def _count_by_tenant(tx: Transaction, table: Any, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    if not tenant_ids:
        return {}
    tenant = col(table.tenant_id)
    query = select(tenant, func.count()).where(tenant.in_(tenant_ids)).group_by(tenant)
    return {tenant_id: number for tenant_id, number in await tx.session.execute(query)}


async def platform_admins_only_in(tx: Transaction, tenant_id: UUID) -> list[str]:
    """Addresses of the platform admins whose only place is in this tenant."""
    elsewhere = select(col(MembershipTable.user_id)).where(col(MembershipTable.tenant_id) != tenant_id)
    query = (
        select(col(UserTable.email))
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(
            col(MembershipTable.tenant_id) == tenant_id,
            col(UserTable.is_platform_admin).is_(True),
            col(UserTable.is_disabled).is_(False),
            col(UserTable.id).not_in(elsewhere),
        )
        .order_by(col(UserTable.email))
    )
    return list((await tx.session.execute(query)).scalars())
