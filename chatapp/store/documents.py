"""Queries about documents and their versions. A version's text is read only where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, true, update
from sqlmodel import col

from chatapp.domain import DocumentStatus, IngestStage, utc_now
from chatapp.errors import NotFound
from chatapp.store.access_conditions import may_write_document
from chatapp.store.database import Transaction
from chatapp.store.tables import (
    ChunkTable,
    CollectionTable,
    DocumentTable,
    DocumentVersionTable,
    PostingTable,
    UserTable,
)

_IDS_A_QUERY = 500
DocumentSort = Literal["created_at", "updated_at", "filename", "size_bytes", "status"]


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document with what its latest version and its surroundings say, without the text."""

    row: DocumentTable
    media_type: str
    size_bytes: int
    sha256: str
    title: str
    page_count: int
    chunk_count: int
    collection_name: str
    created_by_name: str
    can_write: bool
    """Whether the transaction's actor may change it."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; every given condition holds."""

    collection_id: UUID | None = None
    statuses: tuple[DocumentStatus, ...] = ()
    search: str = ""
    """Part of the name or title, upper and lower case alike."""
    ids: tuple[UUID, ...] | None = None
    """Only these; None: any."""


async def get(tx: Transaction, document_id: UUID, *, for_update: bool = False) -> DocumentTable:
    """One document that the transaction's actor may read.

    Args:
        tx: the transaction.
        document_id: which.
        for_update: keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is none of that id.
    """
    query = select(DocumentTable).where(col(DocumentTable.id) == document_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such document.", param="file_id")
    return row


async def find(tx: Transaction, document_id: UUID) -> DocumentTable | None:
    """One document that the transaction's actor may read, or None."""
    return (await tx.session.execute(select(DocumentTable).where(col(DocumentTable.id) == document_id))).scalar()


async def get_in(tx: Transaction, document_id: UUID, collection_id: UUID) -> DocumentTable:
    """One document, which must be in that collection; others cannot change it until the transaction ends.

    Raises:
        NotFound: there is none of that id in the collection.
    """
    row = await get(tx, document_id, for_update=True)
    if row.collection_id != collection_id:
        raise NotFound("There is no such document in this collection.", param="file_id")
    return row


async def get_record(tx: Transaction, document_id: UUID) -> DocumentRecord:
    """One document with its surroundings.

    Raises:
        NotFound: there is none of that id.
    """
    found = (await tx.session.execute(_records(tx).where(col(DocumentTable.id) == document_id))).one_or_none()
    if found is None:
        raise NotFound("There is no such document.", param="file_id")
    return _record(found)


async def list_records(
    tx: Transaction,
    wanted: DocumentFilter,
    *,
    sort: DocumentSort,
    descending: bool,
    limit: int,
    after: UUID | None,
) -> list[DocumentRecord]:
    """Documents in order, beginning behind the one of id `after`.

    Raises:
        NotFound: there is no document `after`.
    """
    key = _sort_key(sort)
    query = _records(tx).where(*_conditions(wanted))
    if after is not None:
        query = query.where(await _behind(tx, key, after, descending))
    order = (key.desc(), col(DocumentTable.id).desc()) if descending else (key, col(DocumentTable.id))
    found = await tx.session.execute(query.order_by(*order).limit(limit))
    return [_record(values) for values in found]


async def count(tx: Transaction, wanted: DocumentFilter) -> int:
    """How many documents the filter lets through."""
    query = select(func.count()).select_from(DocumentTable).join(DocumentVersionTable, _is_latest())
    return (await tx.session.execute(query.where(*_conditions(wanted)))).scalar_one()


async def get_version(tx: Transaction, document_id: UUID, version: int) -> DocumentVersionTable:
    """One version with its text.

    Raises:
        NotFound: there is no such version.
    """
    query = select(DocumentVersionTable).where(
        col(DocumentVersionTable.document_id) == document_id, col(DocumentVersionTable.version) == version
    )
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such version of the document.", param="version")
    return row


async def list_versions(tx: Transaction, document_id: UUID) -> list[tuple[Any, ...]]:
    """`(version, filename, media_type, size_bytes, sha256, page_count, chunk_count, created_at)`, newest first."""
    table = DocumentVersionTable
    query = (
        select(
            col(table.version),
            col(table.filename),
            col(table.media_type),
            col(table.size_bytes),
            col(table.sha256),
            col(table.page_count),
            col(table.chunk_count),
            col(table.created_at),
        )
        .where(col(table.document_id) == document_id)
        .order_by(col(table.version).desc())
    )
    return [tuple(row) for row in await tx.session.execute(query)]


async def find_same_bytes(tx: Transaction, collection_id: UUID | None, sha256: str) -> UUID | None:
    """The document of that collection (None: of no collection) whose latest version has these bytes."""
    place = col(DocumentTable.collection_id)
    query = (
        select(col(DocumentTable.id))
        .join(DocumentVersionTable, _is_latest())
        .where(
            col(DocumentVersionTable.sha256) == sha256,
            place.is_(None) if collection_id is None else place == collection_id,
        )
        .limit(1)
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def restart(tx: Transaction, document_id: UUID, **values: Any) -> None:
    """Queue the latest version, whatever was being done with it; a worker that has it loses its lease.

    Args:
        tx: the transaction.
        document_id: the document.
        **values: other columns to change at the same time.
    """
    await _set_state(tx, document_id, DocumentStatus.QUEUED, attempts=0, **values)


async def settle(tx: Transaction, document_id: UUID, status: DocumentStatus, **values: Any) -> None:
    """Put a document into a state nobody works on; a worker that has it loses its lease."""
    await _set_state(tx, document_id, status, **values)


async def _set_state(tx: Transaction, document_id: UUID, status: DocumentStatus, **values: Any) -> None:
    fresh: dict[str, Any] = {
        "status": status,
        "stage": IngestStage.WAITING,
        "progress": 0.0,
        "error": "",
        "error_stage": "",
        "lease_owner": "",
        "lease_expires_at": None,
        "updated_at": utc_now(),
    }
    statement = update(DocumentTable).where(col(DocumentTable.id) == document_id).values(**{**fresh, **values})
    await tx.session.execute(statement)


async def remove_index_rows(tx: Transaction, document_id: UUID, *, keep_version: int | None = None) -> None:
    """Delete chunk and keyword rows of a document, except those of one version."""
    for table in (ChunkTable, PostingTable):
        statement = delete(table).where(col(table.document_id) == document_id)
        if keep_version is not None:
            statement = statement.where(col(table.version) != keep_version)
        await tx.session.execute(statement)


async def remove(tx: Transaction, document_id: UUID) -> None:
    """Delete a document's row and, with it, versions, chunks and keyword rows."""
    await tx.session.execute(delete(DocumentTable).where(col(DocumentTable.id) == document_id))


async def list_chunks(
    tx: Transaction, document_id: UUID, version: int, *, limit: int, offset: int
) -> Sequence[ChunkTable]:
    """Pieces of one version in the document's order."""
    query = (
        select(ChunkTable)
        .where(col(ChunkTable.document_id) == document_id, col(ChunkTable.version) == version)
        .order_by(col(ChunkTable.ordinal))
        .limit(limit)
        .offset(offset)
    )
    return (await tx.session.execute(query)).scalars().all()


async def list_ids(tx: Transaction, collection_id: UUID) -> list[UUID]:
    """Every document of a collection; others cannot change them until the transaction ends."""
    query = select(col(DocumentTable.id)).where(col(DocumentTable.collection_id) == collection_id).with_for_update()
    return list((await tx.session.execute(query)).scalars())


async def list_existing(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these documents there are; in a system transaction, of any tenant."""
    found: set[UUID] = set()
    for first in range(0, len(ids), _IDS_A_QUERY):
        query = select(col(DocumentTable.id)).where(col(DocumentTable.id).in_(ids[first : first + _IDS_A_QUERY]))
        found.update((await tx.session.execute(query)).scalars())
    return found


def _is_latest() -> ColumnElement[bool]:
    return and_(
        col(DocumentVersionTable.document_id) == col(DocumentTable.id),
        col(DocumentVersionTable.version) == col(DocumentTable.latest_version),
    )


def _records(tx: Transaction) -> Select[*tuple[Any, ...]]:
    version = DocumentVersionTable
    can_write = may_write_document(tx.actor) if tx.actor is not None else true()
    return (
        select(
            DocumentTable,
            col(version.media_type),
            col(version.size_bytes),
            col(version.sha256),
            col(version.title),
            col(version.page_count),
            col(version.chunk_count),
            col(CollectionTable.name),
            col(UserTable.name),
            col(UserTable.email),
            can_write.label("can_write"),
        )
        .join(version, _is_latest())
        .outerjoin(CollectionTable, col(CollectionTable.id) == col(DocumentTable.collection_id))
        .outerjoin(UserTable, col(UserTable.id) == col(DocumentTable.created_by))
    )


def _record(values: tuple[Any, ...]) -> DocumentRecord:
    row, media_type, size, sha256, title, pages, chunks, collection_name, name, email, can_write = values
    author = name or email or ""
    return DocumentRecord(
        row, media_type, size, sha256, title, pages, chunks, collection_name or "", author, bool(can_write)
    )


def _conditions(wanted: DocumentFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.collection_id is not None:
        conditions.append(col(DocumentTable.collection_id) == wanted.collection_id)
    if wanted.statuses:
        conditions.append(col(DocumentTable.status).in_(wanted.statuses))
    if wanted.ids is not None:
        conditions.append(col(DocumentTable.id).in_(wanted.ids))
    if wanted.search:
        conditions.append(
            or_(
                col(DocumentTable.filename).icontains(wanted.search, autoescape=True),
                col(DocumentVersionTable.title).icontains(wanted.search, autoescape=True),
            )
        )
    return conditions


def _sort_key(sort: DocumentSort) -> Any:
    keys: dict[str, Any] = {
        "created_at": col(DocumentTable.created_at),
        "updated_at": col(DocumentTable.updated_at),
        "filename": func.lower(col(DocumentTable.filename)),
        "size_bytes": col(DocumentVersionTable.size_bytes),
        "status": col(DocumentTable.status),
    }
    return keys[sort]


async def _behind(tx: Transaction, key: Any, after: UUID, descending: bool) -> ColumnElement[bool]:
    identity = col(DocumentTable.id)
    query = select(key).select_from(DocumentTable).join(DocumentVersionTable, _is_latest()).where(identity == after)
    found = (await tx.session.execute(query)).one_or_none()
    if found is None:
        raise NotFound("There is no such document to continue after.", param="after")
    value = found[0]
    if descending:
        return or_(key < value, and_(key == value, identity < after))
    return or_(key > value, and_(key == value, identity > after))
