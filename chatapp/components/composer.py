"""The message box with what it asks: collections and model."""

from __future__ import annotations

from typing import TypedDict

import reflex as rx

from chatapp.components.answer import PACKAGES
from chatapp.components.local_asset import local_asset
from chatapp.components.thread import Failure, question_and_conversation

local_asset("pickers.jsx")
local_asset("place_dialog.jsx")


class CollectionItem(TypedDict):
    """A collection the person may ask."""

    id: str
    name: str
    documents: int
    """How many of its documents answer."""
    can_write: bool
    """Whether files may be added to it."""


class ModelItem(TypedDict):
    """A model the person may choose."""

    name: str
    label: str
    description: str


def _chosen(collection_ids: rx.Var[list[str] | None]) -> tuple[rx.Var[list[str] | None]]:
    return (collection_ids,)


class Composer(rx.Component):
    """A textbox named "Message" and its button "Send", which becomes "Stop" while an answer is written."""

    library = local_asset("composer.jsx")
    tag = "Composer"
    lib_dependencies: list[str] = [*PACKAGES, "sonner@2.0.8"]

    user_id: rx.Var[str]
    collections: rx.Var[list[CollectionItem]]
    chosen_collections: rx.Var[list[str] | None]
    models: rx.Var[list[ModelItem]]
    chosen_model: rx.Var[str]
    can_write: rx.Var[bool]
    failure: rx.Var[Failure]
    is_ready: rx.Var[bool]
    """Whether the page's conversation is the one that is open."""
    is_closed: rx.Var[bool]
    """Whether there is nothing to write to: the conversation of the address cannot be opened."""
    max_characters: rx.Var[int]

    on_ask: rx.EventHandler[question_and_conversation]
    on_collections: rx.EventHandler[_chosen]
    on_model: rx.EventHandler[rx.event.passthrough_event_spec(str)]
