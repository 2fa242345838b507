"""Queries about the tenants' routes."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import RouteTable, TraceTable


async def find(tx: Transaction, *, for_update: bool = False) -> RouteTable | None:
    """The actor's tenant's route; None: it has none of its own.

    Args:
        tx: an actor's transaction.
        for_update: keep others from changing it until the transaction ends.
    """
    query = select(RouteTable).where(col(RouteTable.tenant_id) == tx.tenant_id)
    return (await tx.session.execute(query.with_for_update() if for_update else query)).scalar_one_or_none()


async def note_change_of_intents(tx: Transaction) -> None:
    """Tell every process, through the route it reads for each question, that it has old examples of intents.

    A tenant without a route has no rules, and nobody keeps its examples.
    """
    changed = col(RouteTable.intents_version) + 1
    await tx.session.execute(
        update(RouteTable).where(col(RouteTable.tenant_id) == tx.tenant_id).values(intents_version=changed)
    )


async def last_traces(tx: Transaction, limit: int) -> list[TraceTable]:
    """The tenant's last answers, newest first, to try a route on."""
    query = select(TraceTable).order_by(col(TraceTable.created_at).desc(), col(TraceTable.id)).limit(limit)
    return list((await tx.session.execute(query)).scalars())
