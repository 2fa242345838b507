"""Loads a page again every few seconds while something in it is under way."""

from __future__ import annotations

from typing import Any

import reflex as rx

from chatapp.components.local_asset import local_asset


class _Refresher(rx.Component):
    library = local_asset("refresher.jsx")
    tag = "Refresher"

    is_active: rx.Var[bool]
    seconds: rx.Var[int]
    on_tick: rx.EventHandler[rx.event.no_args_event_spec]


def refresher(*, while_: rx.Var[bool], on_tick: Any, seconds: int = 2) -> rx.Component:
    """Fire a handler again and again; nothing is seen of it.

    Args:
        while_: as long as this is true and the tab is looked at.
        on_tick: handler without arguments.
        seconds: between two times.
    """
    return _Refresher.create(is_active=while_, seconds=seconds, on_tick=on_tick)
