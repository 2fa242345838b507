"""Groups of people, and who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select
from sqlmodel import col

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import ListField, Listing
from chatapp.store.tables import (
    CollectionGrantTable,
    GroupMemberTable,
    GroupTable,
    MembershipTable,
    TenantTable,
    UserTable,
)

# Before somebody has joined, their name is another tenant's to know.
member_name = case((col(MembershipTable.accepted_at).is_(None), ""), else_=col(UserTable.name))
"""What a person of the tenant is called, as a column beside their place; may be empty."""
_member_status = case(
    (or_(col(MembershipTable.is_disabled), col(UserTable.is_disabled)), "disabled"),
    (col(MembershipTable.accepted_at).is_(None), "invited"),
    else_="active",
)
_member_count = (
    select(func.count())
    .where(col(GroupMemberTable.group_id) == col(GroupTable.id))
    .correlate(GroupTable)
    .scalar_subquery()
)
_collection_count = (
    select(func.count())
    .where(col(CollectionGrantTable.group_id) == col(GroupTable.id))
    .correlate(GroupTable)
    .scalar_subquery()
)
_columns: Any = select(
    col(GroupTable.id),
    col(GroupTable.name),
    col(GroupTable.description),
    _member_count.label("members"),
    _collection_count.label("collections"),
    col(GroupTable.created_at),
)

LISTING = Listing(
    statement=_columns,
    identity=col(GroupTable.id),
    fields=(
        ListField("name", func.lower(col(GroupTable.name)), is_searched=True),
        ListField("description", col(GroupTable.description), is_searched=True, is_sorted=False),
        ListField("members", _member_count, "number"),
        ListField("collections", _collection_count, "number"),
        ListField("created_at", col(GroupTable.created_at), "moment"),
        ListField("id", col(GroupTable.id), "id"),
    ),
    order="name",
)
"""The tenant's groups, with how many people are in each and how many collections it opens."""


def members(group_id: UUID) -> Listing:
    """The people in a group."""
    rows: Any = (
        select(
            col(UserTable.id),
            member_name,
            col(UserTable.email),
            _member_status,
            col(GroupMemberTable.is_managed),
            col(GroupMemberTable.created_at),
        )
        .join(GroupMemberTable, col(GroupMemberTable.user_id) == col(UserTable.id))
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(col(GroupMemberTable.group_id) == group_id)
    )
    return Listing(
        statement=rows,
        identity=col(UserTable.id),
        fields=(
            ListField("email", col(UserTable.email), is_searched=True),
            ListField("name", member_name, is_searched=True),
            ListField("status", _member_status, "choice", choices=("invited", "active", "disabled")),
            ListField("is_managed", col(GroupMemberTable.is_managed), "yes_no"),
            ListField("created_at", col(GroupMemberTable.created_at), "moment"),
            ListField("id", col(UserTable.id), "id"),
        ),
        order="email",
    )


async def get(tx: Transaction, group_id: UUID, *, for_update: bool = False) -> GroupTable:
    """One group of the tenant.

    Raises:
        NotFound: there is none of that id.
    """
    query = select(GroupTable).where(col(GroupTable.id) == group_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such group.", param="group_id")
    return row


async def get_counted(tx: Transaction, group_id: UUID) -> tuple[Any, ...]:
    """One group as `LISTING` has it.

    Raises:
        NotFound: there is none of that id.
    """
    row = (await tx.session.execute(_columns.where(col(GroupTable.id) == group_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such group.", param="group_id")
    return tuple(row)


async def lock_names(tx: Transaction) -> None:
    """Let nobody else of the tenant take a name until `tx` ends: who then looks for it in vain may have it."""
    query = select(col(TenantTable.id)).where(col(TenantTable.id) == tx.tenant_id)
    await tx.session.execute(query.with_for_update(key_share=True))


async def find_by_name(tx: Transaction, name: str) -> GroupTable | None:
    """The group of that name, upper and lower case alike."""
    query = select(GroupTable).where(func.lower(col(GroupTable.name)) == name.lower()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def list_people(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Addresses of those of the people who have a place in the tenant."""
    query = (
        select(col(UserTable.id), col(UserTable.email))
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(col(UserTable.id).in_(user_ids))
    )
    return {row[0]: row[1] for row in await tx.session.execute(query)}


async def list_inside(tx: Transaction, group_id: UUID, user_ids: Sequence[UUID]) -> set[UUID]:
    """Which of the people are in the group."""
    query = select(col(GroupMemberTable.user_id)).where(
        col(GroupMemberTable.group_id) == group_id, col(GroupMemberTable.user_id).in_(user_ids)
    )
    return set((await tx.session.execute(query)).scalars())


async def add_members(tx: Transaction, group_id: UUID, user_ids: Sequence[UUID]) -> None:
    """Put people who are not in the group into it."""
    rows = [GroupMemberTable(tenant_id=tx.tenant_id, group_id=group_id, user_id=user_id) for user_id in user_ids]
    tx.session.add_all(rows)
    await tx.session.flush()


async def remove_members(tx: Transaction, group_id: UUID, user_ids: Sequence[UUID]) -> None:
    """Take people out of the group."""
    statement = delete(GroupMemberTable).where(
        col(GroupMemberTable.group_id) == group_id, col(GroupMemberTable.user_id).in_(user_ids)
    )
    await tx.session.execute(statement.execution_options(synchronize_session=False))


async def list_collections(tx: Transaction, group_id: UUID) -> list[UUID]:
    """The collections with a grant to the group."""
    query = select(col(CollectionGrantTable.collection_id)).where(col(CollectionGrantTable.group_id) == group_id)
    return list((await tx.session.execute(query)).scalars())
