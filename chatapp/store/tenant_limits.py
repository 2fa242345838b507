"""Queries about what tenants may use at once."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import TenantLimitsTable


async def find(tx: Transaction, *, for_update: bool = False) -> TenantLimitsTable | None:
    """The limits of the actor's tenant; None: it has none of its own.

    Args:
        tx: an actor's transaction.
        for_update: keep others from changing them until the transaction ends.
    """
    query = select(TenantLimitsTable).where(col(TenantLimitsTable.tenant_id) == tx.tenant_id)
    return (await tx.session.execute(query.with_for_update() if for_update else query)).scalar_one_or_none()
