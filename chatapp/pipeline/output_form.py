"""Whether an answer has the form that was asked for: JSON, and what a JSON Schema says of it.

Schemas are written by anybody who may ask. So nothing is fetched that one refers to, its patterns have little time,
and a check that takes too many steps is given up; the provider has read the schema as well.
Only `regex` can be stopped in the middle of a pattern, so patterns are matched by it and not by Python's own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from chatapp.errors import InvalidInput
from chatapp.providers.base import form_of

MAX_SCHEMA_CHARACTERS = 65_536
_PARAM = "response_format.json_schema.schema"
_MAX_STEPS = 50_000
_MAX_SECONDS = 1.0
_PATTERN_SECONDS = 0.05
_MAX_PLACE_CHARACTERS = 120
_MAX_VALUE_CHARACTERS = 160


class _GivenUp(Exception):
    """The check takes too long."""


async def require_checkable(parameters: Mapping[str, Any]) -> None:
    """Refuse a form of which nobody could say whether an answer has it.

    Args:
        parameters: of the request, as they go to a provider.

    Raises:
        InvalidInput: the schema is none, is too long, or refers to something outside of it.
    """
    schema = _schema_of(parameters)
    if schema is None:
        return
    if not isinstance(schema, Mapping):
        raise InvalidInput("The schema has to be an object.", param=_PARAM)
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARACTERS:
        raise InvalidInput(f"The schema is longer than {MAX_SCHEMA_CHARACTERS:,} characters.", param=_PARAM)
    await asyncio.to_thread(_require_schema, schema)


async def problem_of(answer: str, parameters: Mapping[str, Any]) -> str:
    """What keeps an answer from being in the form asked for; empty: nothing does.

    Nothing of the answer is repeated in it: it is told to the next model, and an answer may hold what a document said.

    Args:
        answer: the whole of it.
        parameters: of the request.
    """
    form = form_of(parameters)
    if form == "text":
        return ""
    try:
        value = json.loads(answer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return "it is not JSON, or not JSON alone"
    if form == "json_object":
        return "" if isinstance(value, dict) else "it is JSON, but no object"
    schema = _schema_of(parameters)
    return "" if schema is None else await asyncio.to_thread(_first_error, value, schema)


def _schema_of(parameters: Mapping[str, Any]) -> Any:
    """The schema asked for; None where there is none."""
    wanted = parameters.get("response_format")
    described = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return described.get("schema") if isinstance(described, Mapping) else None


def _require_schema(schema: Mapping[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path) or "its beginning"
        raise InvalidInput(
            f"The schema is no JSON Schema: see {place[:_MAX_PLACE_CHARACTERS]}.", param=_PARAM
        ) from error
    except RecursionError as error:
        raise InvalidInput("The schema is nested too deeply.", param=_PARAM) from error
    if any(not target.startswith("#") for target in _references(schema)):
        raise InvalidInput("The schema may refer to itself alone, by “#”.", param=_PARAM)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (target for name in ("$ref", "$dynamicRef") if isinstance(target := value.get(name), str))
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _first_error(value: Any, schema: Mapping[str, Any]) -> str:
    """What the schema says first against a value; empty: nothing, or it could not be told in time."""
    kind = extend(Draft202012Validator, _within_bounds())
    try:
        error = next(kind(schema, registry=Registry()).iter_errors(value), None)
    except Exception:  # noqa: BLE001  # whatever a schema leads to: the provider has read it, too
        return ""
    return "" if error is None else _told(error)


def _told(error: ValidationError) -> str:
    place = "/".join(str(part) for part in error.absolute_schema_path)[:_MAX_PLACE_CHARACTERS]
    return f"the schema's {place} does not hold: {json.dumps(error.validator_value)[:_MAX_VALUE_CHARACTERS]}"


def _within_bounds() -> dict[str, Callable[..., Any]]:
    """The schema language's keywords, all together with so many steps and so much time."""
    steps, until = iter(range(_MAX_STEPS)), time.monotonic() + _MAX_SECONDS

    def bound(check: Callable[..., Any]) -> Callable[..., Any]:
        def checked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            if next(steps, None) is None or time.monotonic() > until:
                raise _GivenUp
            yield from check(validator, value, instance, schema) or ()

        return checked

    kept = {**Draft202012Validator.VALIDATORS, "pattern": _pattern}
    # Its names are patterns too; what it says of them is the provider's to read.
    kept["patternProperties"] = _nothing
    return {name: bound(check) for name, check in kept.items()}


def _pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(wanted, instance):
        yield ValidationError("does not match")


def _matches(pattern: str, text: str) -> bool:
    try:
        return regex.search(pattern, text, timeout=_PATTERN_SECONDS) is not None
    except (regex.error, TimeoutError):
        return True


def _nothing(*_: Any) -> Iterator[ValidationError]:
    yield from ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
