"""Queries about the tenants' examples of intents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlmodel import col

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import ListField, Listing
from chatapp.store.tables import IntentExampleTable

_columns: Any = select(
    col(IntentExampleTable.id),
    col(IntentExampleTable.intent),
    col(IntentExampleTable.text),
    col(IntentExampleTable.created_at),
)

LISTING = Listing(
    statement=_columns,
    identity=col(IntentExampleTable.id),
    fields=(
        ListField("intent", func.lower(col(IntentExampleTable.intent)), is_searched=True),
        ListField("text", col(IntentExampleTable.text), is_searched=True, is_sorted=False),
        ListField("created_at", col(IntentExampleTable.created_at), "moment"),
        ListField("id", col(IntentExampleTable.id), "id"),
    ),
    order="intent",
)
"""The tenant's examples, without their vectors."""


async def list_vectors(tx: Transaction) -> list[tuple[str, bytes]]:
    """Every example of the tenant: its intent, and the float32 bytes of its vector."""
    query = select(col(IntentExampleTable.intent), col(IntentExampleTable.vector))
    return [(intent, vector) for intent, vector in (await tx.session.execute(query)).all()]


async def list_names(tx: Transaction) -> list[str]:
    """The tenant's intents, in alphabetical order."""
    query = select(col(IntentExampleTable.intent)).distinct().order_by(col(IntentExampleTable.intent))
    return list((await tx.session.execute(query)).scalars())


async def count(tx: Transaction) -> int:
    """How many examples the tenant has."""
    return (await tx.session.execute(select(func.count(col(IntentExampleTable.id))))).scalar_one()


async def find_by_texts(tx: Transaction, texts: Sequence[str]) -> dict[str, IntentExampleTable]:
    """Those of the texts that are examples already."""
    query = select(IntentExampleTable).where(col(IntentExampleTable.text).in_(list(texts)))
    return {row.text: row for row in (await tx.session.execute(query)).scalars()}


async def get(tx: Transaction, example_id: UUID) -> IntentExampleTable:
    """One example.

    Raises:
        NotFound: no such example in this tenant.
    """
    query = select(IntentExampleTable).where(col(IntentExampleTable.id) == example_id)
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such example.", param="example_id")
    return row


async def list_by_ids(tx: Transaction, ids: Sequence[UUID]) -> list[IntentExampleTable]:
    """Those of the examples that the tenant has, by intent."""
    query = select(IntentExampleTable).where(col(IntentExampleTable.id).in_(list(ids)))
    ordered = query.order_by(col(IntentExampleTable.intent), col(IntentExampleTable.id))
    return list((await tx.session.execute(ordered)).scalars())


async def delete(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Delete examples."""
    await tx.session.execute(delete_rows(IntentExampleTable).where(col(IntentExampleTable.id).in_(list(ids))))
