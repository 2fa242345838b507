"""Chunk rows: written with a version of a document, read back for what retrieval found.

Reading asks whether the chunk's version is the one its document answers with. That is the truth about what may
be shown: a vector or a posting of a half-indexed, replaced or deleted document finds no row here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import and_, func, insert, select
from sqlmodel import col

from chatapp.domain import Chunk
from chatapp.store.database import Transaction
from chatapp.store.tables import ChunkTable, DocumentTable, DocumentVersionTable


@dataclass(frozen=True, slots=True)
class AnsweringChunk:
    """A chunk of the version its document answers with."""

    chunk: Chunk
    version: int
    filename: str
    title: str


def chunk_id(document_id: UUID, version: int, ordinal: int) -> UUID:
    """The id of a chunk, the same in database, vector index and keyword index, and in every attempt to write it.

    Args:
        document_id: the document.
        version: its version, 1 or more.
        ordinal: the chunk's 0-based place in that version.
    """
    return uuid5(document_id, f"{version}/{ordinal}")


async def add(tx: Transaction, version: int, chunks: Sequence[Chunk]) -> None:
    """Write the chunks of one version of a document, many rows a statement.

    Args:
        tx: the transaction.
        version: the version they belong to.
        chunks: the pieces, each with the id `chunk_id` gives.

    Raises:
        ValueError: a chunk has another id, so its keywords would never lead to it.
    """
    for chunk in chunks:
        if chunk.id != chunk_id(chunk.document_id, version, chunk.ordinal):
            raise ValueError(f"chunk {chunk.ordinal} of {chunk.document_id} does not have the id of its place")
    rows = [
        {
            "tenant_id": tx.tenant_id,
            "id": chunk.id,
            "document_id": chunk.document_id,
            "collection_id": chunk.collection_id,
            "version": version,
            "ordinal": chunk.ordinal,
            "text": chunk.text,
            "start": chunk.start,
            "end": chunk.end,
            "page": chunk.page,
            "heading": chunk.heading,
        }
        for chunk in chunks
    ]
    if rows:
        await tx.session.execute(insert(ChunkTable), rows)


async def headings(tx: Transaction, document_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The headings of the versions that some documents answer with, each once, in the order of the document."""
    found: dict[UUID, list[str]] = {}
    if not document_ids:
        return found
    query = (
        select(col(ChunkTable.document_id), col(ChunkTable.heading))
        .join(
            DocumentTable,
            and_(
                col(DocumentTable.id) == col(ChunkTable.document_id),
                col(DocumentTable.active_version) == col(ChunkTable.version),
            ),
        )
        .where(col(ChunkTable.document_id).in_(document_ids), col(ChunkTable.heading) != "")
        .group_by(col(ChunkTable.document_id), col(ChunkTable.heading))
        .order_by(func.min(col(ChunkTable.ordinal)))
    )
    for document_id, heading in (await tx.session.execute(query)).all():
        found.setdefault(document_id, []).append(heading)
    return found


async def load_answering(
    tx: Transaction, ids: Sequence[UUID], *, collection_ids: Sequence[UUID]
) -> dict[UUID, AnsweringChunk]:
    """Read chunks by id, in one statement.

    Args:
        tx: the transaction.
        ids: ids of chunks, known or not.
        collection_ids: the collections they may come from.

    Returns:
        by id, those that exist in the tenant, lie in one of the collections and belong to the version their
        document answers with; the others are left out.
    """
    chunk, document, version = ChunkTable, DocumentTable, DocumentVersionTable
    query = (
        select(
            col(chunk.id),
            col(chunk.document_id),
            col(chunk.collection_id),
            col(chunk.ordinal),
            col(chunk.text),
            col(chunk.start),
            col(chunk.end),
            col(chunk.page),
            col(chunk.heading),
            col(chunk.version),
            col(version.filename),
            col(version.title),
        )
        .join(
            document,
            and_(col(document.id) == col(chunk.document_id), col(document.active_version) == col(chunk.version)),
        )
        .join(
            version,
            and_(col(version.document_id) == col(chunk.document_id), col(version.version) == col(chunk.version)),
        )
        .where(col(chunk.id).in_(ids), col(document.collection_id).in_(collection_ids))
    )
    if not ids or not collection_ids:
        return {}
    rows = (await tx.session.execute(query)).all()
    return {
        row.id: AnsweringChunk(Chunk(*row[:9]), version=row.version, filename=row.filename, title=row.title)
        for row in rows
    }
