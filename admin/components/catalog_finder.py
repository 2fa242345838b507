"""The dialog that finds a model in the public catalogue, to begin a form with what the catalogue says of it."""

from __future__ import annotations

from typing import Any

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES


class _CatalogFinder(rx.Component):
    library = local_asset("catalog_finder.jsx")
    tag = "CatalogFinder"
    lib_dependencies: list[str] = [*PACKAGES]

    is_open: rx.Var[bool]
    found: rx.Var[list[dict[str, Any]]]
    asked: rx.Var[str]

    on_search: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_chosen: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_by_hand: rx.EventHandler[rx.event.no_args_event_spec]
    on_close: rx.EventHandler[rx.event.no_args_event_spec]


def catalog_finder(**props: Any) -> rx.Component:
    """The dialog.

    Args:
        **props: `is_open`; `found`, rows of `services.model_catalog.CatalogView`; `asked`, the words they were found
            for; `on_search(words)`, `on_chosen(name)`, `on_by_hand()` for a model that the catalogue does not have,
            and `on_close()`.
    """
    return _CatalogFinder.create(**props)
