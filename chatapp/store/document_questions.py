"""Queries about which answers rest on a document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, cast, select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import ConversationTable, TraceTable, TurnTable, UserTable

_ANSWERS_LOOKED_AT = 5_000
"""The newest answers of the tenant: citations stand inside the turns, and a million of them are not read for a list."""


@dataclass(frozen=True, slots=True)
class CitingTurn:
    """A question whose answer cites a document."""

    turn_id: UUID
    question: str
    asked_by: str
    """Name or address of who asked; empty for a service."""
    asked_at: datetime


async def list_citing(tx: Transaction, document_id: UUID, *, limit: int) -> list[CitingTurn]:
    """Questions whose answers cite the document, the latest first; those of deleted conversations are left out.

    Args:
        tx: the transaction.
        document_id: the document.
        limit: 1 or more.
    """
    turn, conversation, user = TurnTable, ConversationTable, UserTable
    latest = (
        select(col(TraceTable.id))
        .where(col(TraceTable.tenant_id) == tx.tenant_id, col(TraceTable.citation_count) > 0)
        .order_by(col(TraceTable.created_at).desc())
        .limit(_ANSWERS_LOOKED_AT)
        .subquery()
    )
    query = (
        select(col(turn.id), col(turn.question), col(user.name), col(user.email), col(turn.created_at))
        .join(latest, latest.c.id == col(turn.id))
        .outerjoin(conversation, col(conversation.id) == col(turn.conversation_id))
        .outerjoin(user, col(user.id) == col(turn.user_id))
        .where(cast(col(turn.citations), String).contains(str(document_id)), col(conversation.deleted_at).is_(None))
        .order_by(col(turn.created_at).desc(), col(turn.id))
        .limit(limit)
    )
    return [
        CitingTurn(turn_id, question, name or email or "", asked_at)
        for turn_id, question, name, email, asked_at in await tx.session.execute(query)
    ]
