"""The one question before something dangerous: what is hit, with counts, and the name typed where it matters."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.state_bases import AdminState
from chatapp.components.uploads import PACKAGES
from chatapp.domain import Permission
from chatapp.errors import AppError


class Hit(TypedDict):
    """One kind of thing that is hit, and how many of it."""

    label: str
    count: int


class Question(TypedDict):
    """What the dialog shows. An empty `action`: it is closed."""

    action: str
    ids: list[str]
    title: str
    text: str
    hits: list[Hit]
    names: list[str]
    """What it is about, by name, where it is more than one."""
    typed: str
    """What has to be typed; empty: nothing."""
    wants_reason: bool
    option: str
    """What can be ticked to have more done; empty: nothing."""
    option_action: str
    """Comes back in place of `action` where it was ticked."""
    word: str
    """On the button that does it."""
    error: str


def _closed() -> Question:
    return Question(
        action="",
        ids=[],
        title="",
        text="",
        hits=[],
        names=[],
        typed="",
        wants_reason=False,
        option="",
        option_action="",
        word="",
        error="",
    )


class ConfirmState(AdminState, mixin=True):
    """A State whose acts are asked about first.

    A handler finds out what is hit and calls `_ask`; the dialog's answer comes to the page's own handler
    `(action: str, ids: list[str], typed: str, reason: str)`, which gives the change to `_confirm`. Whoever holds a
    socket can call that handler without the question, so where the typed name matters the service compares it.
    """

    permission: ClassVar[Permission | None] = Permission.ADMIN
    question: Question = _closed()

    @rx.event
    async def cancel_question(self) -> None:
        """Close the dialog; nothing was done."""
        self.question = _closed()

    def _ask(  # noqa: PLR0913  # every part of a question is said here
        self,
        action: str,
        ids: Sequence[str],
        *,
        title: str,
        text: str = "",
        hits: Mapping[str, int] | None = None,
        names: Sequence[str] = (),
        typed: str = "",
        wants_reason: bool = False,
        option: tuple[str, str] = ("", ""),
        word: str = "Delete",
    ) -> None:
        """Open the dialog.

        Args:
            action: comes back with the answer.
            ids: come back with the answer.
            title: the question.
            text: what follows from it, and what stays.
            hits: kinds of things that are hit, and how many of each; those with 0 are left out.
            names: what it is about, where it is more than one.
            typed: what has to be typed before the button can be pressed; empty: nothing.
            wants_reason: whether a reason is asked for, which the audit log keeps.
            option: what can be ticked to have more done, and the action that comes back then.
            word: on the button.
        """
        self.question = Question(
            action=action,
            ids=list(ids),
            title=title,
            text=text,
            hits=[Hit(label=label, count=count) for label, count in (hits or {}).items() if count],
            names=list(names),
            typed=typed,
            wants_reason=wants_reason,
            option=option[0],
            option_action=option[1],
            word=word,
            error="",
        )

    async def _confirm(self, change: Awaitable[Any]) -> bool:
        """Make the change: closed when it worked; else the dialog stays and says why.

        Returns:
            whether it worked.
        """
        try:
            await change
        except AppError as error:
            self.question = Question({**self.question, "error": error.message})
            return False
        self.question = _closed()
        return True


def _answer(
    action: rx.Var[str], ids: rx.Var[list[str]], typed: rx.Var[str], reason: rx.Var[str]
) -> tuple[rx.Var[str], rx.Var[list[str]], rx.Var[str], rx.Var[str]]:
    return action, ids, typed, reason


class _ConfirmDialog(rx.Component):
    library = local_asset("confirm_dialog.jsx")
    tag = "ConfirmDialog"
    lib_dependencies: list[str] = [*PACKAGES]

    question: rx.Var[Question]
    on_confirm: rx.EventHandler[_answer]
    on_cancel: rx.EventHandler[rx.event.no_args_event_spec]


def confirm_dialog(state: type[ConfirmState], *, on_confirm: Any) -> rx.Component:
    """The dialog of a State; anywhere on the page.

    Args:
        state: whose question it shows.
        on_confirm: handler `(action: str, ids: list[str], typed: str, reason: str)`.
    """
    return _ConfirmDialog.create(question=state.question, on_confirm=on_confirm, on_cancel=state.cancel_question)
