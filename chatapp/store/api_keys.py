"""Keys for the HTTP API. Only a key's hash is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, literal, or_, select, update
from sqlmodel import col
from sqlmodel.sql.sqltypes import UTCDateTime

from chatapp.domain import utc_now
from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import Found, ListField, Listing
from chatapp.store.listing import find as list_page
from chatapp.store.tables import ApiKeyTable, MembershipTable, TenantTable, UserTable

STATES = ("active", "expired", "revoked", "owner_away")
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""What stands for no moment where keys are sorted by one."""


FoundKey = tuple[ApiKeyTable, UserTable | None, MembershipTable | None]
"""A living key; for a person's, the person and their place in the key's tenant."""


async def find(tx: Transaction, key_hash: str, *, now: datetime) -> FoundKey | None:
    """The living key with this hash.

    System transactions only: the key tells who the actor is. A revoked or expired key gives None, and so does the
    key of a person who was disabled or left the tenant. After a rotation the key before it opens for its grace.
    """
    in_grace = and_(col(ApiKeyTable.previous_key_hash) == key_hash, col(ApiKeyTable.previous_expires_at) > now)
    return await _find(tx, or_(col(ApiKeyTable.key_hash) == key_hash, in_grace), now=now)


async def find_by_id(tx: Transaction, key_id: UUID, *, now: datetime) -> FoundKey | None:
    """The same by the key's id, for what was asked with it earlier."""
    return await _find(tx, col(ApiKeyTable.id) == key_id, now=now)


async def _find(tx: Transaction, condition: ColumnElement[bool], *, now: datetime) -> FoundKey | None:
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


async def services_of(
    tx: Transaction, maker_ids: Sequence[UUID], *, now: datetime, for_update: bool = False
) -> list[ApiKeyTable]:
    """Living keys of services of the actor's tenant that these people made or rotated, or that such keys made.

    Args:
        tx: the transaction.
        maker_ids: the people.
        now: what has run out by then is left out.
        for_update: keep others from changing the keys until the transaction ends.
    """
    query = select(ApiKeyTable).where(
        col(ApiKeyTable.tenant_id) == tx.tenant_id,
        col(ApiKeyTable.user_id).is_(None),
        col(ApiKeyTable.created_by).is_not(None),
    )
    query = query.order_by(col(ApiKeyTable.created_at), col(ApiKeyTable.id))
    rows = (await tx.session.execute(query.with_for_update() if for_update else query)).scalars().all()
    # A key that ended long ago may have made one that lives.
    makers, size = set(maker_ids), -1
    while size != len(makers):
        size = len(makers)
        makers |= {row.id for row in rows if row.created_by in makers}
    return [
        row
        for row in rows
        if row.created_by in makers and row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
    ]


async def tenants_of_services_of(tx: Transaction, maker_id: UUID) -> list[UUID]:
    """Tenants in which the person made or rotated a key of a service. System transactions only."""
    query = select(col(ApiKeyTable.tenant_id)).where(
        col(ApiKeyTable.created_by) == maker_id, col(ApiKeyTable.user_id).is_(None)
    )
    return sorted((await tx.session.execute(query.distinct())).scalars())


async def mark_used(tx: Transaction, key_id: UUID, *, moment: datetime) -> None:
    """Note when the key was last used. System transactions only."""
    await tx.session.execute(update(ApiKeyTable).where(col(ApiKeyTable.id) == key_id).values(last_used_at=moment))


async def find_page(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """Keys of the actor's tenant, those that ended among them: row, address and name of its person, state.

    Args:
        tx: the transaction.
        wanted: the grammar of `store.listing`.
    """
    state = _state(utc_now())
    statement: Select[Any] = (
        select(ApiKeyTable, col(UserTable.email), col(UserTable.name), state)  # pyright: ignore[reportAssignmentType]
        .outerjoin(UserTable, col(UserTable.id) == col(ApiKeyTable.user_id))
        .outerjoin(MembershipTable, _is_place())
        .where(col(ApiKeyTable.tenant_id) == tx.tenant_id)
    )
    fields = (
        ListField("name", col(ApiKeyTable.name), is_searched=True),
        ListField("prefix", col(ApiKeyTable.prefix), is_searched=True),
        ListField("owner", func.coalesce(col(UserTable.email), ""), is_searched=True),
        ListField("user_id", col(ApiKeyTable.user_id), "id", is_sorted=False),
        ListField("scopes", cast(col(ApiKeyTable.scopes), String), is_sorted=False),
        ListField("state", state, "choice", choices=STATES),
        ListField("created_at", col(ApiKeyTable.created_at), "moment"),
        ListField("expires_at", func.coalesce(col(ApiKeyTable.expires_at), _moment(_NEVER)), "moment"),
        ListField("last_used_at", func.coalesce(col(ApiKeyTable.last_used_at), _moment(_LONG_AGO)), "moment"),
        ListField("id", col(ApiKeyTable.id), "id"),
    )
    return await list_page(tx, Listing(statement, col(ApiKeyTable.id), fields), wanted)


def _state(now: datetime) -> ColumnElement[str]:
    is_of_person = col(ApiKeyTable.user_id).is_not(None)
    is_away = or_(
        col(MembershipTable.id).is_(None),
        col(MembershipTable.is_disabled),
        col(MembershipTable.accepted_at).is_(None),
        col(UserTable.is_disabled),
    )
    return case(
        (col(ApiKeyTable.revoked_at).is_not(None), "revoked"),
        (col(ApiKeyTable.expires_at) <= now, "expired"),
        (and_(is_of_person, is_away), "owner_away"),
        else_="active",
    )


def _is_place() -> ColumnElement[bool]:
    return and_(
        col(MembershipTable.user_id) == col(ApiKeyTable.user_id),
        col(MembershipTable.tenant_id) == col(ApiKeyTable.tenant_id),
    )


def _moment(value: datetime) -> Any:
    return literal(value, type_=UTCDateTime())


async def get(tx: Transaction, key_id: UUID, *, for_update: bool = False) -> tuple[ApiKeyTable, UserTable | None]:
    """One key of the actor's tenant with its person.

    Args:
        tx: the transaction.
        key_id: which.
        for_update: keep others from changing the key until the transaction ends.

    Raises:
        NotFound: the tenant has no such key.
    """
    query = select(ApiKeyTable).where(col(ApiKeyTable.id) == key_id, col(ApiKeyTable.tenant_id) == tx.tenant_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such key.", param="key_id")
    return row, await tx.session.get(UserTable, row.user_id) if row.user_id is not None else None
