"""Use cases of collections: which there are, which an actor may read, and changing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.store import audit, collections, documents
from chatapp.store import removals as removal_rows
from chatapp.store.collections import DocumentCounts
from chatapp.store.database import transaction
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

    @classmethod
    def from_row(cls, row: CollectionTable, counts: DocumentCounts | None = None) -> CollectionView:
        """The view of a row."""
        return cls(row.id, row.name, row.description, row.version, counts or DocumentCounts(), row.created_at)


async def list_readable(actor: Actor) -> list[CollectionView]:
    """Every collection the actor may read, by name.

    Raises:
        NotPermitted: the actor may not read documents.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        rows = await collections.list_all(tx)
        counts = await collections.count_documents(tx, [row.id for row in rows])
    return [CollectionView.from_row(row, counts.get(row.id)) for row in rows]


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
        raise NotFound("There is no such collection.", param="collections")
    return list(dict.fromkeys(requested))


async def still_readable(actor: Actor, chosen: Sequence[UUID] | None) -> list[UUID] | None:
    """An earlier choice of collections without those that are gone since; all of them where none of it is left.

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
        NotFound: no such collection in this tenant.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        row = await collections.get(tx, collection_id)
        counts = await collections.count_documents(tx, [row.id])
    return CollectionView.from_row(row, counts.get(row.id))


async def create(actor: Actor, *, name: str, description: str = "") -> CollectionView:
    """Make an empty collection.

    Raises:
        NotPermitted: the actor may not write documents.
        InvalidInput: the name is empty or too long.
        Conflict: the tenant has one of that name.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    name = _valid_name(name)
    async with transaction(actor) as tx:
        await _require_free(tx, name)
        row = CollectionTable(
            tenant_id=actor.tenant_id,
            name=name,
            description=_valid_description(description),
            created_by=actor.user_id,
        )
        tx.session.add(row)
        await audit.write(tx, "collection.created", row.id, name=name)
        return CollectionView.from_row(row)


async def ensure(actor: Actor, *, name: str, description: str = "") -> CollectionView:
    """The collection of that name, made where it is missing: for set-up and the command line.

    Raises:
        NotPermitted: the actor may not write documents.
        InvalidInput: the name is empty or too long.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        row = await collections.find_by_name(tx, _valid_name(name))
    return CollectionView.from_row(row) if row else await create(actor, name=name, description=description)


async def rename(
    actor: Actor, collection_id: UUID, *, name: str | None = None, description: str | None = None
) -> CollectionView:
    """Change a collection's name or description; what is None stays.

    Raises:
        NotPermitted: the actor may not write documents.
        NotFound: no such collection in this tenant.
        InvalidInput: the name is empty or too long.
        Conflict: another collection has that name.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await collections.get(tx, collection_id)
        if name is not None:
            await _require_free(tx, _valid_name(name), except_id=collection_id)
            row.name = _valid_name(name)
        if description is not None:
            row.description = _valid_description(description)
        await audit.write(tx, "collection.renamed", row.id, name=row.name)
        counts = await collections.count_documents(tx, [row.id])
        return CollectionView.from_row(row, counts.get(row.id))


async def delete(actor: Actor, collection_id: UUID) -> int:
    """Delete a collection with all its documents; returns how many documents went.

    Raises:
        NotPermitted: the actor may not write documents.
        NotFound: no such collection in this tenant.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await collections.get(tx, collection_id)
        document_ids = await documents.list_ids(tx, collection_id)
        pending = [removal_rows.add(tx, collection_id=None, document_id=document_id) for document_id in document_ids]
        pending.append(removal_rows.add(tx, collection_id=collection_id))
        await tx.session.delete(row)
        await audit.write(tx, "collection.deleted", collection_id, name=row.name, documents=len(document_ids))
    await removals.carry_out(actor, pending)
    return len(document_ids)


async def _require_free(tx: collections.Transaction, name: str, *, except_id: UUID | None = None) -> None:
    await collections.lock_names(tx)
    other = await collections.find_by_name(tx, name)
    if other is not None and other.id != except_id:
        raise Conflict(f"There is a collection named “{other.name}” already. Choose another name.", param="name")


def _valid_name(name: str) -> str:
    name = " ".join(name.replace("\x00", "").split())
    if not name:
        raise InvalidInput("Give the collection a name.", param="name")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise InvalidInput(f"The name is longer than {_MAX_NAME_CHARACTERS} characters.", param="name")
    return name


def _valid_description(description: str) -> str:
    description = description.replace("\x00", "").strip()
    if len(description) > _MAX_DESCRIPTION_CHARACTERS:
        raise InvalidInput(
            f"The description is longer than {_MAX_DESCRIPTION_CHARACTERS} characters.", param="description"
        )
    return description
