"""Queries about conversations. Each belongs to one person, or to one service's key; nobody else finds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_
from sqlmodel import col

from chatapp.domain import Actor
from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.tables import ConversationTable, FeedbackTable, TraceTable, TurnTable

_MAX_SEARCH_WORDS = 8


async def get_own(tx: Transaction, conversation_id: UUID, *, deleted: bool = False) -> ConversationTable:
    """One conversation of the actor.

    Args:
        tx: the actor's transaction.
        conversation_id: the conversation.
        deleted: look among the deleted ones instead.

    Raises:
        NotFound: there is none of that id, or it is somebody else's.
    """
    query = select(ConversationTable).where(
        col(ConversationTable.id) == conversation_id,
        _is_mine(tx.actor),
        col(ConversationTable.deleted_at).is_not(None) if deleted else col(ConversationTable.deleted_at).is_(None),
    )
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.", param="conversation_id")
    return row


async def list_own(
    tx: Transaction, *, search: str | None, limit: int, after: UUID | None
) -> Sequence[ConversationTable]:
    """The actor's conversations: pinned ones first, then the latest.

    Args:
        tx: the actor's transaction.
        search: words that must all occur, each in the title, a question or an answer; upper and lower case alike.
        limit: most rows.
        after: the last conversation of the page before.
    """
    table = ConversationTable
    query = select(table).where(_is_mine(tx.actor), col(table.deleted_at).is_(None))
    for word in (search or "").split()[:_MAX_SEARCH_WORDS]:
        query = query.where(_holds(word))
    place = tuple_(col(table.is_pinned), col(table.updated_at), col(table.id))
    if after is not None:
        last = await get_own(tx, after)
        query = query.where(place < (last.is_pinned, last.updated_at, last.id))
    query = query.order_by(col(table.is_pinned).desc(), col(table.updated_at).desc(), col(table.id).desc())
    return (await tx.session.execute(query.limit(limit))).scalars().all()


async def texts_with_words(
    tx: Transaction, conversation_ids: Sequence[UUID], words: Sequence[str]
) -> dict[UUID, list[str]]:
    """The questions and answers that hold one of some words, by conversation, in the order they were asked.

    Args:
        tx: the actor's transaction.
        conversation_ids: conversations of the actor.
        words: upper and lower case alike; the first few count.
    """
    found: dict[UUID, list[str]] = {}
    if not conversation_ids or not words:
        return found
    table = TurnTable
    holds = [
        column.icontains(word, autoescape=True)
        for word in words[:_MAX_SEARCH_WORDS]
        for column in (col(table.question), col(table.answer))
    ]
    query = select(col(table.conversation_id), col(table.question), col(table.answer))
    query = query.where(col(table.conversation_id).in_(conversation_ids), or_(*holds)).order_by(col(table.created_at))
    for conversation_id, question, answer in (await tx.session.execute(query)).all():
        if conversation_id is not None:
            found.setdefault(conversation_id, []).extend((question, answer))
    return found


async def delete_older(tx: Transaction, *, deleted_before: datetime, limit: int = 200) -> int:
    """Remove deleted conversations for good, with their turns, traces and feedback.

    Args:
        tx: a system transaction.
        deleted_before: those deleted since then stay.
        limit: most conversations to remove.

    Returns:
        how many went.
    """
    query = select(col(ConversationTable.id)).where(col(ConversationTable.deleted_at) < deleted_before).limit(limit)
    ids = (await tx.session.execute(query)).scalars().all()
    if not ids:
        return 0
    turn_ids = select(col(TurnTable.id)).where(col(TurnTable.conversation_id).in_(ids))
    await tx.session.execute(delete(FeedbackTable).where(col(FeedbackTable.trace_id).in_(turn_ids)))
    await tx.session.execute(delete(TraceTable).where(col(TraceTable.id).in_(turn_ids)))
    await tx.session.execute(delete(TurnTable).where(col(TurnTable.conversation_id).in_(ids)))
    await tx.session.execute(delete(ConversationTable).where(col(ConversationTable.id).in_(ids)))
    return len(ids)


def _is_mine(actor: Actor | None) -> ColumnElement[bool]:
    if actor is None:
        raise NotFound
    if actor.user_id is not None:
        return col(ConversationTable.user_id) == actor.user_id
    return and_(
        col(ConversationTable.user_id).is_(None),
        col(ConversationTable.key_id).is_not(None),
        col(ConversationTable.key_id) == actor.key_id,
    )


def _holds(word: str) -> ColumnElement[bool]:
    in_a_turn = exists().where(
        col(TurnTable.conversation_id) == col(ConversationTable.id),
        or_(
            col(TurnTable.question).icontains(word, autoescape=True),
            col(TurnTable.answer).icontains(word, autoescape=True),
        ),
    )
    return or_(col(ConversationTable.title).icontains(word, autoescape=True), in_a_turn)
