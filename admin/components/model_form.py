"""The one form of the admin section, made from a pydantic model, and the State behind it.

The browser keeps what is typed until it was saved. Checking is the server's: the model first, then the service, whose
`InvalidInput(param=...)` lands at the field of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

import reflex as rx
from pydantic import BaseModel

from admin.components.form_fields import FieldSpec, fields_of, read, written_value
from admin.components.specs import row_of
from chatapp.components.local_asset import local_asset
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.components.uploads import PACKAGES
from chatapp.domain import Actor, Permission
from chatapp.errors import AppError

local_asset("form_inputs.jsx")


class ChangeItem(TypedDict):
    """One line of what will change."""

    label: str
    before: str
    after: str


class FormState(AdminState, mixin=True):
    """One form. A page gives it `form_model`, `_start` and `_save`."""

    permission: ClassVar[Permission | None] = Permission.ADMIN
    form_model: ClassVar[type[BaseModel]]

    form_subject: str = ""
    """What is edited; empty: something new."""
    form_values: dict[str, Any] = {}
    """What the form begins with."""
    form_choices: dict[str, list[list[str]]] = {}
    """Choices only the server knows: pairs of value and label, by field."""
    form_epoch: int = 0
    """Grows when the form begins anew: what was typed before is forgotten."""
    form_errors: dict[str, str] = {}
    """What is wrong, by field; under an empty name: with the whole."""
    form_changes: list[ChangeItem] = []
    form_effects: list[str] = []
    """What else saving would bring about, a sentence each."""
    is_form_open: bool = False
    is_form_reviewed: bool = False
    """Whether the form shows what will change and waits for the last word."""

    @rx.event
    async def open_form(self, subject: str = "") -> None:
        """Begin: in a dialog it opens. Also the `on_load` of a page that is a form."""
        values = await self._start(current_actor(), subject)
        self.form_subject, self.form_values = subject, _as_start(values)
        self.form_errors, self.form_changes, self.form_effects = {}, [], []
        self.is_form_open, self.is_form_reviewed = True, False
        self.form_epoch += 1

    @rx.event
    async def close_form(self) -> None:
        """Close the dialog; nothing is saved."""
        self.is_form_open = self.is_form_reviewed = False

    @rx.event
    async def review_form(self, subject: str, values: dict[str, Any]) -> None:
        """Check what was typed and show what saving it would change."""
        entered, problems = read(self.form_model, _mapping(values))
        effects: list[str] = []
        try:
            effects = await self._effects(current_actor(), subject, entered) if entered is not None else []
        except AppError as error:
            problems, entered = {error.param or "": error.message}, None
        self.form_errors, self.form_effects = self._at_fields(problems), effects
        self.form_changes = self._changes(entered) if entered is not None else []
        self.is_form_reviewed = entered is not None

    @rx.event
    async def submit_form(self, subject: str, values: dict[str, Any]):
        """Save what was typed; where something is wrong with it the form stays and says so."""
        entered, problems = read(self.form_model, _mapping(values))
        done = None
        if entered is not None:
            try:
                done = await self._save(current_actor(), subject, entered)
            except AppError as error:
                problems = {error.param or "": error.message}
        self.form_errors, self.is_form_reviewed = self._at_fields(problems), False
        if problems:
            return None
        self.form_values = _as_start(await self._start(current_actor(), subject))
        self.is_form_open, self.form_changes, self.form_epoch = False, [], self.form_epoch + 1
        return done

    async def _start(self, actor: Actor, subject: str) -> BaseModel | dict[str, Any]:  # noqa: ARG002
        """What the form begins with: the model's defaults, or what is there. Sets `form_choices` where needed."""
        return {}

    async def _save(self, actor: Actor, subject: str, entered: Any) -> Any:
        """Call the service; what is returned is fired: `[Table.load, rx.toast.success("Saved.")]`."""
        raise TypeError(
            f"{type(self).__name__} saves nothing for {actor.tenant_id}: {subject} {type(entered).__name__}"
        )

    async def _effects(self, actor: Actor, subject: str, entered: Any) -> list[str]:  # noqa: ARG002
        """What else saving would bring about: "3 people lose access to 2 collections."."""
        return []

    def _at_fields(self, problems: Mapping[str, str]) -> dict[str, str]:
        """Complaints of fields the form does not have are told of the whole."""
        known = set(self.form_model.model_fields)
        return {name if name in known else "": text for name, text in problems.items()}

    def _changes(self, entered: BaseModel) -> list[ChangeItem]:
        given = entered.model_dump(mode="json")
        before = self.form_values
        changes = [
            (spec, before.get(spec["name"]), given[spec["name"]])
            for spec in fields_of(self.form_model)
            # A secret left blank stays as it was.
            if not (spec["kind"] == "secret" and given[spec["name"]] is None)
        ]
        return [
            ChangeItem(label=spec["label"], before=written_value(spec, old), after=written_value(spec, new))
            for spec, old, new in changes
            if spec["kind"] == "secret" or written_value(spec, old) != written_value(spec, new)
        ]


def _as_start(values: Any) -> dict[str, Any]:
    """What a form begins with, from a model, a view or a dictionary; a secret is only told to be there or not."""
    if isinstance(values, dict):
        return values
    if isinstance(values, BaseModel):
        secrets = {spec["name"] for spec in fields_of(type(values)) if spec["kind"] in {"secret", "password"}}
        given = values.model_dump(mode="json")
        return {name: bool(getattr(values, name)) if name in secrets else value for name, value in given.items()}
    return row_of(values)


def _mapping(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {}


def _subject_and_values(
    subject: rx.Var[str], values: rx.Var[dict[str, Any]]
) -> tuple[rx.Var[str], rx.Var[dict[str, Any]]]:
    return subject, values


class _ModelForm(rx.Component):
    library = local_asset("model_form.jsx")
    tag = "ModelForm"
    lib_dependencies: list[str] = [*PACKAGES]

    fields: rx.Var[list[FieldSpec]]
    title: rx.Var[str]
    text: rx.Var[str]
    word: rx.Var[str]
    in_dialog: rx.Var[bool]
    is_reviewing: rx.Var[bool]
    is_locked: rx.Var[bool]

    subject: rx.Var[str]
    start: rx.Var[dict[str, Any]]
    choices: rx.Var[dict[str, list[list[str]]]]
    epoch: rx.Var[int]
    errors: rx.Var[dict[str, str]]
    changes: rx.Var[list[ChangeItem]]
    effects: rx.Var[list[str]]
    is_open: rx.Var[bool]
    is_reviewed: rx.Var[bool]

    on_submit: rx.EventHandler[_subject_and_values]
    on_review: rx.EventHandler[_subject_and_values]
    on_close: rx.EventHandler[rx.event.no_args_event_spec]


def model_form(
    state: type[FormState],
    *children: rx.Component,
    title: rx.Var[str] | str = "",
    text: rx.Var[str] | str = "",
    word: str = "Save",
    in_dialog: bool = False,
    is_reviewing: bool = False,
    is_locked: rx.Var[bool] | bool = False,
) -> rx.Component:
    """The form of a State.

    Args:
        state: with the model, and what is done with it.
        *children: shown between the fields and the buttons.
        title: above the fields; in a dialog its name.
        text: a sentence under the title.
        word: on the button that saves.
        in_dialog: it opens with `state.open_form(subject)`; else it stands on the page, whose `on_load` is that.
        is_reviewing: show what will change before saving.
        is_locked: nothing can be changed, for people who only read.
    """
    return _ModelForm.create(
        *children,
        fields=[*fields_of(state.form_model)],
        title=title,
        text=text,
        word=word,
        in_dialog=in_dialog,
        is_reviewing=is_reviewing,
        is_locked=is_locked,
        subject=state.form_subject,
        start=state.form_values,
        choices=state.form_choices,
        epoch=state.form_epoch,
        errors=state.form_errors,
        changes=state.form_changes,
        effects=state.form_effects,
        is_open=state.is_form_open,
        is_reviewed=state.is_form_reviewed,
        on_submit=state.submit_form,
        on_review=state.review_form,
        on_close=state.close_form,
    )
