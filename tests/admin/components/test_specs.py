from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from admin.components.data_table import wanted_of
from admin.components.specs import Action, Column, as_prop, row_of
from chatapp.domain import Role
from chatapp.errors import InvalidInput


@dataclass(frozen=True)
class _Place:
    name: str


@dataclass(frozen=True)
class _View:
    id: UUID
    role: Role
    groups: tuple[str, ...]
    tags: frozenset[str]
    place: _Place
    made_at: datetime
    ended_at: datetime | None


def test_a_view_becomes_a_row_that_the_browser_can_read() -> None:
    made = datetime(2026, 3, 1, tzinfo=UTC)
    row = row_of(_View(UUID(int=1), Role.ADMIN, ("a",), frozenset({"y", "x"}), _Place("Here"), made, None))
    assert row == {
        "id": str(UUID(int=1)),
        "role": "admin",
        "groups": ["a"],
        "tags": ["x", "y"],
        "place": {"name": "Here"},
        "made_at": made.timestamp(),
        "ended_at": None,
    }
    json.dumps(row)


def test_only_a_dataclass_is_a_row() -> None:
    with pytest.raises(TypeError):
        row_of({"id": "1"})


def test_a_spec_becomes_what_its_component_reads() -> None:
    json.dumps([as_prop(Column("name", "Name", "title")), as_prop(Action("go", "Go", when={"state": ("on", True)}))])


def test_what_is_not_of_the_list_is_kept_from_it() -> None:
    query = {"q": "x", "peek": "1", "tab": "2", "range": "7d", "state": "on", "after": "c"}
    assert wanted_of(query) == {"q": "x", "state": "on", "after": "c"}


def test_an_address_with_too_much_in_it_is_refused() -> None:
    with pytest.raises(InvalidInput):
        wanted_of({str(number): "x" for number in range(41)})
