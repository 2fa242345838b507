"""What the wiring knows of a page; each section lists its own in `PAGES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import reflex as rx


@dataclass(frozen=True, slots=True)
class Page:
    """One page as the application adds it."""

    route: str
    """Path as Reflex writes it, with `[name]` for a part that varies."""
    title: str
    component: Callable[[], rx.Component]
    """Builds the page; runs when the front end is compiled, never for a request."""
    on_load: Any = None
    """Event handler, or a list of them, run each time the page is opened."""
    base: Literal["public", "member", "admin"] = "member"
    """Who may open it; says which of `components.state_bases` its State builds on."""
