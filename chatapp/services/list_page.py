"""A page of a list, as services give it to pages and to the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from chatapp.store.listing import Found

View = TypeVar("View")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[View]):
    """Some of a list's items, and where the rest begins."""

    items: list[View]
    next_cursor: str | None
    """`after` of the next page; None: this is the last."""
    total: int
    """Items the filters let through, counted up to 10,000."""
    is_total_exact: bool

    @classmethod
    def of(cls, found: Found, view: Callable[..., View]) -> ListPage[View]:
        """The page of rows found, each given to `view` column by column."""
        return cls([view(*row) for row in found.rows], found.next_cursor, found.total, found.is_total_exact)

    @classmethod
    def whole(cls, items: list[View]) -> ListPage[View]:
        """A short list that has only this page."""
        return cls(items, None, len(items), True)
