"""Use cases of grants: who may read which collection and why, and changing that.

Here alone a collection is seen by who may not read it: admins give and take grants, also on what is closed to them,
and see names and numbers and nothing that is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import rights, subjects
from chatapp.services.list_page import ListPage
from chatapp.services.subjects import Choice, GrantView, as_json, label, readers_sentence
from chatapp.store import access_conditions, audit, collections, grants, listing, users
from chatapp.store.database import Transaction, transaction
from chatapp.store.grants import WRITE, Grant, NamedGrant
from chatapp.store.tables import CollectionTable, UserTable

_NAMED = 20
"""People named where a change is previewed; the rest is counted."""
_MAX_REASON_CHARACTERS = 500
_MAX_SEARCH_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class GrantedCollectionView:
    """A collection as admins see it: who may read it, and not what is in it."""

    id: UUID
    name: str
    description: str
    readers: str
    """Who may read it, in a few words."""
    is_restricted: bool
    """Whether there are people of the tenant who may not read it."""
    documents: int
    size_bytes: int
    created_at: datetime
    grants: list[GrantView]


@dataclass(frozen=True, slots=True)
class GrantLine:
    """A collection as a line of CSV."""

    id: UUID
    name: str
    description: str
    is_restricted: bool
    documents: int
    size_bytes: int
    created_at: datetime
    readers: list[str]
    """Names of who may read it."""
    writers: list[str]
    """Names of those of them who may change it too, where their role lets them."""


@dataclass(frozen=True, slots=True)
class ReaderView:
    """Somebody who may read a collection, and why."""

    subject_kind: str
    """`user`, or `key` for a service's key."""
    id: UUID
    name: str
    detail: str
    """The person's address, or the beginning of the key."""
    can_write: bool
    through: list[str]
    """The grants they have, in words: `Everyone`, `the group Finance`."""


@dataclass(frozen=True, slots=True)
class ReadableView:
    """A collection that a person may read, and why."""

    id: UUID
    name: str
    can_write: bool
    through: list[str]


@dataclass(frozen=True, slots=True)
class GrantChange:
    """What other grants would change, or did."""

    readers: int
    """People who may read the collection with them."""
    reader_names: list[str]
    """The first of them, by name."""
    gained: int
    gained_names: list[str]
    lost: int
    lost_names: list[str]
    keys: list[str]
    """Services' keys that may read it."""
    warning: str
    """What to think of before it is done; empty: nothing."""


@dataclass(frozen=True, slots=True)
class GrantsSet:
    """A collection's grants after they were set."""

    grants: list[GrantView]
    change: GrantChange


async def list_collections(actor: Actor, wanted: Mapping[str, str]) -> ListPage[GrantedCollectionView]:
    """Every collection of the tenant with who may read it.

    Args:
        actor: who asks.
        wanted: filters and order, as for `store.listing`.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        InvalidInput: something of what is wanted is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        found = await listing.find(tx, grants.collection_listing(), wanted)
        rows: list[CollectionTable] = [row for row, _ in found.rows]
        views = await _views(tx, rows)
    return ListPage(views, found.next_cursor, found.total, found.is_total_exact)


async def list_lines(actor: Actor, wanted: Mapping[str, str]) -> ListPage[GrantLine]:
    """`list_collections` with every grant written out, for CSV."""
    page = await list_collections(actor, wanted)
    lines = [
        GrantLine(
            *(view.id, view.name, view.description, view.is_restricted),
            *(view.documents, view.size_bytes, view.created_at),
            readers=[each.name for each in view.grants],
            writers=[each.name for each in view.grants if each.access == WRITE],
        )
        for view in page.items
    ]
    return ListPage(lines, page.next_cursor, page.total, page.is_total_exact)


async def get_collection(actor: Actor, collection_id: UUID) -> GrantedCollectionView:
    """One collection with who may read it.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such collection in this tenant.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        return (await _views(tx, [await collections.get(tx, collection_id)]))[0]


async def _views(tx: Transaction, rows: Sequence[CollectionTable]) -> list[GrantedCollectionView]:
    ids = [row.id for row in rows]
    counts = await collections.count_documents(tx, ids)
    held = await grants.of_collections(tx, ids)
    return [_view(row, held.get(row.id, []), counts.get(row.id, collections.DocumentCounts())) for row in rows]


def _view(
    row: CollectionTable, held: Sequence[NamedGrant], counts: collections.DocumentCounts
) -> GrantedCollectionView:
    return GrantedCollectionView(
        id=row.id,
        name=row.name,
        description=row.description,
        readers=readers_sentence(held),
        is_restricted=not any(named.grant.subject_kind == "everyone" for named in held),
        documents=counts.total,
        size_bytes=counts.size_bytes,
        created_at=row.created_at,
        grants=[GrantView.of(named) for named in held],
    )


async def preview(actor: Actor, collection_id: UUID, wanted: Sequence[Grant]) -> GrantChange:
    """Who would gain and who would lose a collection if these were its grants. Nothing is changed.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such collection in this tenant.
        InvalidInput: a grant cannot be given; `param` names it.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        await collections.get(tx, collection_id)
        return await _change(tx, await _held(tx, collection_id), await _valid(tx, wanted))


async def set_grants(actor: Actor, collection_id: UUID, wanted: Sequence[Grant], *, reason: str = "") -> GrantsSet:
    """Put these in the place of a collection's grants. They hold from the next statement of anybody on.

    Args:
        actor: who changes them.
        collection_id: the collection.
        wanted: all grants it is to have; none: nobody may read it, and admins may grant it again.
        reason: why, for the audit log.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such collection in this tenant.
        InvalidInput: a grant cannot be given; `param` names it.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor, sees_every_collection=True) as tx:
        await collections.get(tx, collection_id, for_update=True)
        tidy = await _valid(tx, wanted)
        before = await _named(tx, collection_id)
        change = await _change(tx, [named.grant for named in before], tidy)
        if {named.grant for named in before} == set(tidy):
            return GrantsSet([GrantView.of(named) for named in before], change)
        await grants.replace_all(tx, collection_id, tidy)
        after = await _named(tx, collection_id)
        await audit.write(
            tx,
            "collection.granted",
            collection_id,
            before={"grants": as_json(before)},
            after={"grants": as_json(after)},
            reason=reason.replace("\x00", "").strip()[:_MAX_REASON_CHARACTERS],
        )
        return GrantsSet([GrantView.of(named) for named in after], change)


async def _valid(tx: Transaction, wanted: Sequence[Grant]) -> list[Grant]:
    tidy = subjects.tidy(wanted)
    subjects.require_known(tidy, await grants.find_subjects(tx, tidy))
    return tidy


async def _named(tx: Transaction, collection_id: UUID) -> list[NamedGrant]:
    return (await grants.of_collections(tx, [collection_id])).get(collection_id, [])


async def _held(tx: Transaction, collection_id: UUID) -> list[Grant]:
    return [named.grant for named in await _named(tx, collection_id)]


async def _change(tx: Transaction, before: Sequence[Grant], after: Sequence[Grant]) -> GrantChange:
    now, then = grants.readers(before), grants.readers(after)
    readers, reader_names = await _people(tx, then)
    gained, gained_names = await _people(tx, then & ~now)
    lost, lost_names = await _people(tx, now & ~then)
    keys = await grants.list_service_keys(tx, after, Permission.READ_DOCUMENTS)
    writers = await grants.count_people(tx, grants.writers(after))
    writing = [grant for grant in after if grant.access == WRITE]
    if not writers:
        writers = len(await grants.list_service_keys(tx, writing, Permission.WRITE_DOCUMENTS))
    return GrantChange(
        readers=readers,
        reader_names=reader_names,
        gained=gained,
        gained_names=gained_names,
        lost=lost,
        lost_names=lost_names,
        keys=[name for _, name, _ in keys],
        warning=_warning(has_readers=bool(readers or keys), has_writers=bool(writers)),
    )


def _warning(*, has_readers: bool, has_writers: bool) -> str:
    if not has_readers:
        return "Nobody may read this collection any more. Its documents stay, and an admin can grant it again."
    if not has_writers:
        return "Nobody who may read this collection may change it. Let somebody with the right to add documents write."
    return ""


async def _people(tx: Transaction, condition: grants.Condition) -> tuple[int, list[str]]:
    count = await grants.count_people(tx, condition)
    names = await grants.list_people(tx, condition, limit=_NAMED) if count else []
    return count, [name for _, name in names]


async def list_readers(actor: Actor, collection_id: UUID, wanted: Mapping[str, str]) -> ListPage[ReaderView]:
    """Who may read a collection, and through which grants: people by address, services' keys behind the last.

    Args:
        actor: who asks.
        collection_id: the collection.
        wanted: filters and order, as for `store.listing`.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such collection in this tenant.
        InvalidInput: something of what is wanted is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        await collections.get(tx, collection_id)
        held = await _named(tx, collection_id)
        only = [named.grant for named in held]
        found = await listing.find(tx, grants.people_listing(grants.readers(only)), wanted)
        inside = await grants.groups_of(tx, [user.id for user, _ in found.rows])
        views = [_reader(user, rights.roles_of(roles), inside.get(user.id, {}), held) for user, roles in found.rows]
        if found.next_cursor is None and not wanted.get("q"):
            views += await _key_readers(tx, held)
    return ListPage(views, found.next_cursor, found.total, found.is_total_exact)


def _reader(
    user: UserTable, roles: Sequence[str], inside: Mapping[UUID, str], held: Sequence[NamedGrant]
) -> ReaderView:
    def is_theirs(grant: Grant) -> bool:
        kind = grant.subject_kind
        return (
            kind == "everyone"
            or (kind == "role" and grant.subject in roles)
            or (kind == "group" and grant.id in inside)
            or (kind == "user" and grant.id == user.id)
        )

    theirs = [named for named in held if is_theirs(named.grant)]
    may_write = Permission.WRITE_DOCUMENTS in rights.permissions_of(user, roles)
    can_write = may_write and any(named.grant.access == WRITE for named in theirs)
    return ReaderView("user", user.id, user.name or user.email, user.email, can_write, _through(theirs))


async def _key_readers(tx: Transaction, held: Sequence[NamedGrant]) -> list[ReaderView]:
    only = [named.grant for named in held]
    writing = [grant for grant in only if grant.access == WRITE]
    writers = {key for key, _, _ in await grants.list_service_keys(tx, writing, Permission.WRITE_DOCUMENTS)}
    views = []
    for key, name, prefix in await grants.list_service_keys(tx, only, Permission.READ_DOCUMENTS):
        theirs = [each for each in held if each.grant.subject_kind == "everyone" or each.grant.id == key]
        views.append(ReaderView("key", key, name, f"{prefix}…", key in writers, _through(theirs)))
    return views


def _through(theirs: Iterable[NamedGrant]) -> list[str]:
    return [_reason(named) for named in theirs]


def _reason(named: NamedGrant) -> str:
    kind = named.grant.subject_kind
    if kind == "everyone":
        return "everyone may"
    if kind == "role":
        return f"the role {label(named)}"
    if kind == "group":
        return f"the group {label(named)}"
    return "a grant of their own"


async def search_people(actor: Actor, words: str = "") -> list[Choice]:
    """People of the tenant whose name or address holds some words, to ask what one of them may read.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
    """
    actor.require(Permission.READ_ADMIN)
    words = words.replace("\x00", "").strip()[:_MAX_SEARCH_CHARACTERS]
    async with transaction(actor, readonly=True) as tx:
        people = await grants.search_people(tx, words, limit=_NAMED)
    return [Choice("user", str(key), name, email) for key, name, email in people]


async def what_may_be_read(actor: Actor, user_id: UUID) -> list[ReadableView]:
    """The collections a person may read, by name, and through which grants.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such person in this tenant.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        user = await users.by_id(tx, user_id)
        place = await users.place_in(tx, user_id, actor.tenant_id)
        if user is None or place is None:
            raise NotFound("There is no such person here.", param="user_id")
        if user.is_disabled or place.is_disabled or place.accepted_at is None:
            return []
        person = rights.person(user, place, tenant_id=actor.tenant_id)
        if not person.may(Permission.READ_DOCUMENTS):
            return []
        found = await grants.list_granted(tx, access_conditions.held_by(person))
    by_collection: dict[UUID, tuple[str, list[NamedGrant]]] = {}
    for collection_id, name, named in found:
        by_collection.setdefault(collection_id, (name, []))[1].append(named)
    may_write = person.may(Permission.WRITE_DOCUMENTS)
    return [
        ReadableView(key, name, may_write and any(each.grant.access == WRITE for each in theirs), _through(theirs))
        for key, (name, theirs) in by_collection.items()
    ]
