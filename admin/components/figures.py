"""Numbers with their trend and their target, in one look."""

from __future__ import annotations

from typing import Any, TypedDict

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES


class FigureItem(TypedDict):
    """One number."""

    name: str
    label: str
    help: str
    unit: str
    """`number`, `milliseconds`, `share` or `money`."""
    is_high_good: bool | None
    target: float | None
    now: float | None
    before: float | None
    change: float | None
    """Share by which it grew against the span before."""
    state: str
    """`good`, `warn`, `bad` or `none`."""
    href: str
    """What is behind it; empty: there is no page of it."""


class _Figures(rx.Component):
    library = local_asset("figures.jsx")
    tag = "Figures"
    lib_dependencies: list[str] = [*PACKAGES]

    items: rx.Var[list[Any]]
    is_loading: rx.Var[bool]
    count: rx.Var[int]


def figures(items: Any, *, is_loading: Any, count: int) -> rx.Component:
    """A row of numbers.

    Args:
        items: `FigureItem`s of a State.
        is_loading: nothing is here yet: their places are held.
        count: how many there will be.
    """
    return _Figures.create(items=items, is_loading=is_loading, count=count)
