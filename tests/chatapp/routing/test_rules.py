from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from chatapp.domain import Role
from chatapp.routing.rules import Facts, Rule, When, decide

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
    ],
)
def test_conditions_that_mean_nothing_are_refused(when: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        When.model_validate(when)


def test_words_are_taken_as_words_and_not_as_patterns() -> None:
    when = When.model_validate({"words": ["a.b", "("]})
    assert when.holds(replace(FACTS, question="what is a.b?"))
    assert not when.holds(replace(FACTS, question="what is aXb?"))
