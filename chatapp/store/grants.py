"""Grants on collections: written, listed with names, and the people they reach.

What a grant lets its holder do is decided in `store.access_conditions`; here are the rows themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, cast, delete, exists, false, func, or_, select, true
from sqlmodel import col

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Permission, Role, utc_now
from chatapp.store.database import Transaction
from chatapp.store.groups import member_name
from chatapp.store.listing import ListField, Listing
from chatapp.store.tables import (
    ApiKeyTable,
    CollectionGrantTable,
    CollectionTable,
    GroupMemberTable,
    GroupTable,
    MembershipTable,
    UserTable,
)

READ, WRITE = "read", "write"
Condition = ColumnElement[bool]
SUBJECT_KINDS = ("everyone", "role", "group", "user", "key")


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may read a collection, or write it too."""

    subject_kind: str
    """`everyone`, `role`, `group`, `user` or `key`."""
    subject: str
    """Empty for everyone, the role's name, or the id with its hyphens."""
    access: str = READ

    @property
    def id(self) -> UUID | None:
        """The id of a group, person or key."""
        return UUID(self.subject) if self.subject_kind in {"group", "user", "key"} else None


EVERYONE_WRITES = Grant("everyone", "", WRITE)
"""What a new collection has unless its maker says otherwise."""


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant as people read it."""

    grant: Grant
    name: str
    """Of the group, person or key; empty for everyone and roles."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What can be granted to, out of what was asked for, by id, with names."""

    groups: Mapping[UUID, str]
    people: Mapping[UUID, str]
    keys: Mapping[UUID, str]


async def add(tx: Transaction, collection_id: UUID, grants: Sequence[Grant]) -> None:
    """Give grants on a collection whose row is written; none of them is there yet."""
    created_by = tx.actor.user_id if tx.actor is not None else None
    for grant in grants:
        tx.session.add(
            CollectionGrantTable(
                tenant_id=tx.tenant_id,
                collection_id=collection_id,
                subject_kind=grant.subject_kind,
                subject=grant.subject,
                group_id=grant.id if grant.subject_kind == "group" else None,
                user_id=grant.id if grant.subject_kind == "user" else None,
                key_id=grant.id if grant.subject_kind == "key" else None,
                access=grant.access,
                created_by=created_by,
            )
        )
    await tx.session.flush()


async def replace_all(tx: Transaction, collection_id: UUID, grants: Sequence[Grant]) -> None:
    """Take every grant on a collection away and give these."""
    statement = delete(CollectionGrantTable).where(col(CollectionGrantTable.collection_id) == collection_id)
    await tx.session.execute(statement.execution_options(synchronize_session=False))
    await add(tx, collection_id, grants)


async def of_collections(tx: Transaction, collection_ids: Sequence[UUID]) -> dict[UUID, list[NamedGrant]]:
    """The grants on each collection: everyone first, then roles, groups, people and keys, by name."""
    table = CollectionGrantTable
    name = func.coalesce(col(GroupTable.name), _name(), col(ApiKeyTable.name))
    query = (
        select(col(table.collection_id), col(table.subject_kind), col(table.subject), col(table.access), name)
        .outerjoin(GroupTable, col(GroupTable.id) == col(table.group_id))
        .outerjoin(MembershipTable, col(MembershipTable.user_id) == col(table.user_id))
        .outerjoin(UserTable, col(UserTable.id) == col(MembershipTable.user_id))
        .outerjoin(ApiKeyTable, col(ApiKeyTable.id) == col(table.key_id))
        .where(col(table.collection_id).in_(collection_ids))
        .order_by(_kind_order(), func.lower(name), col(table.subject))
    )
    found: dict[UUID, list[NamedGrant]] = {}
    for collection_id, kind, subject, access, shown in await tx.session.execute(query):
        found.setdefault(collection_id, []).append(NamedGrant(Grant(kind, subject, access), shown or ""))
    return found


async def find_subjects(tx: Transaction, grants: Sequence[Grant]) -> Subjects:
    """The groups, people and services' keys of the tenant that grants name; of people, those who have a place.

    A key that ended counts: a grant to it is harmless, and must not keep the others from being set again.
    """
    ids = {kind: [grant.id for grant in grants if grant.subject_kind == kind] for kind in ("group", "user", "key")}
    groups = select(col(GroupTable.id), col(GroupTable.name)).where(col(GroupTable.id).in_(ids["group"]))
    people = (
        select(col(UserTable.id), _name())
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(col(UserTable.id).in_(ids["user"]))
    )
    keys = select(col(ApiKeyTable.id), col(ApiKeyTable.name)).where(
        col(ApiKeyTable.id).in_(ids["key"]), col(ApiKeyTable.user_id).is_(None)
    )
    found = [{row[0]: row[1] for row in await tx.session.execute(query)} for query in (groups, people, keys)]
    return Subjects(*found)


async def search_groups(tx: Transaction, words: str, *, limit: int) -> list[tuple[UUID, str, int]]:
    """Groups whose name holds the words, by name: id, name and how many people are in it."""
    members = select(func.count()).where(col(GroupMemberTable.group_id) == col(GroupTable.id)).scalar_subquery()
    query = select(col(GroupTable.id), col(GroupTable.name), members)
    query = query.where(col(GroupTable.name).icontains(words, autoescape=True))
    rows = await tx.session.execute(query.order_by(func.lower(col(GroupTable.name))).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


async def search_people(tx: Transaction, words: str, *, limit: int) -> list[tuple[UUID, str, str]]:
    """People of the tenant whose name or address holds the words, by name: id, name and address."""
    query = (
        select(col(UserTable.id), _name(), col(UserTable.email))
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(
            or_(
                member_name.icontains(words, autoescape=True),
                col(UserTable.email).icontains(words, autoescape=True),
            ),
            col(MembershipTable.is_disabled).is_(False),
            col(UserTable.is_disabled).is_(False),
        )
        .order_by(func.lower(_name()), col(UserTable.email))
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in await tx.session.execute(query)]


async def search_keys(tx: Transaction, words: str, *, limit: int) -> list[tuple[UUID, str, str]]:
    """Living keys of services whose name holds the words, by name: id, name and prefix."""
    key = ApiKeyTable
    query = select(col(key.id), col(key.name), col(key.prefix)).where(
        col(key.name).icontains(words, autoescape=True), *_is_living_service_key()
    )
    rows = await tx.session.execute(query.order_by(func.lower(col(key.name)), col(key.id)).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def readers(grants: Sequence[Grant]) -> Condition:
    """Which people, as rows of memberships and users, grants reach: those who may act and whose roles let them read."""
    return and_(_may_act(), _has_role(Permission.READ_DOCUMENTS), _reached(grants))


def writers(grants: Sequence[Grant]) -> Condition:
    """The same for writing."""
    writing = [grant for grant in grants if grant.access == WRITE]
    return and_(_may_act(), _has_role(Permission.WRITE_DOCUMENTS), _reached(writing))


async def count_people(tx: Transaction, condition: Condition) -> int:
    """How many people of the tenant a condition of `readers` or `writers` holds for."""
    query = select(func.count()).select_from(MembershipTable)
    query = query.join(UserTable, col(UserTable.id) == col(MembershipTable.user_id)).where(condition)
    return (await tx.session.execute(query)).scalar_one()


async def list_people(tx: Transaction, condition: Condition, *, limit: int) -> list[tuple[UUID, str]]:
    """Id and name of people a condition of `readers` or `writers` holds for, by name."""
    query = (
        select(col(UserTable.id), _name())
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(condition)
        .order_by(func.lower(_name()), col(UserTable.id))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await tx.session.execute(query)]


async def list_service_keys(
    tx: Transaction, grants: Sequence[Grant], permission: Permission
) -> list[tuple[UUID, str, str]]:
    """Id, name and prefix of the living services' keys that grants reach and whose scopes hold a permission."""
    ids = [grant.id for grant in grants if grant.subject_kind == "key"]
    is_reached = true() if _has_everyone(grants) else col(ApiKeyTable.id).in_(ids)
    query = select(ApiKeyTable).where(is_reached, *_is_living_service_key()).order_by(func.lower(col(ApiKeyTable.name)))
    scopes = {scope for scope, allowed in SCOPE_PERMISSIONS.items() if permission in allowed}
    rows = (await tx.session.execute(query)).scalars()
    return [(row.id, row.name, row.prefix) for row in rows if scopes & set(row.scopes)]


async def groups_of(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, str]]:
    """The groups each person is in: name by id."""
    query = (
        select(col(GroupMemberTable.user_id), col(GroupTable.id), col(GroupTable.name))
        .join(GroupTable, col(GroupTable.id) == col(GroupMemberTable.group_id))
        .where(col(GroupMemberTable.user_id).in_(user_ids))
    )
    found: dict[UUID, dict[UUID, str]] = {}
    for user_id, group_id, name in await tx.session.execute(query):
        found.setdefault(user_id, {})[group_id] = name
    return found


async def list_granted(tx: Transaction, condition: Condition) -> list[tuple[UUID, str, NamedGrant]]:
    """Collections, by name, with the grants on them that a condition on grants holds for.

    Args:
        tx: the transaction.
        condition: as `access_conditions.held_by` makes it; people and keys are not named in what comes back.
    """
    table = CollectionGrantTable
    query = (
        select(
            col(CollectionTable.id),
            col(CollectionTable.name),
            col(table.subject_kind),
            col(table.subject),
            col(table.access),
            col(GroupTable.name),
        )
        .join(CollectionTable, col(CollectionTable.id) == col(table.collection_id))
        .outerjoin(GroupTable, col(GroupTable.id) == col(table.group_id))
        .where(condition)
        .order_by(func.lower(col(CollectionTable.name)), col(CollectionTable.id), _kind_order())
    )
    return [
        (row[0], row[1], NamedGrant(Grant(row[2], row[3], row[4]), row[5] or ""))
        for row in await tx.session.execute(query)
    ]


def collection_listing() -> Listing:
    """Collections and whether everyone may read them, for admins."""
    table = CollectionTable
    rows: Any = select(table, is_open(col(table.id)).label("is_open"))
    return Listing(
        statement=rows,
        identity=col(table.id),
        fields=(
            ListField("name", func.lower(col(table.name)), is_searched=True),
            ListField("description", col(table.description), is_searched=True, is_sorted=False),
            ListField("is_restricted", ~is_open(col(table.id)), kind="yes_no", is_sorted=False),
            ListField("created_at", col(table.created_at), kind="moment"),
            ListField("id", col(table.id), kind="id"),
        ),
        order="name",
    )


def people_listing(condition: Condition) -> Listing:
    """People a condition of `readers` holds for, with the roles kept of them."""
    rows: Any = (
        select(UserTable, col(MembershipTable.roles))
        .join(MembershipTable, col(MembershipTable.user_id) == col(UserTable.id))
        .where(condition)
    )
    return Listing(
        statement=rows,
        identity=col(UserTable.id),
        fields=(
            ListField("email", col(UserTable.email), is_searched=True),
            ListField("name", func.lower(_name()), is_searched=True),
        ),
        order="email",
    )


def is_open(collection_id: Any) -> Condition:
    """Whether everyone may read the collection of that id, as part of a statement."""
    grant = CollectionGrantTable
    return exists().where(col(grant.collection_id) == collection_id, col(grant.subject_kind) == "everyone")


def _kind_order() -> Any:
    places = {kind: place for place, kind in enumerate(SUBJECT_KINDS)}
    return case(places, value=col(CollectionGrantTable.subject_kind))


def _name() -> Any:
    return func.coalesce(func.nullif(member_name, ""), col(UserTable.email))


def _has_everyone(grants: Sequence[Grant]) -> bool:
    return any(grant.subject_kind == "everyone" for grant in grants)


def _may_act() -> Condition:
    return and_(
        col(MembershipTable.is_disabled).is_(False),
        col(MembershipTable.accepted_at).is_not(None),
        col(UserTable.is_disabled).is_(False),
    )


def _reached(grants: Sequence[Grant]) -> Condition:
    if _has_everyone(grants):
        return true()
    by_kind = {kind: [grant for grant in grants if grant.subject_kind == kind] for kind in SUBJECT_KINDS}
    reached: list[Condition] = [_has_any_role([grant.subject for grant in by_kind["role"]])]
    if by_kind["user"]:
        reached.append(col(MembershipTable.user_id).in_([grant.id for grant in by_kind["user"]]))
    if by_kind["group"]:
        place = GroupMemberTable
        inside = select(col(place.user_id)).where(col(place.group_id).in_([grant.id for grant in by_kind["group"]]))
        reached.append(col(MembershipTable.user_id).in_(inside))
    return or_(*reached)


def _has_role(permission: Permission) -> Condition:
    return _has_any_role([role for role in Role if permission in ROLE_PERMISSIONS[role]])


def _has_any_role(roles: Sequence[str]) -> Condition:
    # Roles are kept as a list in JSON, and a role's name stands in quotes there on every database.
    return or_(false(), *(cast(col(MembershipTable.roles), Text).contains(f'"{role}"') for role in roles))


def _is_living_service_key() -> tuple[Condition, ...]:
    key = ApiKeyTable
    expires_at = col(key.expires_at)
    return (
        col(key.user_id).is_(None),
        col(key.revoked_at).is_(None),
        or_(expires_at.is_(None), expires_at > utc_now()),
    )
