"""A turn as people and programs see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import TurnStatus, Usage
from chatapp.store.tables import FeedbackTable, TurnTable
from chatapp.store.turns import TurnNode

_MAX_TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class TurnView:
    """A question and its answer, with its place among its siblings."""

    id: UUID
    """Also the id of its trace."""
    conversation_id: UUID | None
    parent_id: UUID | None
    question: str
    answer: str
    citations: list[dict[str, Any]]
    """`message.annotations` of the contract, with `start`, `end`, `chunk_id` and `version` of each."""
    sources: list[dict[str, Any]]
    status: TurnStatus
    model: str
    """The model that answered, or ended the answer; empty before it has."""
    parts: list[dict[str, Any]]
    """`{"start", "model"}` of each model that wrote some of the answer; empty where one wrote it all."""
    finish_reason: str
    error_code: str
    error_message: str
    usage: Usage
    cost_micro_usd: int
    created_at: datetime
    completed_at: datetime | None
    sibling_index: int
    """1-based."""
    sibling_count: int
    sibling_ids: tuple[UUID, ...]
    """Oldest first, the turn itself among them."""
    rating: str | None
    """`up`, `down` or None."""
    feedback_reasons: tuple[str, ...]
    feedback_comment: str

    @classmethod
    def from_row(cls, row: TurnTable, siblings: Sequence[UUID] = (), feedback: FeedbackTable | None = None) -> TurnView:
        """The view of a row.

        Args:
            row: the turn.
            siblings: turns with the same parent, oldest first; empty: the turn has none.
            feedback: what the actor thinks of it.
        """
        siblings = tuple(siblings) or (row.id,)
        return cls(
            id=row.id,
            conversation_id=row.conversation_id,
            parent_id=row.parent_id,
            question=row.question,
            answer=row.answer,
            citations=row.citations,
            sources=row.sources,
            status=TurnStatus(row.status),
            model=row.model,
            parts=row.parts,
            finish_reason=row.finish_reason,
            error_code=row.error_code,
            error_message=row.error_message,
            usage=Usage(
                row.input_tokens, row.output_tokens, row.cached_input_tokens, is_estimated=row.is_usage_estimated
            ),
            cost_micro_usd=row.cost_micro_usd,
            created_at=row.created_at,
            completed_at=row.completed_at,
            sibling_index=siblings.index(row.id) + 1,
            sibling_count=len(siblings),
            sibling_ids=siblings,
            rating=feedback.rating if feedback else None,
            feedback_reasons=tuple(feedback.reasons) if feedback else (),
            feedback_comment=feedback.comment if feedback else "",
        )


def sibling_ids(nodes: Sequence[TurnNode], parent_id: UUID | None) -> tuple[UUID, ...]:
    """The turns with this parent, oldest first; `nodes` are a conversation's, oldest first."""
    return tuple(node.id for node in nodes if node.parent_id == parent_id)


def branch(nodes: Sequence[TurnNode], leaf_id: UUID | None) -> list[UUID]:
    """The turns from the conversation's first to a leaf; empty when the leaf is not in the tree."""
    by_id = {node.id: node for node in nodes}
    path: list[UUID] = []
    while leaf_id is not None and leaf_id in by_id and len(path) < len(by_id):
        path.append(leaf_id)
        leaf_id = by_id[leaf_id].parent_id
    return path[::-1]


def newest_leaf(nodes: Sequence[TurnNode], turn_id: UUID) -> UUID:
    """The end of the branch one sees when this turn is chosen: its newest child, that one's newest, and so on."""
    children: dict[UUID | None, UUID] = {}
    for node in nodes:
        children[node.parent_id] = node.id
    seen = {turn_id}
    while (child := children.get(turn_id)) is not None and child not in seen:
        seen.add(child)
        turn_id = child
    return turn_id


def title_of(question: str) -> str:
    """A conversation's title made of its first question: its first line, cut between words."""
    line = re.sub(r"\s+", " ", question.strip().splitlines()[0]).strip()
    if len(line) <= _MAX_TITLE_CHARACTERS:
        return line
    return line[:_MAX_TITLE_CHARACTERS].rsplit(" ", 1)[0] + "…"
