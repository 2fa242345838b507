"""Queries about batches: documents put into a collection together."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.tables import DocumentBatchMemberTable, DocumentBatchTable


async def add(
    tx: Transaction, *, collection_id: UUID, created_by: UUID | None, members: Mapping[UUID, str]
) -> DocumentBatchTable:
    """Write down a batch.

    Args:
        tx: the transaction.
        collection_id: where its documents were put.
        created_by: the person who did it; None: a service.
        members: by document id why it could not be put there, or an empty string.
    """
    row = DocumentBatchTable(tenant_id=tx.tenant_id, collection_id=collection_id, created_by=created_by)
    tx.session.add(row)
    await tx.session.flush()
    tx.session.add_all(
        DocumentBatchMemberTable(tenant_id=tx.tenant_id, batch_id=row.id, document_id=document_id, refusal=refusal)
        for document_id, refusal in members.items()
    )
    await tx.session.flush()
    return row


async def get(tx: Transaction, batch_id: UUID, collection_id: UUID) -> DocumentBatchTable:
    """One batch of a collection.

    Raises:
        NotFound: there is none of that id in the collection.
    """
    table = DocumentBatchTable
    query = select(table).where(col(table.id) == batch_id, col(table.collection_id) == collection_id)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such batch in this vector store.", param="batch_id")
    return row


async def list_members(tx: Transaction, batch_id: UUID) -> dict[UUID, str]:
    """The batch's documents that still exist, and why each could not be put into the collection, if so."""
    table = DocumentBatchMemberTable
    query = select(col(table.document_id), col(table.refusal)).where(col(table.batch_id) == batch_id)
    return {document_id: refusal for document_id, refusal in await tx.session.execute(query)}
