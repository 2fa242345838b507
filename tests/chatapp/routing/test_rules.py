from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from chatapp.domain import Role
from chatapp.routing.facts import Facts, Intent, facts_of_trace
from chatapp.routing.rules import Rule, When, decide, needs, waits_for_search

FACTS = Facts(
    question="How are refunds paid?",
    feature="chat",
    roles=(Role.MEMBER,),
    requested_model="",
    turns_before=2,
    is_searching=True,
    moment=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
)
CODE = "Why does this fail?\n```python\ndef f():\n    return 1\n```"
TABLE = "What is the sum?\n| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("when", "changes", "otherwise"),
    [
        ({"feature": "api"}, {"feature": "api"}, {"feature": "chat"}),
        ({"role": "auditor"}, {"roles": (Role.AUDITOR,)}, {"roles": ()}),
        ({"characters": {"at_least": 10, "below": 20}}, {"question": "x" * 10}, {"question": "x" * 20}),
        ({"characters": {"below": 20}}, {"question": ""}, {"question": "x" * 20}),
        ({"turns_before": {"at_least": 1}}, {"turns_before": 1}, {"turns_before": 0}),
        ({"has_code": True}, {"question": CODE}, {"question": "Say: import taxes are high"}),
        ({"has_code": False}, {"question": TABLE}, {"question": CODE}),
        ({"has_table": True}, {"question": TABLE}, {"question": "a | b"}),
        ({"asks_documents": False}, {"is_searching": False}, {"is_searching": True}),
        ({"words": ["lawsuit", "court"]}, {"question": "Is there a LAWSUIT?"}, {"question": "courtesy"}),
        ({"hours_utc": {"at_least": 9, "below": 10}}, {}, {"moment": datetime(2026, 1, 5, 10, tzinfo=UTC)}),
        ({"weekdays": [1]}, {}, {"moment": datetime(2026, 1, 6, tzinfo=UTC)}),
        ({"requested_model": "gpt-4"}, {"requested_model": "gpt-4"}, {"requested_model": "gpt-5"}),
        ({"requested_model": "auto"}, {"requested_model": ""}, {"requested_model": "gpt-4"}),
        ({"language": ["de", "nl"]}, {"language": "de"}, {"language": "en"}),
        ({"language": ["de"]}, {"language": "de"}, {"language": None}),
        ({"sources": {"below": 1}}, {"sources": 0}, {"sources": 1}),
        ({"sources": {"at_least": 2}}, {"sources": 2}, {"sources": None}),
        ({"best_score": {"below": 0.3}}, {"best_score": 0.29}, {"best_score": 0.3}),
        ({"best_score": {"below": 0.3}}, {"best_score": -0.1}, {"best_score": None}),
        ({"intent": "refunds"}, {"intent": Intent("refunds", 0.8)}, {"intent": Intent("", 0.2)}),
        ({"intent": "refunds"}, {"intent": Intent("refunds", 0.8)}, {"intent": None}),
    ],
)
def test_each_condition_holds_where_it_should(
    when: dict[str, Any], changes: dict[str, Any], otherwise: dict[str, Any]
) -> None:
    condition = When.model_validate(when)
    assert condition.holds(replace(FACTS, **changes))
    assert not condition.holds(replace(FACTS, **otherwise))


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    when = When.model_validate({"feature": "chat", "turns_before": {"at_least": 3}})
    assert not when.holds(FACTS)
    assert when.holds(replace(FACTS, turns_before=3))


def test_the_first_rule_that_holds_decides_and_says_which_it_was() -> None:
    rules = [
        Rule.model_validate({"when": {"has_code": True}, "model": "coder"}),
        Rule.model_validate({"when": {"turns_before": {"at_least": 1}}, "model": "patient"}),
        Rule.model_validate({"when": {"feature": "chat"}, "model": "never reached"}),
    ]
    decision = decide(rules, "usual", FACTS)
    assert (decision.model, decision.rule, decision.reason) == ("patient", 2, "rule 2: turns_before")
    assert decide(rules[:1], "usual", FACTS).model == "usual"


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"unknown": 1},
        {"role": "emperor"},
        {"characters": {}},
        {"characters": {"at_least": 5, "below": 5}},
        {"characters": {"at_least": -1}},
        {"words": []},
        {"feature": "fax"},
        {"language": []},
        {"best_score": {"at_least": 1.5}},
        {"best_score": {}},
        {"intent": ""},
        {"requested_model": ""},
    ],
)
def test_conditions_that_mean_nothing_are_refused(when: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        When.model_validate(when)


def test_words_are_taken_as_words_and_not_as_patterns() -> None:
    when = When.model_validate({"words": ["a.b", "("]})
    assert when.holds(replace(FACTS, question="what is a.b?"))
    assert not when.holds(replace(FACTS, question="what is aXb?"))


def _rules(*rules: dict[str, Any]) -> list[Rule]:
    return [Rule.model_validate(rule) for rule in rules]


def test_who_asks_for_a_model_by_name_is_led_elsewhere_only_by_rules_about_that_name() -> None:
    rules = _rules(
        {"when": {"feature": "chat"}, "model": "any"},
        {"when": {"requested_model": "old", "turns_before": {"at_least": 9}}, "model": "never"},
        {"when": {"requested_model": "old"}, "model": "new"},
    )
    assert decide(rules, "usual", replace(FACTS, requested_model="old")).reason == "rule 3: requested_model"
    named = decide(rules, "usual", replace(FACTS, requested_model="other"))
    assert (named.model, named.rule, named.reason) == ("other", None, "asked for by name")
    assert decide(rules, "usual", replace(FACTS, requested_model="auto")).model == "any"


@pytest.mark.parametrize(
    ("when", "facts", "reason"),
    [
        ({"intent": "refunds"}, {"intent": Intent("refunds", 0.8234)}, "rule 1: intent refunds (0.82)"),
        ({"language": ["de", "nl"], "feature": "chat"}, {"language": "nl"}, "rule 1: feature, language nl"),
        ({"sources": {"below": 1}}, {"sources": 0}, "rule 1: sources"),
    ],
)
def test_a_decision_says_what_was_found(when: dict[str, Any], facts: dict[str, Any], reason: str) -> None:
    assert decide(_rules({"when": when, "model": "m"}), "usual", replace(FACTS, **facts)).reason == reason


def test_a_fact_nobody_knows_holds_for_no_condition_and_is_named() -> None:
    rules = _rules(
        {"when": {"role": "admin"}, "model": "a"},
        {"when": {"feature": "chat"}, "model": "b"},
        {"when": {"sources": {"below": 1}}, "model": "c"},
    )
    decision = decide(rules, "usual", replace(FACTS, roles=(Role.ADMIN,), unknown=frozenset({"role", "sources"})))
    assert (decision.model, decision.unknown) == ("b", ("role",))


def test_rules_say_which_facts_they_need_and_whether_they_wait_for_the_search() -> None:
    rules = _rules(
        {"when": {"language": ["de"], "has_code": True}, "model": "a"},
        {"when": {"requested_model": "old", "intent": "refunds"}, "model": "b"},
    )
    assert needs(rules, "auto") == {"language", "has_code", "requested_model", "intent"}
    assert needs(rules, "old") == {"requested_model", "intent"}
    assert needs(rules, "other") == set()
    assert waits_for_search(needs(rules, "auto"))
    assert not waits_for_search(needs(rules[:1], "auto"))


def test_a_trace_gives_back_the_facts_it_kept() -> None:
    kept = replace(FACTS, sources=3, best_score=0.4321, requested_model="auto")
    later = datetime(2026, 3, 3, tzinfo=UTC)
    assert facts_of_trace(kept.question, "chat", {"facts": kept.as_json()}, later) == kept


def test_a_trace_that_ended_before_its_search_says_that_sources_are_unknown() -> None:
    found = facts_of_trace("Why?", "chat", {"facts": FACTS.as_json()}, FACTS.moment)
    assert found.unknown == {"sources", "best_score"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"sources": 0, "best_score": None, "is_searching": False}),
        (
            {"retrieval": [{}, {}], "best_cosine": 0.5, "is_relevant": True, "collections": [{}], "turns_before": 2},
            {"sources": 2, "best_score": 0.5, "is_searching": True, "turns_before": 2},
        ),
        ({"retrieval": [{}], "best_cosine": 0.1, "is_relevant": False}, {"sources": 0, "best_score": 0.1}),
        ({"retrieval": [{}], "best_cosine": 0.0, "is_degraded": True}, {"sources": 1, "best_score": None}),
        ({"route_reason": "asked for by name", "attempts": [{"model": "gpt-4"}]}, {"requested_model": "gpt-4"}),
        ({"route_reason": "rule 1: has_code", "attempts": [{"model": "gpt-4"}]}, {"requested_model": ""}),
    ],
)
def test_an_older_trace_tells_what_it_can_and_that_roles_are_unknown(
    body: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = facts_of_trace("Why?", "api", body, FACTS.moment)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.unknown == {"role"}
