"""Queries about collections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlmodel import col

from chatapp.domain import Actor, DocumentStatus
from chatapp.errors import NotFound, NotPermitted
from chatapp.store.access_conditions import may_write
from chatapp.store.database import SEES_EVERY_COLLECTION, Transaction
from chatapp.store.grants import is_open
from chatapp.store.tables import CollectionTable, DocumentTable, DocumentVersionTable, TenantTable


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """How many documents of a collection stand where."""

    total: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    size_bytes: int = 0
    """Of the latest versions together."""


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A collection with what it is to an actor."""

    row: CollectionTable
    can_write: bool
    is_restricted: bool
    """Whether there are people of the tenant who may not read it."""


async def get(tx: Transaction, collection_id: UUID, *, for_update: bool = False) -> CollectionTable:
    """One collection that the transaction's actor may read.

    Args:
        tx: the transaction.
        collection_id: which.
        for_update: keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is none of that id.
    """
    query = select(CollectionTable).where(col(CollectionTable.id) == collection_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such collection.", param="collection_id")
    return row


async def get_writable(tx: Transaction, collection_id: UUID, *, for_update: bool = False) -> CollectionTable:
    """One collection that the transaction's actor may write: asked before anything changes it or what is in it.

    Args:
        tx: the actor's transaction.
        collection_id: which.
        for_update: keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is none of that id that the actor may read.
        NotPermitted: the actor may read it only.
    """
    row = await get(tx, collection_id, for_update=for_update)
    if tx.actor is None or not await _is_writable(tx, tx.actor, collection_id):
        raise NotPermitted(f"You may read “{row.name}” and not change it. Ask an admin for the right to.")
    return row


async def _is_writable(tx: Transaction, actor: Actor, collection_id: UUID) -> bool:
    identity = col(CollectionTable.id)
    query = select(identity).where(identity == collection_id, may_write(actor, identity))
    return (await tx.session.execute(query)).scalar_one_or_none() is not None


async def list_all(tx: Transaction) -> Sequence[CollectionTable]:
    """Every collection that the transaction's actor may read, by name."""
    query = select(CollectionTable).order_by(func.lower(col(CollectionTable.name)), col(CollectionTable.id))
    return (await tx.session.execute(query)).scalars().all()


async def list_records(
    tx: Transaction, actor: Actor, *, collection_id: UUID | None = None
) -> Sequence[CollectionRecord]:
    """Collections that the transaction's actor may read, by name.

    Args:
        tx: the transaction.
        actor: who it is who may write them or not.
        collection_id: only this one; None: all.
    """
    identity = col(CollectionTable.id)
    query = select(CollectionTable, may_write(actor, identity).label("can_write"), is_open(identity).label("is_open"))
    if collection_id is not None:
        query = query.where(identity == collection_id)
    rows = await tx.session.execute(query.order_by(func.lower(col(CollectionTable.name)), identity))
    return [CollectionRecord(row, bool(can_write), not is_everyones) for row, can_write, is_everyones in rows]


async def list_ids(tx: Transaction) -> list[UUID]:
    """The ids of every collection that the transaction's actor may read, by name."""
    query = select(col(CollectionTable.id)).order_by(func.lower(col(CollectionTable.name)), col(CollectionTable.id))
    return list((await tx.session.execute(query)).scalars())


async def lock_names(tx: Transaction) -> None:
    """Let nobody else of the tenant take a name until `tx` ends: who then looks for it in vain may have it."""
    query = select(col(TenantTable.id)).where(col(TenantTable.id) == tx.tenant_id)
    # Every row of the tenant refers to this one; those may go on being written.
    await tx.session.execute(query.with_for_update(key_share=True))


async def find_by_name(tx: Transaction, name: str) -> CollectionTable | None:
    """The collection of that name, upper and lower case alike, where the transaction's actor may read it."""
    query = select(CollectionTable).where(func.lower(col(CollectionTable.name)) == name.lower()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def is_name_taken(tx: Transaction, name: str, *, except_id: UUID | None = None) -> bool:
    """Whether any collection of the tenant has that name, also one the actor may not know of."""
    query = select(col(CollectionTable.id)).where(func.lower(col(CollectionTable.name)) == name.lower())
    if except_id is not None:
        query = query.where(col(CollectionTable.id) != except_id)
    found = await tx.session.execute(query.limit(1), execution_options={SEES_EVERY_COLLECTION: True})
    return found.scalar_one_or_none() is not None


async def count_documents(tx: Transaction, collection_ids: Sequence[UUID]) -> dict[UUID, DocumentCounts]:
    """Documents of each collection by where they stand; a collection without any is left out."""
    document, version = DocumentTable, DocumentVersionTable
    query = (
        select(col(document.collection_id), col(document.status), func.count(), func.sum(col(version.size_bytes)))
        .outerjoin(
            version,
            and_(col(version.document_id) == col(document.id), col(version.version) == col(document.latest_version)),
        )
        .where(col(document.collection_id).in_(collection_ids))
        .group_by(col(document.collection_id), col(document.status))
    )
    by_collection: dict[UUID, dict[str, int]] = {}
    size_bytes: dict[UUID, int] = {}
    for collection_id, status, count, size in await tx.session.execute(query):
        if collection_id is not None:
            by_collection.setdefault(collection_id, {})[status] = count
            size_bytes[collection_id] = size_bytes.get(collection_id, 0) + int(size or 0)
    return {
        collection_id: _counts(counts, size_bytes[collection_id]) for collection_id, counts in by_collection.items()
    }


def _counts(by_status: dict[str, int], size_bytes: int) -> DocumentCounts:
    return DocumentCounts(
        total=sum(by_status.values()),
        in_progress=by_status.get(DocumentStatus.QUEUED, 0) + by_status.get(DocumentStatus.RUNNING, 0),
        completed=by_status.get(DocumentStatus.COMPLETED, 0),
        failed=by_status.get(DocumentStatus.FAILED, 0),
        cancelled=by_status.get(DocumentStatus.CANCELLED, 0),
        size_bytes=size_bytes,
    )


async def bump_version(tx: Transaction, collection_id: UUID) -> None:
    """Note that what the collection answers with has changed."""
    statement = (
        update(CollectionTable)
        .where(col(CollectionTable.id) == collection_id)
        .values(version=CollectionTable.version + 1)
    )
    await tx.session.execute(statement)
