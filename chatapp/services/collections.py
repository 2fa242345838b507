"""Use cases of collections: which there are, which an actor may read and write, and changing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, NotFound
from chatapp.services import subjects
from chatapp.services.names import valid_description, valid_name
from chatapp.store import audit, collections, documents, grants
from chatapp.store import removals as removal_rows
from chatapp.store.collections import CollectionRecord, DocumentCounts
from chatapp.store.database import Transaction, transaction
from chatapp.store.grants import EVERYONE_WRITES, WRITE, Grant, NamedGrant
from chatapp.store.tables import CollectionTable
from ingest import removals

_MAX_NAME_CHARACTERS = 120
_MAX_DESCRIPTION_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection as people and programs see it."""

    id: UUID
    name: str
    description: str
    version: int
    """Grows with every change of what the collection answers with."""
    counts: DocumentCounts
    created_at: datetime
    can_write: bool = True
    """Whether the one who asks may change what is in it."""
    readers: str = ""
    """Who may read it, in a few words, where that is not everyone; empty: everyone may."""

    @property
    def is_restricted(self) -> bool:
        """Whether there are people of the tenant who may not read it."""
        return bool(self.readers)

    @classmethod
    def of(cls, record: CollectionRecord, counts: DocumentCounts | None, held: Sequence[NamedGrant]) -> CollectionView:
        """The view of a record."""
        row = record.row
        readers = subjects.readers_sentence(held) if record.is_restricted else ""
        counts = counts or DocumentCounts()
        return cls(row.id, row.name, row.description, row.version, counts, row.created_at, record.can_write, readers)


async def list_readable(actor: Actor) -> list[CollectionView]:
    """Every collection the actor may read, by name.

    Raises:
        NotPermitted: the actor may not read documents.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        return await _views(tx, await collections.list_records(tx, actor))


async def _views(tx: Transaction, records: Sequence[CollectionRecord]) -> list[CollectionView]:
    counts = await collections.count_documents(tx, [record.row.id for record in records])
    restricted = [record.row.id for record in records if record.is_restricted]
    held = await grants.of_collections(tx, restricted) if restricted else {}
    return [CollectionView.of(each, counts.get(each.row.id), held.get(each.row.id, ())) for each in records]


async def _view(tx: Transaction, actor: Actor, collection_id: UUID) -> CollectionView:
    await collections.get(tx, collection_id)
    records = await collections.list_records(tx, actor, collection_id=collection_id)
    return (await _views(tx, records))[0]


async def readable_ids(actor: Actor, requested: Sequence[UUID] | None) -> list[UUID]:
    """The collections to ask, out of those the actor may read.

    Args:
        actor: who asks.
        requested: the ones wanted; None: every readable one; empty: none.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: one of those wanted is not there or not the actor's to read.
    """
    if requested is not None and not requested:
        return []
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        readable = await collections.list_ids(tx)
    if requested is None:
        return readable
    if not set(requested) <= set(readable):
        raise NotFound(
            "A collection that was chosen is gone, or not yours to read any more. Choose others.", param="collections"
        )
    return list(dict.fromkeys(requested))


async def still_readable(actor: Actor, chosen: Sequence[UUID] | None) -> list[UUID] | None:
    """An earlier choice without the collections that are gone or not the actor's to read any more.

    Where none of it is left, that is every readable one: a conversation must not end with its collection.

    Args:
        actor: who asks.
        chosen: as for `readable_ids`.
    """
    if not chosen:
        return None if chosen is None else []
    async with transaction(actor, readonly=True) as tx:
        readable = set(await collections.list_ids(tx))
    return [collection_id for collection_id in chosen if collection_id in readable] or None


async def get(actor: Actor, collection_id: UUID) -> CollectionView:
    """One collection.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such collection that the actor may read.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, actor, collection_id)


async def create(
    actor: Actor, *, name: str, description: str = "", granted: Sequence[Grant] | None = None
) -> CollectionView:
    """Make an empty collection.

    Args:
        actor: who makes it.
        name: what it is called.
        description: what it holds.
        granted: who may read and write it, beside the actor, who always may; None: everyone may do both.

    Raises:
        NotPermitted: the actor may not write documents.
        InvalidInput: the name is empty or too long, or a grant cannot be given.
        Conflict: the tenant has one of that name.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    name = _valid_name(name)
    async with transaction(actor) as tx:
        given = [EVERYONE_WRITES] if granted is None else _with_maker(actor, await _valid_grants(tx, granted))
        await _require_free(tx, name)
        row = CollectionTable(
            tenant_id=actor.tenant_id,
            name=name,
            description=_valid_description(description),
            created_by=actor.user_id,
        )
        tx.session.add(row)
        await tx.session.flush()
        await grants.add(tx, row.id, given)
        held = (await grants.of_collections(tx, [row.id]))[row.id]
        await audit.write(tx, "collection.created", row.id, after={"name": name, "grants": subjects.as_json(held)})
        return await _view(tx, actor, row.id)


async def _valid_grants(tx: Transaction, granted: Sequence[Grant]) -> list[Grant]:
    tidy = subjects.tidy(granted)
    subjects.require_known(tidy, await grants.find_subjects(tx, tidy))
    return tidy


def _with_maker(actor: Actor, granted: Sequence[Grant]) -> list[Grant]:
    """The grants with one more: whoever makes a collection for some must not lock themselves out."""
    if any(grant.subject_kind == "everyone" and grant.access == WRITE for grant in granted):
        return list(granted)
    is_service = actor.user_id is None
    own = Grant("key" if is_service else "user", str(actor.key_id if is_service else actor.user_id), WRITE)
    others = [one for one in granted if (one.subject_kind, one.subject) != (own.subject_kind, own.subject)]
    return [own, *others]


async def ensure(actor: Actor, *, name: str, description: str = "") -> CollectionView:
    """The collection of that name, made where it is missing: for set-up and the command line.

    Raises:
        NotPermitted: the actor may not write documents.
        InvalidInput: the name is empty or too long.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        row = await collections.find_by_name(tx, _valid_name(name))
    if row is not None:
        return await get(actor, row.id)
    return await create(actor, name=name, description=description)


async def rename(
    actor: Actor, collection_id: UUID, *, name: str | None = None, description: str | None = None
) -> CollectionView:
    """Change a collection's name or description; what is None stays.

    Raises:
        NotPermitted: the actor may not write documents, or not this collection.
        NotFound: no such collection that the actor may read.
        InvalidInput: the name is empty or too long.
        Conflict: another collection has that name.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await collections.get_writable(tx, collection_id)
        before = {"name": row.name, "description": row.description}
        if name is not None:
            await _require_free(tx, _valid_name(name), except_id=collection_id)
            row.name = _valid_name(name)
        if description is not None:
            row.description = _valid_description(description)
        await tx.session.flush()
        after = {"name": row.name, "description": row.description}
        await audit.write(tx, "collection.renamed", row.id, before=before, after=after)
        return await _view(tx, actor, row.id)


async def delete(actor: Actor, collection_id: UUID) -> int:
    """Delete a collection with all its documents; returns how many documents went.

    Raises:
        NotPermitted: the actor may not write documents, or not this collection.
        NotFound: no such collection that the actor may read.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await collections.get_writable(tx, collection_id)
        document_ids = await documents.list_ids(tx, collection_id)
        pending = [removal_rows.add(tx, collection_id=None, document_id=document_id) for document_id in document_ids]
        pending.append(removal_rows.add(tx, collection_id=collection_id))
        held = (await grants.of_collections(tx, [collection_id])).get(collection_id, [])
        await tx.session.delete(row)
        before = {"name": row.name, "documents": len(document_ids), "grants": subjects.as_json(held)}
        await audit.write(tx, "collection.deleted", collection_id, before=before)
    await removals.carry_out(actor, pending)
    return len(document_ids)


async def _require_free(tx: Transaction, name: str, *, except_id: UUID | None = None) -> None:
    await collections.lock_names(tx)
    if await collections.is_name_taken(tx, name, except_id=except_id):
        raise Conflict(f"There is a collection named “{name}” already. Choose another name.", param="name")


def _valid_name(name: str) -> str:
    return valid_name(name, what="the collection a name", max_characters=_MAX_NAME_CHARACTERS)


def _valid_description(description: str) -> str:
    return valid_description(description, max_characters=_MAX_DESCRIPTION_CHARACTERS)
