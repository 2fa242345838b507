"""What is to be removed from the vector index and from disk after its rows went."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import RemovalTable


def add(
    tx: Transaction,
    *,
    collection_id: UUID | None,
    document_id: UUID | None = None,
    keep_version: int | None = None,
    keep_files: bool = False,
) -> RemovalTable:
    """Write down a removal, in the transaction that takes the rows away.

    Args:
        tx: the transaction.
        collection_id: whose vectors; None when the document was in no collection.
        document_id: the document; None: the whole collection.
        keep_version: the version whose vectors stay; None: no vector stays.
        keep_files: whether the document's bytes stay.
    """
    row = RemovalTable(
        tenant_id=tx.tenant_id,
        collection_id=collection_id,
        document_id=document_id,
        keep_version=keep_version,
        keep_files=keep_files,
    )
    tx.session.add(row)
    return row


async def finish(tx: Transaction, removal_id: UUID) -> None:
    """Forget a removal that is done."""
    await tx.session.execute(delete(RemovalTable).where(col(RemovalTable.id) == removal_id))


async def list_open(tx: Transaction, *, limit: int) -> Sequence[RemovalTable]:
    """The oldest removals not done yet: the tenant's, or everyone's in a system transaction."""
    query = select(RemovalTable).order_by(col(RemovalTable.created_at)).limit(limit)
    return (await tx.session.execute(query)).scalars().all()
