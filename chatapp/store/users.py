"""People and their places in tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, func, or_, select

from chatapp.store.database import Transaction
from chatapp.store.tables import IdentityTable, MembershipTable, SessionTable, TenantTable, UserTable

_FIRST_ADMIN_LOCK = 7_023_515
"""Any number, the same for every process: PostgreSQL's name of the lock."""


async def with_email(tx: Transaction, email: str) -> list[UserTable]:
    """Everybody with this address, in any tenant: platform admins first, then the oldest. System transactions only.

    Args:
        tx: a system transaction.
        email: in any case; addresses are kept in lower case.
    """
    statement = (
        select(UserTable)
        .where(col(UserTable.email) == email.strip().lower())
        .order_by(col(UserTable.is_platform_admin).desc(), col(UserTable.created_at), col(UserTable.id))
    )
    return list((await tx.session.execute(statement)).scalars())


async def in_tenant(
    tx: Transaction, email: str, tenant_id: UUID
) -> tuple[UserTable, MembershipTable] | tuple[None, None]:
    """The person with this address who has a place in a tenant, and the place; they may be invited only.

    Args:
        tx: a transaction in the tenant, or a system one.
        email: in any case.
        tenant_id: the tenant.
    """
    statement = (
        select(UserTable, MembershipTable)
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(col(UserTable.email) == email.strip().lower(), col(MembershipTable.tenant_id) == tenant_id)
        .order_by(col(MembershipTable.created_at), col(MembershipTable.id))
    )
    row = (await tx.session.execute(statement)).first()
    return (None, None) if row is None else (row[0], row[1])


async def last_seen(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When each of these people used the product last, in any tenant; who never did is not there.

    System transactions only.
    """
    statement = (
        select(SessionTable.user_id, func.max(col(SessionTable.last_seen_at)))
        .where(col(SessionTable.user_id).in_(user_ids))
        .group_by(col(SessionTable.user_id))
    )
    return {user_id: moment for user_id, moment in (await tx.session.execute(statement)).all()}


async def lock_password(tx: Transaction, user_id: UUID) -> str | None:
    """What the person's password is kept as, at this moment and until the end of the transaction.

    None: they have none, are disabled, or are not there (any more).
    """
    statement = select(UserTable.password_hash).where(
        col(UserTable.id) == user_id, col(UserTable.is_disabled).is_(False)
    )
    return (await tx.session.execute(statement.with_for_update(read=True))).scalar_one_or_none()


async def lock_first_admin(tx: Transaction) -> None:
    """Let no other process make the installation's first admin meanwhile; SQLite's write lock does it by itself."""
    if tx.session.get_bind().dialect.name == "postgresql":
        await tx.session.execute(select(func.pg_advisory_xact_lock(_FIRST_ADMIN_LOCK)))


async def by_id(tx: Transaction, user_id: UUID) -> UserTable | None:
    """The person with this id."""
    return await tx.session.get(UserTable, user_id)


def may_act() -> tuple[ColumnElement[bool], ...]:
    """Conditions on a place and its tenant under which the person may act there."""
    return (
        col(MembershipTable.is_disabled).is_(False),
        col(MembershipTable.accepted_at).is_not(None),
        col(TenantTable.is_suspended).is_(False),
    )


async def memberships(tx: Transaction, user_id: UUID) -> list[MembershipTable]:
    """Where the person may act, oldest place first; in an actor's transaction only the one in the actor's tenant."""
    statement = (
        select(MembershipTable)
        .join(TenantTable, col(TenantTable.id) == col(MembershipTable.tenant_id))
        .where(col(MembershipTable.user_id) == user_id, *may_act())
        .order_by(col(MembershipTable.created_at), col(MembershipTable.id))
    )
    return list((await tx.session.execute(statement)).scalars())


async def places(tx: Transaction, user_id: UUID) -> list[tuple[MembershipTable, TenantTable]]:
    """`memberships` with the tenant each is in."""
    statement = (
        select(MembershipTable, TenantTable)
        .join(TenantTable, col(TenantTable.id) == col(MembershipTable.tenant_id))
        .where(col(MembershipTable.user_id) == user_id, *may_act())
        .order_by(col(MembershipTable.created_at), col(MembershipTable.id))
    )
    return [(place, tenant) for place, tenant in (await tx.session.execute(statement)).all()]


async def is_elsewhere(tx: Transaction, user_id: UUID, tenant_id: UUID) -> bool:
    """Whether the person has joined a tenant other than this one, disabled there or not. System transactions only."""
    statement = select(
        select(MembershipTable.id)
        .where(
            col(MembershipTable.user_id) == user_id,
            col(MembershipTable.tenant_id) != tenant_id,
            col(MembershipTable.accepted_at).is_not(None),
        )
        .exists()
    )
    return bool((await tx.session.execute(statement)).scalar_one())


async def has_joined(tx: Transaction, user_id: UUID) -> bool:
    """Whether the person has ever come in: a password, an identity elsewhere or a place accepted makes them somebody.

    System transactions only.
    """
    user = await by_id(tx, user_id)
    if user is None or user.password_hash is not None or user.is_platform_admin:
        return user is not None
    accepted = select(MembershipTable.id).where(
        col(MembershipTable.user_id) == user_id, col(MembershipTable.accepted_at).is_not(None)
    )
    known = select(IdentityTable.id).where(col(IdentityTable.user_id) == user_id)
    return bool((await tx.session.execute(select(or_(accepted.exists(), known.exists())))).scalar_one())


async def place_in(tx: Transaction, user_id: UUID, tenant_id: UUID) -> MembershipTable | None:
    """The person's place in a tenant, whether they may act there or not."""
    statement = select(MembershipTable).where(
        col(MembershipTable.user_id) == user_id, col(MembershipTable.tenant_id) == tenant_id
    )
    return (await tx.session.execute(statement)).scalar_one_or_none()


async def first_tenant(tx: Transaction) -> TenantTable | None:
    """The tenant made first, or None in an empty installation. System transactions only."""
    statement = select(TenantTable).order_by(col(TenantTable.created_at), col(TenantTable.id)).limit(1)
    return (await tx.session.execute(statement)).scalar_one_or_none()


async def count(tx: Transaction) -> int:
    """How many people the installation knows, over all tenants. System transactions only."""
    return (await tx.session.execute(select(func.count()).select_from(UserTable))).scalar_one()


async def first_admin(tx: Transaction) -> UserTable | None:
    """The platform admin made first who is not disabled. System transactions only."""
    statement = (
        select(UserTable)
        .where(col(UserTable.is_platform_admin).is_(True), col(UserTable.is_disabled).is_(False))
        .order_by(col(UserTable.created_at), col(UserTable.id))
        .limit(1)
    )
    return (await tx.session.execute(statement)).scalar_one_or_none()


def status_of(user: UserTable, place: MembershipTable) -> str:
    """`disabled`, `invited` or `active`; the same as the column of `store.memberships.LISTING`."""
    if user.is_disabled or place.is_disabled:
        return "disabled"
    return "invited" if place.accepted_at is None else "active"


async def all_places(tx: Transaction, user_id: UUID) -> list[tuple[MembershipTable, str]]:
    """The person's places, whether they may act there or not, with the tenant's name. System transactions only."""
    statement = (
        select(MembershipTable, TenantTable.name)
        .join(TenantTable, col(TenantTable.id) == col(MembershipTable.tenant_id))
        .where(col(MembershipTable.user_id) == user_id)
        .order_by(col(TenantTable.name))
    )
    return [(place, name) for place, name in (await tx.session.execute(statement)).all()]
