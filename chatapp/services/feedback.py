"""Use cases of feedback: a thumb on an answer, with reasons and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.store import audit, feedback, turns
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import FeedbackTable

REASONS = (
    "accurate",
    "complete",
    "well_sourced",
    "wrong",
    "incomplete",
    "wrong_source",
    "out_of_date",
    "hard_to_read",
    "unsafe",
    "other",
)
"""What the chips of the two thumbs stand for."""
_MAX_COMMENT_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """What the actor thinks of an answer."""

    trace_id: UUID
    rating: Literal["up", "down"] | None
    reasons: tuple[str, ...]
    comment: str


async def rate(
    actor: Actor,
    trace_id: UUID,
    *,
    rating: Literal["up", "down"] | None,
    reasons: Sequence[str] = (),
    comment: str = "",
) -> FeedbackView:
    """Rate one of the actor's answers, change the rating, or take it back.

    Args:
        actor: who rates.
        trace_id: the answer: a turn's id is its trace's.
        rating: None takes an earlier rating back with its reasons and comment.
        reasons: out of `REASONS`.
        comment: free words.

    Raises:
        NotPermitted: the actor may not chat.
        InvalidInput: an unknown rating or reason, or a comment that is too long.
        NotFound: no such answer of this actor.
    """
    actor.require(Permission.CHAT)
    view = FeedbackView(trace_id, rating, _valid_reasons(reasons), _valid_comment(comment))
    if rating not in {"up", "down", None}:
        raise InvalidInput("A rating is up, down or null.", param="rating")
    async with transaction(actor) as tx:
        # Of two ratings that come at once the second must find the first's row.
        await _lock_answer(tx, trace_id)
        row = await feedback.find(tx, actor, trace_id)
        if rating is None:
            if row is not None:
                await tx.session.delete(row)
                await audit.write(tx, "feedback.withdrawn", trace_id, before=_as_audited(row))
            return FeedbackView(trace_id, None, (), "")
        await _write(tx, actor, row, view)
    return view


async def _lock_answer(tx: Transaction, trace_id: UUID) -> None:
    try:
        await turns.lock_own(tx, trace_id)
    except NotFound as error:
        # The caller gave a trace's id, and knows of no turn.
        raise NotFound(error.message, param="trace_id") from error


async def _write(tx: Transaction, actor: Actor, row: FeedbackTable | None, view: FeedbackView) -> None:
    before = _as_audited(row) if row is not None else None
    row = row or FeedbackTable(
        tenant_id=actor.tenant_id,
        trace_id=view.trace_id,
        user_id=actor.user_id,
        key_id=actor.key_id if actor.user_id is None else None,
        rating="",
    )
    row.rating, row.reasons, row.comment = view.rating or "", list(view.reasons), view.comment
    row.updated_at = utc_now()
    tx.session.add(row)
    await audit.write(tx, "feedback.given", view.trace_id, before=before, after=_as_audited(row))


def _as_audited(row: FeedbackTable) -> dict[str, Any]:
    # The words of a comment are for who reviews answers, not for who reads the log.
    return {"rating": row.rating, "reasons": list(row.reasons), "has_comment": bool(row.comment)}


def _valid_reasons(reasons: Sequence[str]) -> tuple[str, ...]:
    for reason in reasons:
        if reason not in REASONS:
            raise InvalidInput(f"There is no reason “{reason}”. Known ones: {', '.join(REASONS)}.", param="reasons")
    return tuple(dict.fromkeys(reasons))


def _valid_comment(comment: str) -> str:
    comment = comment.replace("\x00", "").strip()
    if len(comment) > _MAX_COMMENT_CHARACTERS:
        raise InvalidInput(f"The comment is longer than {_MAX_COMMENT_CHARACTERS:,} characters.", param="comment")
    return comment
