"""Queries about traces: how each answer came about."""

from __future__ import annotations

from uuid import UUID

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.tables import TraceTable


async def get(tx: Transaction, trace_id: UUID) -> TraceTable:
    """One trace of the tenant.

    Raises:
        NotFound: there is none of that id.
    """
    row = await tx.session.get(TraceTable, trace_id)
    if row is None:
        raise NotFound("There is no such trace.", param="trace_id")
    return row
