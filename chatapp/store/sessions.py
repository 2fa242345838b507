"""Sign-ins. Only the hash of a cookie's value is kept. Sessions belong to people, not to tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import and_, col, delete, or_, select, update

from chatapp.domain import utc_now
from chatapp.store import users
from chatapp.store.database import Transaction
from chatapp.store.tables import MembershipTable, SessionTable, TenantTable, UserTable

DATABASE_FAILURES = (SQLAlchemyError, OSError)
"""What a query raises while the database is away or refuses it."""

SessionRow = tuple[SessionTable, UserTable, MembershipTable | None]
"""A session, its person and their place in the session's tenant; None: a platform admin who looks at it."""


async def find(tx: Transaction, token_hash: str, *, now: datetime) -> SessionRow | None:
    """The living session with this hash. System transactions only: it tells who the actor is.

    A revoked or expired session, a disabled person, a person who may not act in the tenant (any more) and a suspended
    tenant give None. A platform admin may look at every tenant.
    """
    row = (await tx.session.execute(_living(now).where(col(SessionTable.token_hash) == token_hash))).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


async def find_by_ids(tx: Transaction, session_ids: Sequence[UUID], *, now: datetime) -> list[SessionRow]:
    """Those of these sessions that live, by the conditions of `find`. System transactions only."""
    rows = await tx.session.execute(_living(now).where(col(SessionTable.id).in_(session_ids)))
    return [(row[0], row[1], row[2]) for row in rows.all()]


def _living(now: datetime) -> Select[SessionTable, UserTable, MembershipTable]:
    is_place_in_it = (
        col(MembershipTable.user_id) == col(SessionTable.user_id),
        col(MembershipTable.tenant_id) == col(SessionTable.tenant_id),
    )
    on_place: ColumnElement[bool] = is_place_in_it[0] & is_place_in_it[1]
    for condition in users.may_act():
        on_place &= condition
    return (
        select(SessionTable, UserTable, MembershipTable)
        .join(UserTable, col(UserTable.id) == col(SessionTable.user_id))
        .join(TenantTable, col(TenantTable.id) == col(SessionTable.tenant_id))
        .outerjoin(MembershipTable, on_place)
        .where(
            *_is_open(now),
            col(UserTable.is_disabled).is_(False),
            or_(col(MembershipTable.id).is_not(None), _looks_everywhere()),
        )
    )


def _looks_everywhere() -> ColumnElement[bool]:
    # An identity provider of one tenant makes nobody a platform admin.
    return and_(col(UserTable.is_platform_admin).is_(True), col(SessionTable.method) != "oidc")


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (col(SessionTable.revoked_at).is_(None), col(SessionTable.expires_at) > now)


async def of_user(
    tx: Transaction, user_id: UUID, *, now: datetime, limit: int = 100, tenant_id: UUID | None = None
) -> list[tuple[SessionTable, str]]:
    """The person's open sessions with the name of the tenant each is in, the one seen last first.

    Args:
        tx: the transaction.
        user_id: whose they are.
        now: what has run out by then is left out.
        limit: at most so many.
        tenant_id: only those in this tenant.
    """
    statement = (
        select(SessionTable, TenantTable.name)
        .join(TenantTable, col(TenantTable.id) == col(SessionTable.tenant_id))
        .where(col(SessionTable.user_id) == user_id, *_is_open(now))
        .order_by(col(SessionTable.last_seen_at).desc(), col(SessionTable.id))
        .limit(limit)
    )
    if tenant_id is not None:
        statement = statement.where(col(SessionTable.tenant_id) == tenant_id)
    return [(row, name) for row, name in (await tx.session.execute(statement)).all()]


async def last_tenant_id(tx: Transaction, user_id: UUID) -> UUID | None:
    """The tenant the person looked at last, whether that session still lives or not."""
    statement = (
        select(SessionTable.tenant_id)
        .where(col(SessionTable.user_id) == user_id)
        .order_by(col(SessionTable.last_seen_at).desc())
        .limit(1)
    )
    return (await tx.session.execute(statement)).scalar_one_or_none()


async def note_seen(tx: Transaction, session_id: UUID, *, moment: datetime) -> None:
    """Keep when the session was used last."""
    await tx.session.execute(update(SessionTable).where(col(SessionTable.id) == session_id).values(last_seen_at=moment))


async def revoke(tx: Transaction, token_hash: str) -> int:
    """End the session with this hash; one that ended before stays as it is.

    Returns:
        how many ended: 1 or 0.
    """
    return await _revoke(tx, col(SessionTable.token_hash) == token_hash)


async def revoke_one(tx: Transaction, user_id: UUID, session_id: UUID, *, tenant_id: UUID | None = None) -> bool:
    """End one session of the person.

    Args:
        tx: the transaction.
        user_id: whose it is.
        session_id: the session.
        tenant_id: only if it is in this tenant.

    Returns:
        whether it was theirs and open.
    """
    conditions = (*_of(user_id, tenant_id), col(SessionTable.id) == session_id)
    return await _revoke(tx, *conditions) == 1


async def revoke_all(tx: Transaction, user_id: UUID, *, but: UUID | None = None, tenant_id: UUID | None = None) -> int:
    """End every session of the person.

    Args:
        tx: the transaction.
        user_id: whose they are.
        but: the one that goes on.
        tenant_id: only those in this tenant; None: in every tenant.

    Returns:
        how many ended.
    """
    conditions = [*_of(user_id, tenant_id)]
    if but is not None:
        conditions.append(col(SessionTable.id) != but)
    return await _revoke(tx, *conditions)


async def revoke_in_tenant(tx: Transaction, user_id: UUID, tenant_id: UUID) -> int:
    """End the person's sessions in one tenant.

    Returns:
        how many ended.
    """
    return await revoke_all(tx, user_id, tenant_id=tenant_id)


def _of(user_id: UUID, tenant_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    of_user = col(SessionTable.user_id) == user_id
    return (of_user,) if tenant_id is None else (of_user, col(SessionTable.tenant_id) == tenant_id)


async def _revoke(tx: Transaction, *conditions: ColumnElement[bool]) -> int:
    statement = (
        update(SessionTable).where(*conditions, col(SessionTable.revoked_at).is_(None)).values(revoked_at=utc_now())
    )
    return (await tx.session.execute(statement)).rowcount  # pyright: ignore[reportAttributeAccessIssue]


async def delete_expired(tx: Transaction, *, before: datetime) -> None:
    """Remove sessions that ran out before the moment given."""
    await tx.session.execute(delete(SessionTable).where(col(SessionTable.expires_at) < before))
