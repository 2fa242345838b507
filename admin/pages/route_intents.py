"""The part of the routes page with examples of intents: listed, written, pasted, changed, deleted, and tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.confirm_dialog import ConfirmState
from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import action_button
from admin.components.ids import id_of
from admin.components.model_form import FormState
from admin.components.specs import Action, Column, Empty, Filter
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor
from chatapp.errors import AppError, InvalidInput
from chatapp.services import intents
from chatapp.services.intents import (
    MAX_AT_ONCE,
    MAX_INTENT_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    ExampleView,
    IntentScore,
    NewExample,
)
from chatapp.services.list_page import ListPage

_MAX_PASTED = 100_000


class ExampleFields(BaseModel):
    """What of an example can be written."""

    model_config = ConfigDict(extra="forbid")

    intent: str = Field(min_length=1, max_length=MAX_INTENT_CHARACTERS, title="Intent")
    text: str = Field(
        min_length=1,
        max_length=MAX_TEXT_CHARACTERS,
        title="A question that shows it",
        json_schema_extra={"kind": "long_text"},
    )


class PastedExamples(BaseModel):
    """Many examples of one intent."""

    model_config = ConfigDict(extra="forbid")

    intent: str = Field(
        min_length=1, max_length=MAX_INTENT_CHARACTERS, title="Intent", description="A new one, or one of those below."
    )
    texts: str = Field(
        min_length=1,
        max_length=_MAX_PASTED,
        title="Questions that show it",
        description=f"One a line, at most {MAX_AT_ONCE}. Five different ones are enough to begin with.",
        json_schema_extra={"kind": "long_text", "placeholder": "How do I get my money back?"},
    )


class ExamplesState(TableState, rx.State):
    """The list of examples."""

    csv_address: str = ""

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[ExampleView]:
        self.csv_address = f"/v1/admin/tenants/{actor.tenant_id}/intents.csv"
        return await intents.list_examples(actor, wanted)


class IntentNamesState(AdminState, rx.State):
    """The intents a rule can ask for."""

    names: list[str] = []

    @rx.event
    async def load(self) -> None:
        """Offer the intents there are now."""
        self.names = await intents.list_names(current_actor())


class ExampleFormState(FormState, rx.State):
    """The form that changes an example."""

    form_model: ClassVar[type[BaseModel]] = ExampleFields

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        if not subject:
            return {"intent": "", "text": ""}
        found = await intents.get(actor, id_of(subject))
        return {"intent": found.intent, "text": found.text}

    async def _save(self, actor: Actor, subject: str, entered: ExampleFields) -> Any:
        await intents.change(actor, id_of(subject), intent=entered.intent, text=entered.text)
        return [ExamplesState.load, IntentNamesState.load, rx.toast.success("Saved.")]


class PasteState(FormState, rx.State):
    """The form that adds examples, one or many."""

    form_model: ClassVar[type[BaseModel]] = PastedExamples

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002  # always begins empty
        return {"intent": "", "texts": ""}

    async def _save(self, actor: Actor, subject: str, entered: PastedExamples) -> Any:  # noqa: ARG002
        lines = [line.strip() for line in entered.texts.splitlines() if line.strip()]
        if long := next((line for line in lines if len(line) > MAX_TEXT_CHARACTERS), ""):
            raise InvalidInput(f"“{long[:60]} …” is longer than {MAX_TEXT_CHARACTERS} characters.", param="texts")
        try:
            done = await intents.add(actor, [NewExample(intent=entered.intent, text=line) for line in lines])
        except InvalidInput as error:
            raise InvalidInput(error.message, param="intent" if "intent" in (error.param or "") else "texts") from error
        known = f" {done.known:,} were there already." if done.known else ""
        return [ExamplesState.load, IntentNamesState.load, rx.toast.success(f"{_examples(done.added)} added.{known}")]


class ExampleActsState(ConfirmState, rx.State):
    """What is done with examples of the list."""

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Open the form or the question of an action."""
        if name == "change":
            return ExampleFormState.open_form(ids[0])
        chosen = [await intents.get(current_actor(), id_of(each)) for each in ids[:MAX_AT_ONCE]]
        one = len(chosen) == 1
        self._ask(
            "delete",
            [str(each.id) for each in chosen],
            title="Delete this example?" if one else f"Delete {len(chosen)} examples?",
            text="Questions like it are told by the other examples from now on.",
            names=[f"{each.intent}: {each.text}" for each in chosen],
        )
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Delete them."""
        is_done = await self._confirm(intents.delete(current_actor(), [id_of(each) for each in ids]))
        return (
            [ExamplesState.load, IntentNamesState.load, rx.toast.success("Deleted.")] if is_done else ExamplesState.load
        )


class SentenceState(AdminState, rx.State):
    """Trying a sentence."""

    is_tried: bool = False
    verdict: str = ""
    scores: list[dict[str, Any]] = []
    problem: str = ""

    @rx.event
    async def forget(self) -> None:
        """Begin anew."""
        self.is_tried, self.verdict, self.scores, self.problem = False, "", [], ""

    @rx.event
    async def try_sentence(self, entered: dict[str, Any]) -> None:
        """Show which intent the sentence shows."""
        try:
            found = await intents.try_sentence(current_actor(), str(entered.get("sentence", "")))
        except AppError as error:
            self.problem, self.is_tried = error.message, False
            return
        shown = f"{found.intent} ({found.score:.2f})" if found.intent else f"No intent: none reaches {found.min_score}"
        self.scores = [_score_row(each) for each in found.scores]
        self.verdict, self.problem, self.is_tried = shown, "", True


def _score_row(score: IntentScore) -> dict[str, Any]:
    return {"id": score.intent, "intent": score.intent, "score": f"{score.score:.2f}"}


def _examples(count: int) -> str:
    return "One example" if count == 1 else f"{count:,} examples"


def _try() -> rx.Component:
    return rx.el.div(
        rx.el.form(
            rx.el.label("Try a sentence", html_for="sentence"),
            rx.el.div(
                rx.el.input(
                    id="sentence", name="sentence", class_name="field", max_length=MAX_TEXT_CHARACTERS, required=True
                ),
                rx.el.button("Try it", type="submit", class_name="button"),
                class_name="sentence-row",
            ),
            on_submit=SentenceState.try_sentence,
        ),
        rx.cond(SentenceState.problem != "", rx.el.p(SentenceState.problem, role="alert", class_name="form-error")),
        rx.cond(
            SentenceState.is_tried,
            rx.el.div(
                rx.el.p(rx.el.b(SentenceState.verdict), role="status"),
                plain_table(
                    SentenceState.scores,
                    label="Scores of the intents",
                    columns=(Column("intent", "Intent", "title"), Column("score", "Score", "text")),
                    nothing="There are no examples to compare it with.",
                ),
            ),
        ),
        class_name="sentence-try",
    )


def intents_section() -> rx.Component:
    """Examples of intents, with the field to try a sentence."""
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("Intents"),
                rx.el.p("Examples of what people ask about. A rule can ask for an intent.", class_name="quiet"),
            ),
            action_button("Add examples", PasteState.open_form(""), is_primary=False, shown=ExamplesState.can_change),
            class_name="section-head",
        ),
        data_table(
            ExamplesState,
            name="intents",
            noun=("example", "examples"),
            columns=(
                Column("text", "Question", "title"),
                Column("intent", "Intent", "badge", tone="info", sort="intent"),
                Column("created_at", "Added", "moment", sort="created_at"),
            ),
            filters=(Filter("intent", "Intent", "text"), Filter("created_at", "Added", "moment")),
            actions=(Action("change", "Change", is_bulk=False), Action("delete", "Delete", "danger")),
            on_act=ExampleActsState.act,
            order="intent",
            csv_href=ExamplesState.csv_address,  # pyright: ignore[reportArgumentType]
            empty=Empty(
                "No examples yet",
                "Write a few questions of each kind, and rules can tell them apart.",
                label="Add examples",
            ),
            on_empty=PasteState.open_form(""),
        ),
        _try(),
        class_name="admin-section",
    )
