"""Choosing a route by rules: once early, and once more where a rule waits for what the search finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chatapp.routing.balance import Balance, arrange
from chatapp.routing.facts import Fact, Facts
from chatapp.routing.intents import IntentExamples
from chatapp.routing.route import Deployment, Escalation, Route, WhenNamedFails, WhenTooLong
from chatapp.routing.rules import Decision, Rule, decide, needs, waits_for_search

_CLIMBS_AFTERWARDS = frozenset({Escalation.INVALID_OUTPUT, Escalation.LOW_SUPPORT})


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model, and the equal places it is served at."""

    name: str
    deployments: tuple[Deployment, ...]
    """Not empty."""
    balance: Balance = Balance.IN_ORDER


@dataclass(frozen=True, slots=True)
class Ladder:
    """Models from the smallest to the largest, and why an answer climbs."""

    rungs: tuple[str, ...] = ()
    escalate_on: frozenset[Escalation] = frozenset()
    times_asked: int = 0
    """How often the same question was answered before."""

    def above(self, model: str) -> tuple[str, ...]:
        """The rungs above a model; none where it does not stand on the ladder."""
        return self.rungs[self.rungs.index(model) + 1 :] if model in self.rungs else ()

    def first(self, model: str) -> str:
        """Where an answer begins that the rules give to a model: higher up, where the question was asked before."""
        if Escalation.ASKED_AGAIN not in self.escalate_on or not self.times_asked:
            return model
        return (model, *self.above(model))[: self.times_asked + 1][-1]


@dataclass(frozen=True, slots=True)
class Choice:
    """Everything a route is chosen by but what the search finds."""

    default: str
    """Where no rule holds."""
    served: Mapping[str, ServedModel]
    """By name, everybody who could be asked and can answer in the form wanted. Who is left out is passed over."""
    rules: tuple[Rule, ...] = ()
    fallbacks: tuple[str, ...] = ()
    """Asked in turn behind the model chosen."""
    ladder: Ladder = Ladder()
    examples: IntentExamples | None = None
    """For rules that ask for an intent."""
    version: int = 0
    when_too_long: WhenTooLong = "fit"
    when_named_fails: WhenNamedFails = "fall_back"
    """Whether the fallbacks stand behind a model asked for by name, too."""

    def needs(self, requested_model: str) -> frozenset[Fact]:
        """The facts that are asked for."""
        return needs(self.rules, requested_model)

    def route(self, facts: Facts) -> Route:
        """The route by what is known now; it says so itself where it has to be chosen once more after the search.

        Returns:
            with no deployment at all where nobody can be asked.
        """
        decision = decide(self.rules, self.default, facts)
        asked = self.needs(facts.requested_model)
        is_named = decision.is_asked_by_name and (decision.model in self.served or "requested_model" not in asked)
        if decision.is_asked_by_name and not is_named:
            # A name that only rules know, of a model that is gone perhaps, and none of them holds.
            decision = Decision(self.default, f"{decision.model} is not in use: the route's default")
        route = self._named(decision) if is_named else self._chosen(decision)
        is_open = facts.sources is None and waits_for_search(asked)
        return replace(route, facts=facts, choice=self if is_open else None)

    def _named(self, decision: Decision) -> Route:
        others = self.fallbacks if self.when_named_fails == "fall_back" else ()
        return Route(self._deployments([decision.model, *others]), decision.reason, self.version, self.when_too_long)

    def _chosen(self, decision: Decision) -> Route:
        first = self.ladder.first(decision.model)
        reason = decision.reason
        if decision.model not in self.served:
            reason += f"; {decision.model} cannot be asked"
        if first != decision.model:
            reason += f"; asked again: {first}"
        climbs = self.ladder.escalate_on & _CLIMBS_AFTERWARDS
        above = [name for name in self.ladder.above(first) if name in self.served] if climbs else []
        rungs = [
            Route(
                self._deployments([name, *self.fallbacks]),
                reason,
                self.version,
                self.when_too_long,
                escalate_on=climbs,
            )
            for name in (first, *above)
        ]
        return replace(rungs[0], above=tuple(rungs[1:]))

    def _deployments(self, names: Sequence[str]) -> tuple[Deployment, ...]:
        models = (self.served[name] for name in dict.fromkeys(names) if name in self.served)
        return tuple(each for model in models for each in arrange(model.deployments, model.balance))
