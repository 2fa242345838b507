"""What rules look at: the facts of a question, in the order in which they become known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from chatapp.domain import Role

Fact = Literal[
    "feature",
    "role",
    "requested_model",
    "characters",
    "language",
    "turns_before",
    "has_code",
    "has_table",
    "asks_documents",
    "sources",
    "best_score",
    "words",
    "hours_utc",
    "weekdays",
    "intent",
]
"""Each is the name of the condition that asks for it."""

AFTER_RETRIEVAL: frozenset[Fact] = frozenset({"sources", "best_score", "intent"})
"""Known only when the search is done: the intent is told by the embedding that the search makes anyway."""

_CODE = re.compile(r"```|^\s*(?:def|class|import|from|function|const|SELECT|public|#include)\b|[;{}]\s*$", re.MULTILINE)
_TABLE = re.compile(r"^\s*\|.*\|\s*$|^[^\t\n]+\t[^\t\n]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a question is about, by the tenant's own examples."""

    name: str
    """Empty: nothing the examples show."""
    score: float
    """Likeness to the nearest examples, -1 to 1; higher is surer."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at. What is None was not asked for yet, or is not there."""

    question: str
    feature: str
    """`chat` or `api`."""
    roles: tuple[Role, ...]
    requested_model: str
    """Empty or `auto` where the choice is left to the route."""
    turns_before: int
    """Questions asked in the conversation so far."""
    is_searching: bool
    """Whether documents are asked."""
    moment: datetime
    language: str | None = None
    """Code of ISO 639-1; empty: there are no words to tell it by."""
    sources: int | None = None
    """How many passages the search found."""
    best_score: float | None = None
    """Cosine of the best passage with the question, -1 to 1; None also where nothing was compared."""
    intent: Intent | None = None
    unknown: frozenset[Fact] = frozenset()
    """Facts an older trace does not tell: no condition on them holds."""

    @property
    def has_code(self) -> bool:
        """Whether the question has program text in it."""
        return bool(_CODE.search(self.question))

    @property
    def has_table(self) -> bool:
        """Whether the question has a table in it."""
        return bool(_TABLE.search(self.question))

    def has_word(self, words: Iterable[str]) -> bool:
        """Whether one of the words, in capitals or not, stands in the question as a whole word."""
        asked = self.question.casefold()
        return any(re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", asked) for word in words if word.strip())

    def as_json(self) -> dict[str, Any]:
        """What of them the trace keeps beside the question, so that other rules can be tried on them later."""
        return {
            "roles": [str(role) for role in self.roles],
            "requested_model": self.requested_model,
            "turns_before": self.turns_before,
            "is_searching": self.is_searching,
            "moment": self.moment.isoformat(),
            "language": self.language,
            "sources": self.sources,
            "best_score": None if self.best_score is None else round(self.best_score, 4),
            "intent": None if self.intent is None else {"name": self.intent.name, "score": round(self.intent.score, 4)},
        }


def facts_of_trace(question: str, feature: str, body: Mapping[str, Any], created_at: datetime) -> Facts:
    """The facts of a question that was answered.

    Args:
        question: as it was asked.
        feature: `chat` or `api`.
        body: the trace's. One written before facts were kept tells some of them in other places, and not the roles.
        created_at: when the trace was written, where it does not say when it was asked.

    Returns:
        without language and intent, which are told anew from the question.
    """
    kept: Mapping[str, Any] | None = body.get("facts")
    if kept is None:
        return _of_older_trace(question, feature, body, created_at)
    return Facts(
        question=question,
        feature=feature,
        roles=tuple(Role(role) for role in kept["roles"] if role in set(Role)),
        requested_model=str(kept["requested_model"]),
        turns_before=int(kept["turns_before"]),
        is_searching=bool(kept["is_searching"]),
        moment=datetime.fromisoformat(kept["moment"]).astimezone(UTC),
        sources=kept["sources"],
        best_score=kept["best_score"],
        # It ended before its sources were known.
        unknown=frozenset({"sources", "best_score"}) if kept["sources"] is None else frozenset(),
    )


def _of_older_trace(question: str, feature: str, body: Mapping[str, Any], created_at: datetime) -> Facts:
    is_compared = bool(body.get("retrieval")) and not body.get("is_degraded")
    return Facts(
        question=question,
        feature=feature,
        roles=(),
        # Whom it was asked of by name is who answered, or failed, first.
        requested_model=_asked_first(body) if body.get("route_reason") == ASKED_BY_NAME else "",
        turns_before=int(body.get("turns_before", 0)),
        is_searching=bool(body.get("collections")),
        moment=created_at,
        sources=len(body.get("retrieval", ())) if body.get("is_relevant", True) else 0,
        best_score=body.get("best_cosine") if is_compared else None,
        unknown=frozenset({"role"}),
    )


ASKED_BY_NAME = "asked for by name"
"""The reason of a route that no rule chose."""


def _asked_first(body: Mapping[str, Any]) -> str:
    attempts = body.get("attempts") or [{}]
    return str(attempts[0].get("model", ""))
