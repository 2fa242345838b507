from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from admin.components.form_fields import fields_of, read, written_value


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "dark_blue"


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(title="Its name", description="As people know it.", min_length=2, max_length=10)
    email: Annotated[str, Field(json_schema_extra={"kind": "email"})]
    size: int = Field(30, ge=1, le=600, json_schema_extra={"unit": "seconds"})
    share: float | None = None
    role: Literal["member", "admin"] = Field("member", json_schema_extra={"labels": {"admin": "Runs it"}})
    colour: Colour | None = None
    roles: list[Literal["a", "b"]] = Field(default_factory=list, max_length=1)
    domains: list[str] = Field(default_factory=list)
    is_on: bool = True
    secret: SecretStr | None = None
    until: datetime | None = None

    @field_validator("domains")
    @classmethod
    def _no_dots_at_the_end(cls, domains: list[str]) -> list[str]:
        if any(domain.endswith(".") for domain in domains):
            raise ValueError("A domain does not end with a dot")
        return domains


GOOD: dict[str, Any] = {"name": "Acme", "email": "a@example.org"}


def test_a_model_becomes_fields_in_its_order() -> None:
    specs = {spec["name"]: spec for spec in fields_of(Thing)}
    assert list(specs) == list(Thing.model_fields)
    kinds = ["text", "email", "number", "number", "choice", "choice", "choices", "texts", "switch", "secret", "moment"]
    assert [spec["kind"] for spec in specs.values()] == kinds
    assert (specs["name"]["label"], specs["name"]["help"]) == ("Its name", "As people know it.")
    assert (specs["name"]["is_required"], specs["name"]["max_length"]) == (True, 10)
    assert (specs["size"]["unit"], specs["size"]["is_required"], specs["size"]["is_optional"]) == (
        "seconds",
        False,
        False,
    )
    assert specs["share"]["is_optional"]
    assert specs["role"]["choices"] == [["member", "Member"], ["admin", "Runs it"]]
    assert specs["colour"]["choices"] == [["red", "Red"], ["dark_blue", "Dark blue"]]


def test_what_is_left_blank_has_its_default() -> None:
    entered, problems = read(Thing, {**GOOD, "size": "", "share": "", "colour": "", "secret": None, "until": ""})
    assert problems == {}
    assert isinstance(entered, Thing)
    assert (entered.size, entered.share, entered.colour, entered.secret, entered.until) == (30, None, None, None, None)


def test_what_is_typed_is_read_as_its_type() -> None:
    entered, problems = read(Thing, {**GOOD, "size": "45", "share": "0.5", "secret": "s3cret", "roles": ["b"]})
    assert problems == {}
    assert isinstance(entered, Thing)
    assert (entered.size, entered.share, entered.roles) == (45, 0.5, ["b"])
    assert entered.secret is not None
    assert entered.secret.get_secret_value() == "s3cret"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "At least 2 characters."),
        ("name", None, "Fill this in."),
        ("name", "x" * 11, "At most 10 characters."),
        ("size", "many", "Write a whole number."),
        ("size", "1.5", "Write a whole number."),
        ("size", "0", "At least 1."),
        ("size", "601", "At most 600."),
        ("share", "half", "Write a number."),
        ("role", "owner", "Choose one of the values."),
        ("colour", "green", "Choose one of the values."),
        ("roles", ["c"], "Choose one of the values."),
        ("roles", ["a", "b"], "At most 1."),
        ("until", "soon", "Write a date."),
        ("domains", ["example.org."], "A domain does not end with a dot."),
        ("is_admin", True, "There is no such field."),
    ],
)
def test_a_complaint_is_a_sentence_at_its_field(field: str, value: object, said: str) -> None:
    entered, problems = read(Thing, {**GOOD, field: value})
    assert entered is None
    assert problems == {field: said}


@pytest.mark.parametrize("values", [{}, {"name": {"a": 1}}, {"name": ["x"]}, {"": ""}, {"roles": "a"}, {"is_on": {}}])
def test_anything_at_all_from_the_browser_is_only_refused(values: dict[str, Any]) -> None:
    entered, problems = read(Thing, values)
    assert entered is None
    assert problems


def test_no_secret_is_written_in_the_list_of_changes() -> None:
    specs = {spec["name"]: spec for spec in fields_of(Thing)}
    assert "s3cret" not in written_value(specs["secret"], "s3cret")
    assert written_value(specs["secret"], None) == "nothing"
    assert written_value(specs["size"], 45) == "45 seconds"
    assert written_value(specs["role"], "admin") == "Runs it"
    assert written_value(specs["is_on"], False) == "off"
    assert written_value(specs["domains"], []) == "nothing"
