"""People as a tenant's admins see them: their places in the tenant, and what goes with a place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case
from sqlalchemy import select as select_columns
from sqlmodel import and_, col, delete, func, or_, select, update

from chatapp.domain import Role, utc_now
from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import ListField, Listing
from chatapp.store.tables import (
    ApiKeyTable,
    CollectionGrantTable,
    ConversationTable,
    GroupMemberTable,
    GroupTable,
    IdentityTable,
    MembershipTable,
    OneTimeLinkTable,
    SessionTable,
    TenantTable,
    TurnTable,
    UserTable,
)

STATUSES = ("invited", "active", "disabled")

_status = case(
    (or_(col(MembershipTable.is_disabled), col(UserTable.is_disabled)), "disabled"),
    (col(MembershipTable.accepted_at).is_(None), "invited"),
    else_="active",
)
# Before somebody has joined, their name is another tenant's to know.
_name = case((col(MembershipTable.accepted_at).is_(None), ""), else_=col(UserTable.name))
_columns: Any = select_columns(
    col(UserTable.id),
    col(UserTable.email),
    _name,
    _status,
    col(MembershipTable.roles),
    col(MembershipTable.is_managed),
    col(UserTable.is_platform_admin),
    col(UserTable.is_disabled),
    col(MembershipTable.created_at),
    col(MembershipTable.accepted_at),
).join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))

LISTING = Listing(
    statement=_columns,
    identity=col(UserTable.id),
    fields=(
        ListField("email", col(UserTable.email), is_searched=True),
        ListField("name", _name, is_searched=True),
        ListField("status", _status, "choice", choices=STATUSES),
        ListField("roles", col(MembershipTable.roles), "choices", choices=tuple(Role), is_sorted=False),
        ListField("is_managed", col(MembershipTable.is_managed), "yes_no"),
        ListField("created_at", col(MembershipTable.created_at), "moment"),
        ListField("id", col(UserTable.id), "id"),
    ),
    order="email",
)
"""The people of the actor's tenant; the loader criteria of the transaction confine the places to it."""


async def last_seen(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When each of these people used the product in the actor's tenant last; who never did is not there.

    Asked for a page of the list and not in it: over a whole tenant it would be one look for each person.
    """
    statement = (
        select(SessionTable.user_id, func.max(col(SessionTable.last_seen_at)))
        .where(col(SessionTable.tenant_id) == tx.tenant_id, col(SessionTable.user_id).in_(user_ids))
        .group_by(col(SessionTable.user_id))
    )
    return {user_id: moment for user_id, moment in (await tx.session.execute(statement)).all()}


async def get(tx: Transaction, user_id: UUID) -> tuple[UserTable, MembershipTable]:
    """A person of the actor's tenant.

    Raises:
        NotFound: they have no place in it.
    """
    statement = (
        select(UserTable, MembershipTable)
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(col(MembershipTable.tenant_id) == tx.tenant_id, col(UserTable.id) == user_id)
    )
    row = (await tx.session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no such person here.", param="user_id")
    return row[0], row[1]


async def lock_tenant(tx: Transaction) -> None:
    """Let no other change of who is admin happen meanwhile: each would count the other's person as one who stays."""
    statement = select(TenantTable.id).where(col(TenantTable.id) == tx.tenant_id)
    # Not the stronger lock: rows that refer to the tenant, lines of the audit log among them, are written meanwhile.
    await tx.session.execute(statement.with_for_update(key_share=True))


async def groups_of(tx: Transaction, user_id: UUID) -> list[tuple[UUID, str]]:
    """Ids and names of the groups of the actor's tenant the person is in."""
    statement = (
        select(GroupTable.id, GroupTable.name)
        .join(GroupMemberTable, col(GroupMemberTable.group_id) == col(GroupTable.id))
        .where(col(GroupMemberTable.user_id) == user_id, col(GroupTable.tenant_id) == tx.tenant_id)
        .order_by(col(GroupTable.name))
    )
    return [(group_id, name) for group_id, name in (await tx.session.execute(statement)).all()]


async def count_keys(tx: Transaction, user_id: UUID) -> int:
    """How many living keys the person has in the actor's tenant."""
    now = utc_now()
    statement = select(func.count()).where(
        col(ApiKeyTable.user_id) == user_id,
        col(ApiKeyTable.tenant_id) == tx.tenant_id,
        col(ApiKeyTable.revoked_at).is_(None),
        or_(col(ApiKeyTable.expires_at).is_(None), col(ApiKeyTable.expires_at) > now),
    )
    return (await tx.session.execute(statement)).scalar_one()


async def remove(tx: Transaction, user: UserTable, place: MembershipTable) -> None:
    """Take a person out of the actor's tenant with all that would let them in again or speak for them.

    What they wrote and uploaded stays: it is the tenant's.
    """
    tenant_id, user_id = place.tenant_id, user.id
    await tx.session.execute(
        update(ApiKeyTable)
        .where(
            col(ApiKeyTable.tenant_id) == tenant_id,
            col(ApiKeyTable.user_id) == user_id,
            col(ApiKeyTable.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now())
    )
    of_user = (
        (GroupMemberTable, and_(_of(GroupMemberTable, tenant_id), col(GroupMemberTable.user_id) == user_id)),
        (IdentityTable, and_(_of(IdentityTable, tenant_id), col(IdentityTable.user_id) == user_id)),
        (
            CollectionGrantTable,
            and_(
                _of(CollectionGrantTable, tenant_id),
                col(CollectionGrantTable.subject_kind) == "user",
                col(CollectionGrantTable.subject) == str(user_id),
            ),
        ),
        (OneTimeLinkTable, and_(_of(OneTimeLinkTable, tenant_id), col(OneTimeLinkTable.user_id) == user_id)),
    )
    for table, condition in of_user:
        await tx.session.execute(delete(table).where(condition))
    await tx.session.delete(place)
    await tx.session.flush()


def _of(table: type, tenant_id: UUID) -> ColumnElement[bool]:
    return col(table.tenant_id) == tenant_id  # pyright: ignore[reportAttributeAccessIssue]


async def hand_over(tx: Transaction, place: MembershipTable, invited: UserTable, user_id: UUID) -> MembershipTable:
    """Give the place of somebody who was invited and never came to a person of the same address.

    What was given to the place meanwhile, groups, grants and keys, goes with it. System transactions only.

    Args:
        tx: the transaction.
        place: the invited one, in a tenant where the person has none.
        invited: whose it was; they are forgotten.
        user_id: whose it is from now on.

    Returns:
        the place in its new form.
    """
    kept = place.model_dump(include={"tenant_id", "roles", "is_managed", "invited_by", "created_at"})
    new = MembershipTable(**kept, user_id=user_id)
    tx.session.add(new)
    await tx.session.flush()
    for table in (GroupMemberTable, CollectionGrantTable, ApiKeyTable):
        values = {"user_id": user_id} | ({"subject": str(user_id)} if table is CollectionGrantTable else {})
        of_place = and_(_of(table, place.tenant_id), col(table.user_id) == invited.id)
        await tx.session.execute(update(table).where(of_place).values(**values))
    await tx.session.delete(place)
    await tx.session.delete(invited)
    await tx.session.flush()
    return new


async def delete_if_nobody(tx: Transaction, user_id: UUID) -> bool:
    """Forget a person who never came in and is in no tenant (any more): their address is nobody's business then.

    System transactions only.

    Returns:
        whether they were forgotten.
    """
    user = await tx.session.get(UserTable, user_id)
    if user is None or user.password_hash is not None or user.is_platform_admin:
        return False
    # Whoever has left anything behind was here: it would go with them, and it is their tenant's.
    traces = (MembershipTable, IdentityTable, SessionTable, ApiKeyTable, ConversationTable, TurnTable)
    left = or_(*(select(table.id).where(col(table.user_id) == user_id).exists() for table in traces))
    if (await tx.session.execute(select(left))).scalar_one():
        return False
    await tx.session.delete(user)
    return True
