"""Rows of the keyword index, and what tells whether a copy of them in memory is still good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import and_, insert, select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import CollectionTable, DocumentTable, PostingTable


async def add(
    tx: Transaction, collection_id: UUID, document_id: UUID, version: int, packed: Mapping[str, bytes]
) -> None:
    """Write the keyword rows of one version of a document, many rows a statement.

    Args:
        tx: the transaction.
        collection_id: the collection the document is in.
        document_id: the document.
        version: the version they belong to.
        packed: entries by term, as `retrieval.keyword_index.pack` gives them.
    """
    key = {
        "tenant_id": tx.tenant_id,
        "collection_id": collection_id,
        "document_id": document_id,
        "version": version,
    }
    # In the order of the key, so that the tree grows along an edge instead of everywhere.
    rows = [{**key, "term": term, "entries": packed[term]} for term in sorted(packed)]
    if rows:
        await tx.session.execute(insert(PostingTable), rows)


async def collection_versions(tx: Transaction, collection_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The present version of each collection that exists in the tenant; it grows with every change inside."""
    table = CollectionTable
    query = select(col(table.id), col(table.version)).where(col(table.id).in_(collection_ids))
    return {collection_id: version for collection_id, version in await tx.session.execute(query)}


async def list_answering(tx: Transaction, collection_id: UUID, term: str) -> list[tuple[UUID, int, bytes]]:
    """One term's rows of the versions that answer.

    Returns:
        document id, version and entries, ordered by document.
    """
    posting, document = PostingTable, DocumentTable
    query = (
        select(col(posting.document_id), col(posting.version), col(posting.entries))
        .join(
            document,
            and_(col(document.id) == col(posting.document_id), col(document.active_version) == col(posting.version)),
        )
        .where(
            col(posting.collection_id) == collection_id,
            col(posting.term) == term,
            col(document.collection_id) == collection_id,
        )
        .order_by(col(posting.document_id))
    )
    return [(row[0], row[1], row[2]) for row in await tx.session.execute(query)]


async def find(tx: Transaction, collection_id: UUID, terms: Sequence[str]) -> list[tuple[str, UUID, int, bytes]]:
    """Rows of many terms, of answering and other versions alike.

    Returns:
        term, document id, version and entries, in no promised order.
    """
    table = PostingTable
    query = select(col(table.term), col(table.document_id), col(table.version), col(table.entries)).where(
        col(table.collection_id) == collection_id, col(table.term).in_(terms)
    )
    return [(row[0], row[1], row[2], row[3]) for row in await tx.session.execute(query)]
