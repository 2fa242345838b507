"""Queries about feedback: one row a person and answer."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlmodel import col

from chatapp.domain import Actor
from chatapp.store.database import Transaction
from chatapp.store.tables import FeedbackTable


async def find(tx: Transaction, actor: Actor, trace_id: UUID) -> FeedbackTable | None:
    """What the actor thinks of an answer."""
    query = select(FeedbackTable).where(col(FeedbackTable.trace_id) == trace_id, _is_from(actor))
    return (await tx.session.execute(query)).scalar_one_or_none()


async def list_of_actor(tx: Transaction, actor: Actor, trace_ids: Sequence[UUID]) -> dict[UUID, FeedbackTable]:
    """What the actor thinks of each of these answers; unrated ones are left out."""
    query = select(FeedbackTable).where(col(FeedbackTable.trace_id).in_(trace_ids), _is_from(actor))
    return {row.trace_id: row for row in (await tx.session.execute(query)).scalars()}


async def list_of_trace(tx: Transaction, trace_id: UUID) -> Sequence[FeedbackTable]:
    """What everyone thinks of one answer, oldest first."""
    query = select(FeedbackTable).where(col(FeedbackTable.trace_id) == trace_id).order_by(col(FeedbackTable.created_at))
    return (await tx.session.execute(query)).scalars().all()


def _is_from(actor: Actor) -> ColumnElement[bool]:
    if actor.user_id is not None:
        return col(FeedbackTable.user_id) == actor.user_id
    return col(FeedbackTable.user_id).is_(None) & (col(FeedbackTable.key_id) == actor.key_id)
