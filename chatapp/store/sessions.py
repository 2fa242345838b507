"""Sign-ins. Only the hash of a cookie's value is kept. System transactions only: a session tells who the actor is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, select, update

from chatapp.domain import utc_now
from chatapp.store import users
from chatapp.store.database import Transaction
from chatapp.store.tables import MembershipTable, SessionTable, TenantTable, UserTable


async def find(
    tx: Transaction, token_hash: str, *, now: datetime
) -> tuple[SessionTable, UserTable, MembershipTable] | None:
    """The living session with this hash, its person and the person's place in the session's tenant.

    A revoked or expired session, a disabled person, a person who left the tenant and a suspended tenant give None.
    """
    statement = (
        select(SessionTable, UserTable, MembershipTable)
        .join(UserTable, col(UserTable.id) == col(SessionTable.user_id))
        .join(
            MembershipTable,
            (col(MembershipTable.user_id) == col(SessionTable.user_id))
            & (col(MembershipTable.tenant_id) == col(SessionTable.tenant_id)),
        )
        .join(TenantTable, col(TenantTable.id) == col(SessionTable.tenant_id))
        .where(
            col(SessionTable.token_hash) == token_hash,
            col(SessionTable.revoked_at).is_(None),
            col(SessionTable.expires_at) > now,
            col(UserTable.is_disabled).is_(False),
            *users.may_act(),
        )
    )
    row = (await tx.session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


async def revoke(tx: Transaction, token_hash: str) -> None:
    """End the session with this hash; one that ended before stays as it is."""
    await tx.session.execute(
        update(SessionTable)
        .where(col(SessionTable.token_hash) == token_hash, col(SessionTable.revoked_at).is_(None))
        .values(revoked_at=utc_now())
    )


async def revoke_all(tx: Transaction, user_id: UUID) -> None:
    """End every session of the person, in every tenant."""
    await tx.session.execute(
        update(SessionTable)
        .where(col(SessionTable.user_id) == user_id, col(SessionTable.revoked_at).is_(None))
        .values(revoked_at=utc_now())
    )


async def delete_expired(tx: Transaction, *, before: datetime) -> None:
    """Remove sessions that ran out before the moment given."""
    await tx.session.execute(delete(SessionTable).where(col(SessionTable.expires_at) < before))
