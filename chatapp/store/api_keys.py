"""Keys for the HTTP API. Only a key's hash is kept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, or_, select, update

from chatapp.domain import utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import ApiKeyTable, MembershipTable, TenantTable, UserTable


async def find(
    tx: Transaction, key_hash: str, *, now: datetime
) -> tuple[ApiKeyTable, UserTable | None, MembershipTable | None] | None:
    """The living key with this hash and, for a person's key, the person and their place in the key's tenant.

    System transactions only: the key tells who the actor is. A revoked or expired key gives None, and so does the
    key of a person who was disabled or left the tenant.
    """
    return await _find(tx, col(ApiKeyTable.key_hash) == key_hash, now=now)


async def find_by_id(
    tx: Transaction, key_id: UUID, *, now: datetime
) -> tuple[ApiKeyTable, UserTable | None, MembershipTable | None] | None:
    """The same by the key's id, for what was asked with it earlier."""
    return await _find(tx, col(ApiKeyTable.id) == key_id, now=now)


async def _find(
    tx: Transaction, condition: ColumnElement[bool], *, now: datetime
) -> tuple[ApiKeyTable, UserTable | None, MembershipTable | None] | None:
    statement = (
        select(ApiKeyTable, UserTable, MembershipTable)
        .outerjoin(UserTable, col(UserTable.id) == col(ApiKeyTable.user_id))
        .outerjoin(
            MembershipTable,
            (col(MembershipTable.user_id) == col(ApiKeyTable.user_id))
            & (col(MembershipTable.tenant_id) == col(ApiKeyTable.tenant_id))
            & col(MembershipTable.is_disabled).is_(False)
            & col(MembershipTable.accepted_at).is_not(None),
        )
        .join(TenantTable, col(TenantTable.id) == col(ApiKeyTable.tenant_id))
        .where(
            condition,
            col(TenantTable.is_suspended).is_(False),
            col(ApiKeyTable.revoked_at).is_(None),
            or_(col(ApiKeyTable.expires_at).is_(None), col(ApiKeyTable.expires_at) > now),
        )
    )
    row = (await tx.session.execute(statement)).one_or_none()
    if row is None:
        return None
    key, user, place = row
    if key.user_id is not None and (user is None or user.is_disabled or place is None):
        return None
    return key, user, place


async def mark_used(tx: Transaction, key_id: UUID, *, moment: datetime) -> None:
    """Note when the key was last used. System transactions only."""
    await tx.session.execute(update(ApiKeyTable).where(col(ApiKeyTable.id) == key_id).values(last_used_at=moment))


async def of_tenant(tx: Transaction) -> list[ApiKeyTable]:
    """The keys of the actor's tenant that were not revoked, newest first."""
    statement = (
        select(ApiKeyTable)
        .where(col(ApiKeyTable.tenant_id) == tx.tenant_id, col(ApiKeyTable.revoked_at).is_(None))
        .order_by(col(ApiKeyTable.created_at).desc(), col(ApiKeyTable.id))
    )
    return list((await tx.session.execute(statement)).scalars())


async def revoke(tx: Transaction, key_id: UUID) -> bool:
    """End a key of the actor's tenant.

    Returns:
        False when the tenant has no such living key.
    """
    statement = (
        update(ApiKeyTable)
        .where(
            col(ApiKeyTable.id) == key_id,
            col(ApiKeyTable.tenant_id) == tx.tenant_id,
            col(ApiKeyTable.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now())
    )
    return (await tx.session.execute(statement)).rowcount == 1  # pyright: ignore[reportAttributeAccessIssue]
