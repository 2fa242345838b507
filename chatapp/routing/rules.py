"""Rules that choose a model by what is known of a question before it is answered. The first that holds decides.

A route and its rules belong to a tenant, so no condition asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chatapp.domain import Role
from chatapp.routing.facts import AFTER_RETRIEVAL, ASKED_BY_NAME, Fact, Facts

_MAX_WORDS = 100
_MAX_LANGUAGES = 50
MAX_INTENT_CHARACTERS = 60


class Range(BaseModel):
    """Numbers from `at_least` to below `below`; one of them may be left open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: int | None = Field(default=None, ge=0)
    below: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Range:
        _require_span(self.at_least, self.below)
        return self

    def holds(self, number: int) -> bool:
        """Whether the number lies in the range."""
        return (self.at_least is None or number >= self.at_least) and (self.below is None or number < self.below)


class ScoreRange(BaseModel):
    """Scores from `at_least` to below `below`; one of them may be left open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: float | None = Field(default=None, ge=-1, le=1)
    below: float | None = Field(default=None, ge=-1, le=1)

    @model_validator(mode="after")
    def _check(self) -> ScoreRange:
        _require_span(self.at_least, self.below)
        return self

    def holds(self, score: float) -> bool:
        """Whether the score lies in the range."""
        return (self.at_least is None or score >= self.at_least) and (self.below is None or score < self.below)


def _require_span(at_least: float | None, below: float | None) -> None:
    if at_least is None and below is None:
        raise ValueError("give at_least, below, or both")
    if at_least is not None and below is not None and at_least >= below:
        raise ValueError("at_least has to be smaller than below")


class When(BaseModel):
    """A rule's conditions: all that are given have to hold, and at least one is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: Literal["chat", "api"] | None = Field(default=None, description="Asked in the chat, or over the API.")
    role: Role | None = Field(default=None, description="A role the asker has.")
    requested_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The model asked for by name, in use or not; `auto` where none was. Without this condition a rule "
        "leaves alone whoever asks for a model by name.",
    )
    characters: Range | None = Field(default=None, description="Length of the question.")
    language: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_LANGUAGES,
        description="The question is in one of these languages: codes of ISO 639-1, such as `de`.",
    )
    turns_before: Range | None = Field(default=None, description="Questions asked before in the conversation.")
    has_code: bool | None = Field(default=None, description="Program text in the question.")
    has_table: bool | None = Field(default=None, description="A table in the question.")
    asks_documents: bool | None = Field(default=None, description="Whether documents are searched.")
    sources: Range | None = Field(default=None, description="Passages the search found; 0 where nothing is searched.")
    best_score: ScoreRange | None = Field(
        default=None,
        description="Likeness of the question to the best passage, -1 to 1. Never holds where none was compared.",
    )
    words: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_WORDS,
        description="Risk words: one of them stands in the question as a whole word, in capitals or not.",
    )
    intent: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_INTENT_CHARACTERS,
        description="What the question is about, by the tenant's own examples of intents.",
    )
    hours_utc: Range | None = Field(default=None, description="Hour of the day in UTC, 0 to 23.")
    weekdays: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="Days of the week in UTC; 1 is Monday, 7 is Sunday."
    )

    @model_validator(mode="after")
    def _check(self) -> When:
        if not self.conditions:
            raise ValueError("a rule needs at least one condition; what always holds is the default")
        return self

    @property
    def conditions(self) -> tuple[Fact, ...]:
        """The conditions that are given, each named as the fact it asks for."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)  # pyright: ignore

    def holds(self, facts: Facts) -> bool:
        """Whether every condition that is given holds."""
        return all(name not in facts.unknown and _CHECKS[name](getattr(self, name), facts) for name in self.conditions)


_CHECKS: Mapping[Fact, Callable[[Any, Facts], bool]] = {
    "feature": lambda wanted, facts: wanted == facts.feature,
    "role": lambda wanted, facts: wanted in facts.roles,
    "requested_model": lambda wanted, facts: wanted == (facts.requested_model or "auto"),
    "characters": lambda wanted, facts: wanted.holds(len(facts.question)),
    "language": lambda wanted, facts: facts.language in wanted,
    "turns_before": lambda wanted, facts: wanted.holds(facts.turns_before),
    "has_code": lambda wanted, facts: wanted == facts.has_code,
    "has_table": lambda wanted, facts: wanted == facts.has_table,
    "asks_documents": lambda wanted, facts: wanted == facts.is_searching,
    "sources": lambda wanted, facts: facts.sources is not None and wanted.holds(facts.sources),
    "best_score": lambda wanted, facts: facts.best_score is not None and wanted.holds(facts.best_score),
    "words": lambda wanted, facts: facts.has_word(wanted),
    "intent": lambda wanted, facts: facts.intent is not None and facts.intent.name == wanted,
    "hours_utc": lambda wanted, facts: wanted.holds(facts.moment.hour),
    "weekdays": lambda wanted, facts: facts.moment.isoweekday() in wanted,
}


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
    """1-based; None: the default, or whoever was asked for by name."""
    unknown: tuple[Fact, ...] = ()
    """Facts that rules up to the deciding one asked for and that are not known."""
    is_asked_by_name: bool = False
    """No rule led away from the model that was asked for by name."""


def decide(rules: Sequence[Rule], default_model: str, facts: Facts) -> Decision:
    """The model of the first rule that holds, or else the one asked for by name, or the default."""
    is_named = facts.requested_model not in {"", "auto"}
    unknown: dict[Fact, None] = {}
    for number, rule in enumerate(rules, 1):
        if is_named and rule.when.requested_model is None:
            continue
        unknown.update(dict.fromkeys(name for name in rule.when.conditions if name in facts.unknown))
        if rule.when.holds(facts):
            return Decision(rule.model, f"rule {number}: {_told(rule.when, facts)}", number, tuple(unknown))
    if is_named:
        return Decision(facts.requested_model, ASKED_BY_NAME, None, tuple(unknown), is_asked_by_name=True)
    reason = "auto: the route's default" if rules else "auto: the default model"
    return Decision(default_model, reason, None, tuple(unknown))


def needs(rules: Sequence[Rule], requested_model: str) -> frozenset[Fact]:
    """The facts that rules may ask for, for a question that names this model."""
    is_named = requested_model not in {"", "auto"}
    looked_at = [rule.when for rule in rules if not is_named or rule.when.requested_model == requested_model]
    return frozenset(name for when in looked_at for name in when.conditions)


def waits_for_search(asked: frozenset[Fact]) -> bool:
    """Whether the decision among rules that ask for these facts has to wait until the search is done."""
    return bool(asked & AFTER_RETRIEVAL)


def _told(when: When, facts: Facts) -> str:
    return ", ".join(_condition(name, facts) for name in when.conditions)


def _condition(name: Fact, facts: Facts) -> str:
    match name:
        case "intent" if facts.intent is not None:
            return f"intent {facts.intent.name} ({facts.intent.score:.2f})"
        case "language":
            return f"language {facts.language}"
    return name
