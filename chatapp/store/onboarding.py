"""What a tenant has done of its guided start, read from what is there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlmodel import col

from chatapp.domain import DocumentStatus, TurnStatus
from chatapp.store.database import Transaction
from chatapp.store.tables import DocumentTable, MembershipTable, TurnTable


async def has_company(tx: Transaction) -> bool:
    """Whether anybody beside the first person belongs to the tenant or was invited."""
    query = select(func.count()).select_from(
        select(col(MembershipTable.id)).where(col(MembershipTable.tenant_id) == tx.tenant_id).limit(2).subquery()
    )
    return (await tx.session.execute(query)).scalar_one() > 1


async def has_ready_document(tx: Transaction) -> bool:
    """Whether a document answers."""
    return await _exists(
        tx,
        select(col(DocumentTable.id)).where(
            col(DocumentTable.tenant_id) == tx.tenant_id, col(DocumentTable.status) == DocumentStatus.COMPLETED
        ),
    )


async def has_answer(tx: Transaction) -> bool:
    """Whether a question was answered."""
    return await _exists(
        tx,
        select(col(TurnTable.id)).where(
            col(TurnTable.tenant_id) == tx.tenant_id, col(TurnTable.status) == TurnStatus.COMPLETED
        ),
    )


async def _exists(tx: Transaction, query: Select[Any]) -> bool:
    return (await tx.session.execute(query.limit(1))).first() is not None
