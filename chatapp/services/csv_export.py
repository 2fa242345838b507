"""Lists as CSV, for people who go on with them in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any

from chatapp.services.list_page import ListPage

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the first ones in full width."""
_PAGE = "1000"


async def stream_csv(
    fetch: Callable[[Mapping[str, str]], Awaitable[ListPage[Any]]], view: type, wanted: Mapping[str, str]
) -> AsyncIterator[str]:
    """Every row the filters let through, as lines of CSV with a header, a page in memory at a time.

    Args:
        fetch: a service's list; it is asked for pages of 1,000.
        view: the dataclass of a row: its fields are the columns.
        wanted: filters and order, as for `store.listing`; `limit` and `after` are not looked at.
    """
    if not is_dataclass(view):
        raise TypeError("a view is a dataclass")
    names = [field.name for field in fields(view)]
    asked = {name: value for name, value in wanted.items() if name not in {"limit", "after"}} | {"limit": _PAGE}
    # Fetched before anything is given out: what is refused is refused before an answer has begun.
    page = await fetch(asked)
    yield line(names)
    while True:
        for item in page.items:
            values = asdict(item)
            yield line([cell(values[name]) for name in names])
        if page.next_cursor is None:
            return
        asked["after"] = page.next_cursor
        page = await fetch(asked)


def line(values: Sequence[str]) -> str:
    """One line of CSV."""
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue()


def cell(value: Any) -> str:
    """A value as a spreadsheet may hold it: what it would run as a formula gets a quote in front.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        value = ", ".join(value)
    text = (
        value if isinstance(value, str) else json.dumps(value, default=str) if isinstance(value, dict) else str(value)
    )
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
