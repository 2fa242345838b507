"""Rules that choose a model by what is known of a question before it is answered. The first that holds decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chatapp.domain import Role

_CODE = re.compile(r"```|^\s*(?:def|class|import|from|function|const|SELECT|public|#include)\b|[;{}]\s*$", re.MULTILINE)
_TABLE = re.compile(r"^\s*\|.*\|\s*$|^[^\t\n]+\t[^\t\n]+", re.MULTILINE)
_MAX_WORDS = 100


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at."""

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


class Range(BaseModel):
    """Numbers from `at_least` to below `below`; one of them may be left open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: int | None = Field(default=None, ge=0)
    below: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.at_least is None and self.below is None:
            raise ValueError("give at_least, below, or both")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError("at_least has to be smaller than below")
        return self

    def holds(self, number: int) -> bool:
        """Whether the number lies in the range."""
        return (self.at_least is None or number >= self.at_least) and (self.below is None or number < self.below)


class When(BaseModel):
    """A rule's conditions: all that are given have to hold, and at least one is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: Literal["chat", "api"] | None = None
    role: Role | None = Field(default=None, description="A role the asker has.")
    characters: Range | None = Field(default=None, description="Length of the question.")
    turns_before: Range | None = Field(default=None, description="Questions asked before in the conversation.")
    has_code: bool | None = None
    has_table: bool | None = None
    asks_documents: bool | None = None
    words: tuple[str, ...] | None = Field(
        default=None, min_length=1, max_length=_MAX_WORDS, description="One of these words stands in the question."
    )
    hours_utc: Range | None = Field(default=None, description="Hour of the day in UTC, 0 to 23.")
    weekdays: tuple[int, ...] | None = Field(default=None, min_length=1, description="1 is Monday, 7 is Sunday.")

    @model_validator(mode="after")
    def _check(self) -> When:
        if not self.model_dump(exclude_none=True):
            raise ValueError("a rule needs at least one condition; what always holds is the default")
        return self

    def holds(self, facts: Facts) -> bool:
        """Whether every condition that is given holds."""
        found = {
            "feature": self.feature == facts.feature,
            "role": self.role in facts.roles,
            "characters": self.characters is not None and self.characters.holds(len(facts.question)),
            "turns_before": self.turns_before is not None and self.turns_before.holds(facts.turns_before),
            "has_code": self.has_code == bool(_CODE.search(facts.question)),
            "has_table": self.has_table == bool(_TABLE.search(facts.question)),
            "asks_documents": self.asks_documents == facts.is_searching,
            "words": self.words is not None and _has_word(facts.question, self.words),
            "hours_utc": self.hours_utc is not None and self.hours_utc.holds(facts.moment.hour),
            "weekdays": self.weekdays is not None and facts.moment.isoweekday() in self.weekdays,
        }
        return all(found[name] for name in self.model_dump(exclude_none=True))


class Rule(BaseModel):
    """One rule of a route."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: When
    model: str = Field(min_length=1, description="Name of the model that answers.")


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model the rules chose, and why."""

    model: str
    reason: str
    """For the trace: `rule 3: has_code`."""
    rule: int | None = None
    """1-based; None: the default."""


def decide(rules: Sequence[Rule], default_model: str, facts: Facts) -> Decision:
    """The model of the first rule that holds, or the default."""
    for number, rule in enumerate(rules, 1):
        if rule.when.holds(facts):
            conditions = ", ".join(rule.when.model_dump(exclude_none=True))
            return Decision(rule.model, f"rule {number}: {conditions}", number)
    return Decision(default_model, "auto: the route's default" if rules else "auto: the default model")


def _has_word(question: str, words: Sequence[str]) -> bool:
    asked = question.casefold()
    return any(re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", asked) for word in words if word.strip())
