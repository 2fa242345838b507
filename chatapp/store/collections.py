"""Queries about collections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlmodel import col

from chatapp.domain import DocumentStatus
from chatapp.errors import NotFound
from chatapp.store.database import Transaction
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


async def get(tx: Transaction, collection_id: UUID, *, for_update: bool = False) -> CollectionTable:
    """One collection of the tenant.

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


async def list_all(tx: Transaction) -> Sequence[CollectionTable]:
    """Every collection of the tenant, by name."""
    query = select(CollectionTable).order_by(func.lower(col(CollectionTable.name)), col(CollectionTable.id))
    return (await tx.session.execute(query)).scalars().all()


async def list_ids(tx: Transaction) -> list[UUID]:
    """The ids of every collection of the tenant, by name."""
    query = select(col(CollectionTable.id)).order_by(func.lower(col(CollectionTable.name)), col(CollectionTable.id))
    return list((await tx.session.execute(query)).scalars())


async def lock_names(tx: Transaction) -> None:
    """Let nobody else of the tenant take a name until `tx` ends: who then looks for it in vain may have it."""
    query = select(col(TenantTable.id)).where(col(TenantTable.id) == tx.tenant_id)
    # Every row of the tenant refers to this one; those may go on being written.
    await tx.session.execute(query.with_for_update(key_share=True))


async def find_by_name(tx: Transaction, name: str) -> CollectionTable | None:
    """The collection of that name, upper and lower case alike."""
    query = select(CollectionTable).where(func.lower(col(CollectionTable.name)) == name.lower()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


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
