"""Lists of rows as admins read them: filtered, sorted, a page at a time, in one grammar for pages and API alike.

The grammar is that of an address: `q=ada&order=-created_at&status=active,invited&created_at.from=2026-01-01&limit=50`.

- `q`: part of any of the searched fields, upper and lower case alike.
- `order`: a field, with `-` in front for descending.
- `NAME=a,b`: the field is one of these. `NAME.has=x`: the text holds x. `NAME.from=`, `NAME.to=`: at least, below.
- `limit`: 1 to 1,000. `after`: `next_cursor` of the page before.

A page is found by where the one before ended, never by counting rows off, so the last page costs what the first does.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, String, and_, cast, func, or_, select

from chatapp.errors import InvalidInput
from chatapp.store.database import Transaction

Kind = Literal["text", "choice", "choices", "moment", "number", "yes_no", "id"]
"""`choice`: one of a few values; `choices`: a JSON list of such values, found by any of them and never sorted by."""

DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000
MAX_COUNTED = 10_000
"""Rows counted at most: beyond it a list says "more than"."""
_MAX_TEXT = 200
_MAX_CHOICES = 50
_MAX_CURSOR = 8_000
"""Characters: the longest text a list is sorted by, written in hexadecimal, with room to spare."""
_OWN = frozenset({"q", "order", "limit", "after"})


@dataclass(frozen=True, slots=True)
class ListField:
    """A field a list can be filtered and sorted by."""

    name: str
    column: Any
    """SQL expression; never null where the list is sorted by it."""
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    """For `choice` and `choices`: the values there are."""
    is_searched: bool = False
    is_sorted: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be listed and how."""

    statement: Select[Any]
    """Yields the rows; without order and limit."""
    identity: Any
    """Unique column, to tell rows with the same sort key apart."""
    fields: tuple[ListField, ...]
    order: str = "-created_at"
    """Where none is asked for."""

    def field(self, name: str, *, param: str) -> ListField:
        """The field of that name.

        Raises:
            InvalidInput: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        known = ", ".join(field.name for field in self.fields)
        raise InvalidInput(f"This list has no field “{name}”. It has: {known}.", param=param)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of rows."""

    rows: list[Any]
    next_cursor: str | None
    """Where the next page begins; None: this is the last."""
    total: int
    """Rows the filters let through, counted up to `MAX_COUNTED`."""
    is_total_exact: bool


async def find(
    tx: Transaction,
    listing: Listing,
    wanted: Mapping[str, str],
    *,
    is_counted: bool = True,
    known_total: int | None = None,
) -> Found:
    """One page of a list.

    Args:
        tx: the transaction; its tenant confines the rows as in any statement.
        listing: what is listed.
        wanted: the grammar of this module.
        is_counted: whether `total` is wanted; without it, it is 0.
        known_total: `total`, where it is known already and has not to be counted.

    Raises:
        InvalidInput: an unknown field, or a value that does not fit its kind; `param` names it.
    """
    conditions = _conditions(listing, wanted)
    limit = page_size(wanted.get("limit", ""))
    descending = (name := wanted.get("order") or listing.order).startswith("-")
    key = listing.field(name.removeprefix("-"), param="order")
    if not key.is_sorted:
        raise InvalidInput(f"This list cannot be sorted by {key.name}.", param="order")
    filtered = listing.statement.where(*conditions)
    page = filtered.add_columns(key.column, listing.identity)
    if after := wanted.get("after"):
        page = page.where(_behind(key, listing.identity, after, descending))
    ordering = (key.column, listing.identity)
    page = page.order_by(*(each.desc() if descending else each.asc() for each in ordering)).limit(limit + 1)
    found = (await tx.session.execute(page)).all()
    next_cursor = _cursor(found[limit - 1][-2], found[limit - 1][-1]) if len(found) > limit else None
    if not is_counted:
        total = 0
    elif not after and len(found) <= limit:
        # All of it is here. Words that are nowhere have been looked for once, and need not be again.
        total = len(found)
    elif known_total is not None:
        total = known_total
    else:
        total = await _count(tx, filtered, listing.identity)
    return Found([tuple(row)[:-2] for row in found[:limit]], next_cursor, min(total, MAX_COUNTED), total <= MAX_COUNTED)


async def _count(tx: Transaction, filtered: Select[Any], identity: Any) -> int:
    # The id alone: rows may be wide, and up to 10,001 of them are walked over.
    inner = filtered.with_only_columns(identity, maintain_column_froms=True).limit(MAX_COUNTED + 1).subquery()
    return (await tx.session.execute(select(func.count()).select_from(inner))).scalar_one()


def page_size(text: str) -> int:
    """How many rows a page has.

    Args:
        text: `limit` as the address has it; empty: as many as usual.

    Raises:
        InvalidInput: it is no number, or out of range.
    """
    if not text:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidInput(f"limit is a number from 1 to {MAX_LIMIT}.", param="limit")
    return int(text)


def _conditions(listing: Listing, wanted: Mapping[str, str]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if words := wanted.get("q", "").strip():
        searched = [field.column for field in listing.fields if field.is_searched]
        if not searched:
            raise InvalidInput("This list cannot be searched. Use its filters.", param="q")
        text = valid_text(words, "q")
        conditions.append(or_(*(column.icontains(text, autoescape=True) for column in searched)))
    for param, value in wanted.items():
        if param in _OWN or not value:
            continue
        name, _, operator = param.partition(".")
        conditions.append(_condition(listing.field(name, param=param), operator, value, param))
    return conditions


def _condition(field: ListField, operator: str, value: str, param: str) -> ColumnElement[bool]:
    if operator == "has" and field.kind == "text":
        return field.column.icontains(valid_text(value, param), autoescape=True)
    if operator in {"from", "to"} and field.kind in {"moment", "number"}:
        bound = _value(field, value, param)
        return field.column >= bound if operator == "from" else field.column < bound
    if operator:
        raise InvalidInput(f"{field.name} cannot be filtered by “.{operator}”.", param=param)
    parts = value.split(",")
    if len(parts) > _MAX_CHOICES:
        raise InvalidInput(f"At most {_MAX_CHOICES} values of {field.name} can be asked for at once.", param=param)
    values = [_value(field, part, param) for part in parts]
    if field.kind == "choices":
        return or_(*(cast(field.column, String).contains(json.dumps(value), autoescape=True) for value in values))
    return field.column.in_(values)


def _value(field: ListField, text: str, param: str) -> Any:
    try:
        return _READERS[field.kind](valid_text(text, param), field)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"“{text[:60]}” is not {_KINDS[field.kind]} for {field.name}.", param=param) from error


def valid_text(text: str, param: str) -> str:
    """A text to look for, as it was given.

    Args:
        text: what was typed.
        param: name of the parameter it was given in, for the error.

    Raises:
        InvalidInput: it is too long, or holds what no database can.
    """
    if len(text) > _MAX_TEXT or not is_storable(text):
        raise InvalidInput(f"This has more than {_MAX_TEXT} characters, or one that is not allowed.", param=param)
    return text


def is_storable(text: str) -> bool:
    """Whether a database can hold the text: no null character, and nothing that is no character at all."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _moment(text: str, _: ListField) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _choice(text: str, field: ListField) -> str:
    if text not in field.choices:
        raise ValueError(text)
    return text


def _number(text: str, field: ListField) -> int:
    number = int(text)
    if abs(number) >= _bound(field):
        raise ValueError(text)
    return number


def _bound(field: ListField) -> int:
    # PostgreSQL refuses to compare a column with a number that does not fit its type.
    is_narrow = isinstance(field.column.type, Integer) and not isinstance(field.column.type, BigInteger)
    return 2**31 if is_narrow else 2**63


def _yes_no(text: str, _: ListField) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


_READERS: dict[Kind, Callable[[str, ListField], Any]] = {
    "text": lambda text, _: text,
    "choice": _choice,
    "choices": _choice,
    "moment": _moment,
    "number": _number,
    "yes_no": _yes_no,
    "id": lambda text, _: UUID(text),
}
_KINDS: dict[Kind, str] = {
    "text": "a text",
    "choice": "one of the values",
    "choices": "one of the values",
    "moment": "a date or moment (2026-01-31 or 2026-01-31T08:00:00Z)",
    "number": "a whole number",
    "yes_no": "true or false",
    "id": "an id",
}


def _behind(field: ListField, identity: Any, cursor: str, descending: bool) -> ColumnElement[bool]:
    key, last = _read_cursor(field, identity, cursor)
    # The first condition follows from the second; it is what lets an index begin at the place instead of at the top.
    if descending:
        return and_(field.column <= key, or_(field.column < key, identity < last))
    return and_(field.column >= key, or_(field.column > key, identity > last))


def _cursor(key: Any, identity: Any) -> str:
    text = json.dumps([_written(key), _written(identity)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


def _read_cursor(field: ListField, identity: Any, cursor: str) -> tuple[Any, Any]:
    """The sort key and the identity of the last row before the page; both are as untrusted as any other parameter."""
    try:
        if len(cursor) > _MAX_CURSOR:
            raise ValueError(cursor)
        key, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return _read_key(field, key), _read_identity(identity, last)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInput("after is no place in this list: begin again without it.", param="after") from error


def _read_key(field: ListField, key: Any) -> Any:
    if field.kind == "yes_no":
        return key if isinstance(key, bool) else _refuse(str(key))
    if field.kind == "number":
        is_number = isinstance(key, int | float) and not isinstance(key, bool)
        return key if is_number and math.isfinite(key) and abs(key) < _bound(field) else _refuse(str(key))
    if not isinstance(key, str) or not is_storable(key):
        raise TypeError(key)
    return _READERS[field.kind](key, field) if field.kind in {"moment", "id"} else key


def _read_identity(identity: Any, last: Any) -> Any:
    if identity.type.python_type is UUID:
        return UUID(last) if isinstance(last, str) else _refuse(str(last))
    is_whole = isinstance(last, int) and not isinstance(last, bool) and abs(last) < 2**31
    return last if is_whole else _refuse(str(last))
