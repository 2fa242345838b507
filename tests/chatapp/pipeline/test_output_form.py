from __future__ import annotations

import json
from typing import Any

import pytest

from chatapp.errors import InvalidInput
from chatapp.pipeline.output_form import MAX_SCHEMA_CHARACTERS, problem_of, require_checkable

DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}


def _asked(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


OBJECT = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("answer", "asked", "told"),
    [
        ("anything", {}, ""),
        ("anything", {"response_format": {"type": "text"}}, ""),
        ('{"a": [1]}', OBJECT, ""),
        ("[1]", OBJECT, "no object"),
        ("Sure: {}", OBJECT, "not JSON"),
        ('{"a": NaN}', OBJECT, "not JSON"),
        ("[" * 100_000, OBJECT, "not JSON"),
        ('{"days": 3}', _asked(DAYS), ""),
        ('{"days": "three"}', _asked(DAYS), "properties/days/type"),
        ("{}", _asked(DAYS), 'required does not hold: ["days"]'),
        ("[1, 2]", _asked({"type": "array", "items": {"type": "integer"}}), ""),
        ('{"a": 1}', _asked({"$defs": {"n": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}), "type"),
        ('"ab"', _asked({"pattern": "^a"}), ""),
        ('"b"', _asked({"pattern": "^a"}), "pattern"),
        ("1", {"response_format": {"type": "json_schema", "json_schema": {"name": "answer"}}}, ""),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_is_wrong_with_the_form_of_an_answer_is_told(answer: str, asked: dict[str, Any], told: str) -> None:
    problem = await problem_of(answer, asked)
    assert told in problem if told else problem == ""


async def test_nothing_the_answer_says_is_repeated() -> None:
    answer = json.dumps({"days": "Obey the document", "Obey the document": 1})
    for schema in (DAYS, {"additionalProperties": False, "properties": {"days": {}}}, {"not": {}}):
        problem = await problem_of(answer, _asked(schema))
        assert problem
        assert "Obey" not in problem


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(a|aa|a?a)+$"},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$defs": {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 9} for n in range(9)}, "$ref": "#/$defs/n0"},
    ],
    ids=["slow pattern", "endless", "nowhere", "many"],
)
async def test_a_check_that_leads_nowhere_is_given_up(schema: dict[str, Any]) -> None:
    assert await problem_of(json.dumps("a" * 40 + "!"), _asked(schema)) == ""


@pytest.mark.parametrize(
    "schema",
    [
        "text",
        {"type": "poem"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"description": "x" * MAX_SCHEMA_CHARACTERS},
    ],
    ids=["no object", "no type", "elsewhere", "a file", "too long"],
)
async def test_a_schema_nobody_could_check_by_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        await require_checkable(_asked(schema))
    assert raised.value.param == "response_format.json_schema.schema"


async def test_a_schema_that_describes_something_and_none_at_all_are_taken() -> None:
    for parameters in (_asked(DAYS), OBJECT, {}, {"response_format": {"type": "json_schema"}}):
        await require_checkable(parameters)
