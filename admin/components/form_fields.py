"""A pydantic model as fields of a form, and its complaints as sentences at those fields."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

FieldKind = Literal[
    "text",
    "email",
    "password",
    "secret",
    "long_text",
    "number",
    "choice",
    "choices",
    "texts",
    "switch",
    "moment",
    "day",
]


class FieldSpec(TypedDict):
    """One field as the form shows it."""

    name: str
    label: str
    help: str
    kind: FieldKind
    is_required: bool
    is_optional: bool
    """Whether it may be blank; a field with a default need be neither."""
    choices: list[list[str]]
    """Pairs of value and label; empty where the State gives them."""
    unit: str
    placeholder: str
    max_length: int
    """0: no limit."""


def fields_of(model: type[BaseModel]) -> list[FieldSpec]:
    """The fields of a model, in its order.

    A field's `title` is its label, its `description` the help under it. `json_schema_extra` may give `kind`, `unit`,
    `placeholder` and `labels` (how a choice is written). A date is a `moment`, the end of the day chosen, or a `day`,
    the beginning of it.
    """
    return [_field(name, info) for name, info in model.model_fields.items()]


def _field(name: str, info: FieldInfo) -> FieldSpec:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    annotation, is_optional = _unwrapped(info.annotation)
    values = _values(annotation)
    labels: Any = extra.get("labels") or {}
    kind: Any = extra.get("kind") or _kind(annotation, bool(values))
    limits = [each for each in info.metadata if isinstance(each, MaxLen)]
    return FieldSpec(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        kind=kind,
        is_required=info.is_required() and not is_optional and kind != "switch",
        is_optional=not info.is_required() and kind != "switch" and not info.get_default(call_default_factory=True),
        choices=[[value, labels.get(value) or value.replace("_", " ").capitalize()] for value in values],
        unit=str(extra.get("unit", "")),
        placeholder=str(extra.get("placeholder", "")),
        max_length=limits[0].max_length
        if limits and kind in {"text", "email", "password", "secret", "long_text"}
        else 0,
    )


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The type without `Annotated` and `None`, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [each for each in get_args(annotation) if each is not type(None)]
        return _unwrapped(rest[0])[0], len(rest) < len(get_args(annotation))
    return annotation, False


def _kind(annotation: Any, has_values: bool) -> FieldKind:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return "choices" if has_values else "texts"
    if has_values:
        return "choice"
    kinds: dict[Any, FieldKind] = {
        bool: "switch",
        int: "number",
        float: "number",
        SecretStr: "secret",
        datetime: "moment",
    }
    return kinds.get(annotation, "text")


def _values(annotation: Any) -> list[str]:
    if get_origin(annotation) in {list, tuple, set, frozenset}:
        return _values(_unwrapped(get_args(annotation)[0])[0])
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def read(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[BaseModel | None, dict[str, str]]:
    """What was typed, as the model; or what is wrong, by field.

    Args:
        model: the form's.
        values: from the browser, so anything at all. Blank texts of fields that may be left out count as left out;
            a secret left blank stays as it was, which is None.
    """
    specs = {spec["name"]: spec for spec in fields_of(model)}
    entered = {name: value for name, value in values.items() if not _is_left_out(value, specs.get(name))}
    try:
        return model.model_validate(entered), {}
    except ValidationError as error:
        problems: dict[str, str] = {}
        for each in error.errors():
            field = str(each["loc"][0]) if each["loc"] else ""
            problems.setdefault(field, sentence(each["type"], each.get("ctx") or {}, each["msg"]))
        return None, problems


def _is_left_out(value: Any, spec: FieldSpec | None) -> bool:
    if spec is None:
        return False
    return value is None or (
        value == "" and (not spec["is_required"] or spec["kind"] in {"number", "choice", "moment", "day"})
    )


_SENTENCES = {
    "missing": "Fill this in.",
    "string_too_short": "At least {min_length} characters.",
    "string_too_long": "At most {max_length} characters.",
    "too_short": "Choose at least {min_length}.",
    "too_long": "At most {max_length}.",
    "greater_than": "More than {gt}.",
    "greater_than_equal": "At least {ge}.",
    "less_than": "Less than {lt}.",
    "less_than_equal": "At most {le}.",
    "int_parsing": "Write a whole number.",
    "int_from_float": "Write a whole number.",
    "int_type": "Write a whole number.",
    "float_parsing": "Write a number.",
    "decimal_parsing": "Write a number, with a point before its decimals.",
    "decimal_max_places": "At most {decimal_places} digits after the point.",
    "literal_error": "Choose one of the values.",
    "enum": "Choose one of the values.",
    "extra_forbidden": "There is no such field.",
    "string_pattern_mismatch": "This is not written as it has to be.",
}


def sentence(kind: str, context: Mapping[str, Any], message: str) -> str:
    """A complaint of pydantic as a person reads it.

    Args:
        kind: pydantic's type of error.
        context: the numbers in it.
        message: pydantic's own words, for kinds that have no sentence here.
    """
    if kind == "string_too_short" and context.get("min_length") == 1:
        return _SENTENCES["missing"]
    if kind.startswith("datetime"):
        return "Write a date."
    known = _SENTENCES.get(kind)
    return known.format(**context) if known else message.removeprefix("Value error, ").rstrip(".") + "."


def written_value(spec: FieldSpec, value: Any) -> str:
    """A value as the list of what will change writes it."""
    if spec["kind"] in {"secret", "password"}:
        return "••••••" if value else "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value in ("", [], ()):
        return "nothing"
    labels = {pair[0]: pair[1] for pair in spec["choices"]}
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(labels.get(str(each), str(each)) for each in value)
    text = labels.get(str(value), str(value))
    return f"{text} {spec['unit']}".strip()
