"""The conversation: questions and answers on the branch shown, and the empty page with its starters."""

from __future__ import annotations

from typing import TypedDict

import reflex as rx

from chatapp.components.answer import PACKAGES
from chatapp.components.local_asset import local_asset

for _part in ("chat_store.js", "feedback.jsx"):
    local_asset(_part)


class TurnItem(TypedDict):
    """A turn as the thread needs it; the answer's text never travels through State."""

    id: str
    parent_id: str
    """Empty for the first turn."""
    question: str
    status: str
    sibling_ids: list[str]
    sibling_index: int
    """0-based place among the siblings."""
    rating: str
    """`up`, `down` or empty."""
    reasons: list[str]


class Failure(TypedDict):
    """The last question that was refused; `count` grows with each, so that the browser sees a new one."""

    count: int
    message: str
    question: str


def question_and_conversation(question: rx.Var[str], conversation_id: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    """What is asked, and where: the conversation that the browser shows, empty for a new one."""
    return question, conversation_id


def _id_and_question(turn_id: rx.Var[str], question: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    return turn_id, question


class Thread(rx.Component):
    """The branch shown. `recent` carries the last few turns, so that a long branch is not sent again and again."""

    library = local_asset("thread.jsx")
    tag = "Thread"
    lib_dependencies: list[str] = [*PACKAGES, "sonner@2.0.8"]

    conversation_id: rx.Var[str]
    turns: rx.Var[list[TurnItem]]
    recent: rx.Var[list[TurnItem]]
    epoch: rx.Var[int]
    failure: rx.Var[Failure]
    is_ready: rx.Var[bool]
    """Whether the server has opened the page."""
    is_loading: rx.Var[bool]
    load_error: rx.Var[str]
    is_deleted: rx.Var[bool]
    """Whether the conversation was deleted and can be brought back."""
    starters: rx.Var[list[str]]
    collections: rx.Var[list[dict[str, object]]]
    are_collections_known: rx.Var[bool]
    user_name: rx.Var[str]

    on_ask: rx.EventHandler[question_and_conversation]
    on_open: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_restore: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_edit: rx.EventHandler[_id_and_question]
    on_regenerate: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_select: rx.EventHandler[rx.event.passthrough_event_spec(str)]
