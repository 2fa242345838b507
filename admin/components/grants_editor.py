"""The dialog that says who may read a collection, and the field that finds people; both ask the server as one types."""

from __future__ import annotations

from typing import Any, TypedDict

import reflex as rx

from chatapp.components import documents as _documents  # noqa: F401  # brings `grants_field.jsx` to the assets
from chatapp.components.documents import SubjectRow
from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES


class EditedGrant(SubjectRow):
    """A grant in the dialog."""

    access: str


class EditedCollection(TypedDict):
    """What the dialog is about. An empty `id`: it is closed."""

    id: str
    name: str
    grants: list[EditedGrant]
    epoch: int
    """Grows with each opening, so that what was chosen before is forgotten."""


class ShownChange(TypedDict):
    """What saving would change."""

    readers: int
    reader_names: list[str]
    gained: int
    gained_names: list[str]
    lost: int
    lost_names: list[str]
    keys: list[str]
    warning: str
    error: str
    """Why it cannot be saved; the rest is empty then."""


def no_change(error: str = "") -> ShownChange:
    """Nothing to show yet, or why there is nothing."""
    return ShownChange(
        readers=0, reader_names=[], gained=0, gained_names=[], lost=0, lost_names=[], keys=[], warning="", error=error
    )


def _id_and_grants(
    collection_id: rx.Var[str], grants: rx.Var[list[dict[str, str]]]
) -> tuple[rx.Var[str], rx.Var[list[dict[str, str]]]]:
    return collection_id, grants


def _id_grants_and_reason(
    collection_id: rx.Var[str], grants: rx.Var[list[dict[str, str]]], reason: rx.Var[str]
) -> tuple[rx.Var[str], rx.Var[list[dict[str, str]]], rx.Var[str]]:
    return collection_id, grants, reason


class _GrantsEditor(rx.Component):
    library = local_asset("grants_editor.jsx")
    tag = "GrantsEditor"
    lib_dependencies: list[str] = [*PACKAGES]

    editing: rx.Var[EditedCollection]
    found: rx.Var[list[SubjectRow]]
    change: rx.Var[ShownChange]

    on_search: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_change_grants: rx.EventHandler[_id_and_grants]
    on_save: rx.EventHandler[_id_grants_and_reason]
    on_close: rx.EventHandler[rx.event.no_args_event_spec]


class _PeopleFinder(rx.Component):
    library = local_asset("grants_editor.jsx")
    tag = "PeopleFinder"
    lib_dependencies: list[str] = [*PACKAGES]

    label: rx.Var[str]
    word: rx.Var[str]
    found: rx.Var[list[SubjectRow]]
    is_single: rx.Var[bool]

    on_search: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_chosen: rx.EventHandler[rx.event.passthrough_event_spec(list[str])]


def grants_editor(**props: Any) -> rx.Component:
    """The dialog.

    Args:
        **props: `editing`, `found` and `change` of the page's State; `on_search(words)`, `on_change_grants(id, grants)`
            as something else is chosen, `on_save(id, grants, reason)` and `on_close()`.
    """
    return _GrantsEditor.create(**props)


def people_finder(**props: Any) -> rx.Component:
    """Finds people by name or address.

    Args:
        **props: `label`; `word`, on the button that takes those chosen; `found`; `is_single`, to choose one, at once;
            `on_search(words)` and `on_chosen(ids)`.
    """
    return _PeopleFinder.create(**props)
