from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chatapp.outbound import Reach
from chatapp.providers.base import ProviderConfig
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.routing.balance import Balance
from chatapp.routing.breaker import breaker_of, forget_breakers
from chatapp.routing.choice import Choice, Ladder, ServedModel
from chatapp.routing.facts import Intent
from chatapp.routing.route import Deployment, Escalation, Route
from chatapp.routing.rules import Rule
from tests.chatapp.routing.test_rules import CODE, FACTS

PROVIDER = OpenAICompatible(ProviderConfig(base_url="http://127.0.0.1:1/v1", reach=Reach.ANY))
CLIMBS = frozenset({Escalation.INVALID_OUTPUT, Escalation.LOW_SUPPORT})


@pytest.fixture(autouse=True)
def _breakers() -> Iterator[None]:
    forget_breakers()
    yield
    forget_breakers()


def _served(name: str, *places: str, balance: Balance = Balance.IN_ORDER) -> ServedModel:
    deployments = (Deployment(PROVIDER, place, name, name, 1_000, 100) for place in places or ("here",))
    return ServedModel(name, tuple(deployments), balance)


def _choice(*rules: dict[str, Any], **values: Any) -> Choice:
    served = {name: _served(name) for name in ("usual", "coder", "big", "huge", "spare", "named")}
    given = {"served": served, "fallbacks": ("spare", "usual"), "version": 4, **values}
    return Choice("usual", rules=tuple(Rule.model_validate(rule) for rule in rules), **given)


def _models(route: Route) -> list[str]:
    return [each.model for each in route.deployments]


def test_the_model_chosen_comes_first_then_the_fallbacks_each_once() -> None:
    choice = _choice({"when": {"has_code": True}, "model": "coder"})
    assert _models(choice.route(replace(FACTS, question=CODE))) == ["coder", "spare", "usual"]
    route = choice.route(FACTS)
    assert (_models(route), route.version, route.facts) == (["usual", "spare"], 4, FACTS)


def test_who_is_asked_by_name_is_asked_first_and_led_away_by_rules_about_that_name() -> None:
    choice = _choice({"when": {"requested_model": "old"}, "model": "big"})
    named = choice.route(replace(FACTS, requested_model="named"))
    assert (_models(named), named.version, named.reason) == (["named", "spare", "usual"], 4, "asked for by name")
    assert _models(choice.route(replace(FACTS, requested_model="old"))) == ["big", "spare", "usual"]


def test_nobody_else_is_asked_behind_a_name_where_the_tenant_wants_that_said() -> None:
    served = {"named": _served("named", "a", "b"), "spare": _served("spare"), "usual": _served("usual")}
    choice = _choice(served=served, when_named_fails="say_so")
    named = choice.route(replace(FACTS, requested_model="named"))
    assert [(each.model, each.provider_name) for each in named.deployments] == [("named", "a"), ("named", "b")]
    assert _models(choice.route(FACTS)) == ["usual", "spare"]


def test_a_name_only_rules_know_falls_to_the_default_where_none_holds() -> None:
    choice = _choice({"when": {"requested_model": "old", "has_code": True}, "model": "big"})
    route = choice.route(replace(FACTS, requested_model="old"))
    assert (_models(route)[0], route.reason) == ("usual", "old is not in use: the route's default")


def test_who_cannot_be_asked_is_passed_over_and_the_reason_says_so() -> None:
    served = {name: _served(name) for name in ("usual", "spare")}
    route = _choice({"when": {"feature": "chat"}, "model": "coder"}, served=served).route(FACTS)
    assert (_models(route), route.reason) == (["spare", "usual"], "rule 1: feature; coder cannot be asked")
    assert _choice(served={}).route(FACTS).deployments == ()


def test_equal_places_of_a_model_come_before_other_models_and_a_broken_one_last_of_them() -> None:
    served = {"usual": _served("usual", "a", "b", "c"), "spare": _served("spare")}
    for _ in range(10):
        breaker_of("a/usual").failed()
    route = _choice(served=served).route(FACTS)
    assert [each.provider_name for each in route.deployments] == ["b", "c", "a", "here"]


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ({"sources": {"below": 1}}, {"sources": 0}),
        ({"best_score": {"below": 0.3}}, {"sources": 1, "best_score": 0.1}),
        ({"intent": "refunds"}, {"sources": 2, "intent": Intent("refunds", 0.9)}),
    ],
)
def test_a_rule_about_what_the_search_finds_is_decided_behind_it(when: dict[str, Any], found: dict[str, Any]) -> None:
    early = _choice({"when": when, "model": "big"}).route(FACTS)
    assert _models(early)[0] == "usual"
    assert early.choice is not None
    late = early.choice.route(replace(FACTS, **found))
    assert (_models(late)[0], late.choice) == ("big", None)


def test_a_route_stays_where_no_rule_that_counts_waits_for_the_search() -> None:
    choice = _choice({"when": {"sources": {"below": 1}}, "model": "big"})
    assert _choice({"when": {"has_code": True}, "model": "big"}).route(FACTS).choice is None
    assert choice.route(replace(FACTS, requested_model="named")).choice is None


def _ladder(*escalate_on: Escalation, times: int = 0) -> Ladder:
    return Ladder(("usual", "big", "huge"), frozenset(escalate_on), times)


def test_higher_rungs_follow_the_model_chosen_each_with_the_fallbacks() -> None:
    route = _choice(ladder=_ladder(*CLIMBS)).route(FACTS)
    assert (_models(route), route.escalate_on) == (["usual", "spare"], CLIMBS)
    assert [_models(each) for each in route.above] == [["big", "spare", "usual"], ["huge", "spare", "usual"]]
    rule = {"when": {"feature": "chat"}, "model": "big"}
    assert [_models(each)[0] for each in _choice(rule, ladder=_ladder(*CLIMBS)).route(FACTS).above] == ["huge"]


def test_a_model_off_the_ladder_and_one_asked_for_by_name_climb_nowhere() -> None:
    rule = {"when": {"feature": "chat"}, "model": "coder"}
    assert _choice(rule, ladder=_ladder(*CLIMBS)).route(FACTS).above == ()
    assert _choice(ladder=_ladder(*CLIMBS)).route(replace(FACTS, requested_model="usual")).above == ()


@pytest.mark.parametrize(("times", "first"), [(0, "usual"), (1, "big"), (2, "huge"), (5, "huge")])
def test_a_question_asked_again_begins_a_rung_higher_each_time(times: int, first: str) -> None:
    route = _choice(ladder=_ladder(Escalation.ASKED_AGAIN, times=times)).route(FACTS)
    assert (_models(route)[0], route.above) == (first, ())
    assert route.reason.endswith(f"asked again: {first}") == (times > 0)


def test_asking_again_changes_nothing_where_the_ladder_is_not_for_that() -> None:
    assert _models(_choice(ladder=_ladder(*CLIMBS, times=2)).route(FACTS))[0] == "usual"


def test_rungs_that_cannot_be_asked_are_left_out() -> None:
    served = {name: _served(name) for name in ("usual", "huge")}
    assert [_models(each)[0] for each in _choice(served=served, ladder=_ladder(*CLIMBS)).route(FACTS).above] == ["huge"]
