from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chatapp.services.csv_export import cell, stream_csv
from chatapp.services.list_page import ListPage

ID = UUID(int=7)
ROWS = 2_500


@dataclass(frozen=True, slots=True)
class Thing:
    id: UUID
    name: str
    tags: tuple[str, ...]
    number: int
    made_at: datetime | None


async def _things(wanted: Mapping[str, str]) -> ListPage[Thing]:
    """A service's list of 2,500, a page at a time."""
    first, limit = int(wanted.get("after", "0")), int(wanted["limit"])
    numbers = range(first, min(first + limit, ROWS))
    following = numbers.stop if numbers.stop < ROWS else None
    things = [Thing(ID, f'{wanted.get("q", "")} {number}, "quoted"', ("a", "b"), number, None) for number in numbers]
    return ListPage(things, str(following) if following else None, ROWS, is_total_exact=True)


async def test_every_page_of_what_is_filtered_is_in_the_file_once() -> None:
    wanted = {"q": "x", "limit": "3", "after": "17"}
    text = "".join([line async for line in stream_csv(_things, Thing, wanted)])
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["id", "name", "tags", "number", "made_at"]
    assert [int(row[3]) for row in rows] == list(range(ROWS))
    assert rows[0] == [str(ID), 'x 0, "quoted"', "a, b", "0", ""]


async def test_a_file_without_rows_has_its_header() -> None:
    async def nothing(_: Mapping[str, str]) -> ListPage[Thing]:
        return ListPage([], None, 0, is_total_exact=True)

    assert [line async for line in stream_csv(nothing, Thing, {})] == ["id,name,tags,number,made_at\r\n"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
def test_no_spreadsheet_runs_a_cell(start: str) -> None:
    assert cell(f"{start}1+1").startswith("'")
    assert cell([f"{start}1+1", "b"]).startswith("'")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        (0.5, "0.5"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00+00:00"),
        (ID, str(ID)),
        ({"a": 1}, '{"a": 1}'),
        ("plain", "plain"),
    ],
)
def test_a_value_is_written_so_that_it_can_be_read_again(value: Any, written: str) -> None:
    assert cell(value) == written
