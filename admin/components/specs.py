"""What a page says about its table: columns, filters and what can be done with rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from uuid import UUID

ColumnKind = Literal[
    "title",
    "text",
    "id",
    "moment",
    "number",
    "money",
    "bytes",
    "milliseconds",
    "share",
    "badge",
    "yes_no",
    "list",
    "stamp",
    "slot",
]
FilterKind = Literal["text", "choice", "moment", "number", "yes_no", "id"]
Tone = Literal["good", "warn", "bad", "info", "quiet"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, and one fact in the panel beside it."""

    name: str
    """Key in the row."""
    label: str
    kind: ColumnKind = "text"
    """`title` is the row's name, in one column of each table. `money` is micro-dollars, `share` 0 to 1, `moment`
    seconds since 1970, `list` a list of texts, `slot` an hour or a day as charts name it, `stamp` a moment
    that is written out already; the others say themselves."""
    sort: str = ""
    """The listing's field to sort by; empty: the column cannot be sorted."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """For `badge` and `list`: how a value is written; one that is not here is written as it is."""
    tones: Mapping[str, Tone] = field(default_factory=dict)
    """For `badge`: the colour of a value."""
    tone: Tone = "quiet"
    """For `badge`: the colour of every other value."""
    note: str = ""
    """For `title`: key of a second, quiet line under the name."""
    is_shown: bool = True
    """Shown until the person chooses otherwise; the panel shows every column."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to narrow the list, under the name the listing's field has."""

    name: str
    label: str
    kind: FilterKind = "text"
    choices: Mapping[str, str] = field(default_factory=dict)
    """For `choice`: value and how it is written, in order."""
    unit: str = ""
    """For `number`, shown behind the field."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done with one row, or with several at once."""

    name: str
    """Given to the handler with the ids of the rows."""
    label: str
    tone: Literal["plain", "danger"] = "plain"
    is_bulk: bool = True
    """Offered for several rows at once."""
    is_single: bool = True
    """Offered for one row."""
    when: Mapping[str, Sequence[str | bool | int]] = field(default_factory=dict)
    """Offered only for rows whose fields have one of these values; for several rows: those it fits."""


@dataclass(frozen=True, slots=True)
class Empty:
    """What a table says while there is nothing in it and no filter is set."""

    title: str
    text: str
    label: str = ""
    """Words of a button; empty: there is none."""
    href: str = ""
    """Where the button leads; empty: it fires the table's `on_empty`."""


def as_prop(spec: Any) -> dict[str, Any]:
    """A spec as its React component reads it."""
    return {name: _plain(value) for name, value in asdict(spec).items()}


def row_of(view: Any) -> dict[str, Any]:
    """A service's view as a table's row: ids as text, moments as seconds since 1970, nested views as dictionaries.

    Args:
        view: a dataclass with an `id`.
    """
    if not is_dataclass(view):
        raise TypeError("a row is made from a dataclass")
    return {each.name: _plain(getattr(view, each.name)) for each in fields(view)}


def _plain(value: Any) -> Any:  # noqa: PLR0911  # one line a kind of value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return row_of(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    return value
