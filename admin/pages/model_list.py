"""Models: what the providers serve, what it costs, and what the public catalogue says anew of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypedDict

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.catalog_finder import catalog_finder
from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table
from admin.components.dollars import in_dollars, in_micro_usd, price_field
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.specs import Action, Column, Empty, Filter, row_of
from admin.pages.model_acts import CAPABILITIES, STATES, TONES, question_about, state_of, switch
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput
from chatapp.services import model_catalog, models_served, providers
from chatapp.services.list_page import ListPage
from chatapp.services.model_catalog import CatalogView, UpstreamChange
from chatapp.services.model_fields import MAX_NAME_CHARACTERS, MAX_TOKENS
from chatapp.services.models_served import ServedModelView
from chatapp.services.providers import ProviderView

ADDRESS = "/admin/models"
_MAX_PROVIDERS = "1000"
_MAX_AT_ONCE = 100
_WORDS = {
    "input_micro_usd_per_mtok": "Input",
    "output_micro_usd_per_mtok": "Output",
    "cached_input_micro_usd_per_mtok": "Cached input",
    "max_input_tokens": "Longest prompt",
    "max_output_tokens": "Longest answer",
    "capabilities": "Can",
    "retired_on": "Taken away on",
}


class NewModel(BaseModel):
    """A model to add."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=80, title="Provider", json_schema_extra={"kind": "choice"})
    name: str = Field(
        min_length=1, max_length=MAX_NAME_CHARACTERS, title="Name", description="What people and programs ask for."
    )
    provider_model: str = Field(
        "",
        max_length=MAX_NAME_CHARACTERS,
        title="The provider's name of it",
        description="Blank for a model of the catalogue: what the catalogue calls it at this kind of provider.",
    )
    input_price: Decimal = price_field("Price of input")
    output_price: Decimal = price_field("Price of output")
    cached_input_price: Decimal | None = price_field(
        "Price of cached input", "Blank: what other input costs.", default=None
    )
    max_input_tokens: int = Field(ge=1, le=MAX_TOKENS, title="Longest prompt", json_schema_extra={"unit": "tokens"})
    max_output_tokens: int = Field(ge=1, le=MAX_TOKENS, title="Longest answer", json_schema_extra={"unit": "tokens"})
    capabilities: list[Literal["streaming", "json", "tools", "vision", "reasoning", "prompt_caching"]] = Field(
        default_factory=list, title="Can", json_schema_extra={"labels": {**CAPABILITIES}}
    )
    is_default: bool = Field(
        default=False, title="Default", description="Answers wherever a tenant has no route of its own."
    )


class ModelsState(TableState, rx.State):
    """The list of models."""

    changes_with: ClassVar[Permission] = Permission.PLATFORM

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[ServedModelView]:
        return await models_served.list_served(actor, wanted)

    def _row(self, item: ServedModelView) -> dict[str, Any]:
        return {**super()._row(item), "state": state_of(item)}


class CatalogState(AdminState, rx.State):
    """The dialog that finds a model in the public catalogue."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    is_open: bool = False
    found: list[dict[str, Any]] = []
    asked: str = ""
    """The words that `found` was found for."""

    @rx.event
    async def open(self) -> None:
        """Begin."""
        self.is_open, self.found, self.asked = True, [], ""

    @rx.event
    async def close(self) -> None:
        """Close the dialog; nothing was chosen."""
        self.is_open = False

    @rx.event
    async def search(self, words: str) -> None:
        """Find models."""
        found = await model_catalog.search(current_actor(), str(words))
        self.found, self.asked = [row_of(each) for each in found], str(words)

    @rx.event
    async def choose(self, name: str) -> Any:
        """Go on to the form, with what the catalogue says of this model."""
        self.is_open = False
        return NewModelState.open_form(str(name))

    @rx.event
    async def by_hand(self) -> Any:
        """Go on to the empty form."""
        self.is_open = False
        return NewModelState.open_form("")


class NewModelState(FormState, rx.State):
    """The form that adds a model. Its subject is the catalogue's name of it; empty: filled in by hand."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = NewModel

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        serving = (await providers.list_providers(actor, {"limit": _MAX_PROVIDERS, "order": "name"})).items
        self.form_choices = {"provider": [[str(each.id), each.name] for each in serving]}
        entry = await model_catalog.find(actor, subject) if subject else None
        return {**_BLANK, **(_filled(entry) if entry else {}), "provider": _likely(serving, entry)}

    async def _save(self, actor: Actor, subject: str, entered: NewModel) -> Any:
        given = entered.model_dump(exclude={"provider", "provider_model", "input_price", "output_price"})
        given["input_micro_usd_per_mtok"] = in_micro_usd(entered.input_price)
        given["output_micro_usd_per_mtok"] = in_micro_usd(entered.output_price)
        given["cached_input_micro_usd_per_mtok"] = in_micro_usd(given.pop("cached_input_price"))
        if entered.provider_model:
            given["provider_model"] = entered.provider_model
        elif not subject:
            raise InvalidInput("Fill this in.", param="provider_model")
        if subject:
            given["catalog_name"] = subject
        made = await models_served.create(actor, provider=entered.provider, wanted=given)
        return [ModelsState.load, rx.toast.success(f"{made.name} can be asked.")]


_BLANK: dict[str, Any] = {
    **{"name": "", "provider_model": "", "input_price": "", "output_price": "", "cached_input_price": ""},
    **{"max_input_tokens": 8_192, "max_output_tokens": 1_024, "capabilities": ["streaming"], "is_default": False},
}


def _filled(entry: CatalogView) -> dict[str, Any]:
    said = {
        "name": entry.name.rpartition("/")[2],
        "input_price": in_dollars(entry.input_micro_usd_per_mtok),
        "output_price": in_dollars(entry.output_micro_usd_per_mtok),
        "cached_input_price": in_dollars(entry.cached_input_micro_usd_per_mtok),
        "max_input_tokens": entry.max_input_tokens,
        "max_output_tokens": entry.max_output_tokens,
        "capabilities": list(entry.capabilities),
    }
    return {name: value for name, value in said.items() if value is not None}


def _likely(serving: list[ProviderView], entry: CatalogView | None) -> str:
    """The provider that is meant most likely: the one named as in the catalogue, or else the only one that writes."""
    writing = [each for each in serving if each.kind != "extractive"]
    named = [each for each in writing if entry is not None and each.name.lower() == entry.provider.lower()]
    chosen = named or (writing if len(writing) == 1 else [])
    return str(chosen[0].id) if chosen else ""


class ModelActsState(ConfirmState, rx.State):
    """What is done with models of the list."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Do an action of the list, or ask about it first."""
        chosen = [id_of(each) for each in ids[:_MAX_AT_ONCE]]
        if name == "switch_on":
            await switch(current_actor(), name, chosen)
            return [ModelsState.load, rx.toast.success("In use again.")]
        self._ask(name, [str(each) for each in chosen], **await question_about(current_actor(), name, chosen))
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Do what was asked about."""
        chosen = [id_of(each) for each in ids[:_MAX_AT_ONCE]]
        if not await self._confirm(switch(current_actor(), action, chosen)):
            return None
        return [ModelsState.load, UpstreamState.load, rx.toast.success("Done.")]


class ShownField(TypedDict):
    """One thing that the catalogue says otherwise."""

    label: str
    before: str
    now: str
    ours: str


class ShownChange(TypedDict):
    """What the catalogue says anew of one model."""

    id: str
    model: str
    sentence: str
    word: str
    """On the button that goes along with it."""
    fields: list[ShownField]


class UpstreamState(AdminState, rx.State):
    """What the public catalogue says anew."""

    changes: list[ShownChange] = []
    can_change: bool = False

    @rx.event
    async def load(self) -> None:
        """Compare."""
        actor = current_actor()
        self.changes = [_shown(each) for each in await model_catalog.list_changes(actor)]
        self.can_change = actor.may(Permission.PLATFORM)


class UpstreamActsState(AdminState, rx.State):
    """Taking over what the catalogue says anew, or keeping what there is."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    @rx.event
    async def accept(self, subject: str) -> Any:
        """Take it over."""
        await model_catalog.accept(current_actor(), id_of(subject))
        return [UpstreamState.load, ModelsState.load, rx.toast.success("Done. A new price holds from now on.")]

    @rx.event
    async def dismiss(self, subject: str) -> Any:
        """Keep what there is."""
        await model_catalog.dismiss(current_actor(), id_of(subject))
        return [UpstreamState.load, rx.toast.success("Nothing was changed.")]


def _shown(change: UpstreamChange) -> ShownChange:
    fields = [
        ShownField(
            label=_WORDS[each.field],
            before=_written(each.field, each.before),
            now=_written(each.field, each.now),
            ours=_written(each.field, each.ours) if each.field != "retired_on" else "",
        )
        for each in change.fields
    ]
    gone = f"The catalogue no longer lists {change.catalog_name}."
    sentence = gone if change.is_gone else f"Listed as {change.catalog_name}."
    word = "Stop comparing" if change.is_gone else "Take it over"
    return ShownChange(id=str(change.id), model=change.model, sentence=sentence, word=word, fields=fields)


def _written(field: str, value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "nothing"
    if field.endswith("_per_mtok"):
        whole, _, cents = in_dollars(value).partition(".")
        return f"${whole}.{cents:0<2}"
    if isinstance(value, list | tuple):
        return ", ".join(CAPABILITIES.get(str(each), str(each)) for each in value)
    return f"{value:,} tokens" if isinstance(value, int) else str(value)


_COLUMNS = (
    Column("name", "Name", "title", sort="name", note="provider_model"),
    Column("state", "State", "badge", labels=STATES, tones=TONES),
    Column("provider", "Provider", sort="provider"),
    Column("input_micro_usd_per_mtok", "In, $ / M tokens", "money", sort="input_micro_usd_per_mtok"),
    Column("output_micro_usd_per_mtok", "Out, $ / M tokens", "money", sort="output_micro_usd_per_mtok"),
    Column("cached_input_micro_usd_per_mtok", "Cached in, $ / M tokens", "money", is_shown=False),
    Column("next_price_at", "Next price", "moment"),
    Column("max_input_tokens", "Longest prompt", "number", sort="max_input_tokens"),
    Column("max_output_tokens", "Longest answer", "number", is_shown=False),
    Column("capabilities", "Can", "list", labels=CAPABILITIES, is_shown=False),
    Column("deployments", "Places", "number"),
    Column("catalog_name", "In the catalogue", is_shown=False),
    Column("created_at", "Added", "moment", sort="created_at", is_shown=False),
)
_ACTIONS = (
    Action("make_default", "Make it the default", is_bulk=False, when={"state": ("in_use",)}),
    Action("switch_off", "Switch off", when={"is_enabled": (True,)}),
    Action("switch_on", "Switch on", when={"is_enabled": (False,)}),
    Action("delete", "Delete", "danger"),
)


def _changed_field(field: Any) -> rx.Component:
    return rx.el.div(
        rx.el.dt(field["label"]),
        rx.el.dd(
            rx.el.del_(field["before"]),
            " → ",
            rx.el.ins(field["now"]),
            rx.cond(field["ours"] == "", "", " · here " + field["ours"].to(str)),
        ),
    )


def _change(change: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.b(change["model"]),
            rx.el.span(change["sentence"], class_name="quiet small"),
            rx.el.dl(rx.foreach(change["fields"], _changed_field)),
        ),
        rx.cond(
            UpstreamState.can_change,
            rx.el.div(
                action_button("Keep ours", UpstreamActsState.dismiss(change["id"]), is_primary=False),
                action_button(change["word"], UpstreamActsState.accept(change["id"])),
                class_name="upstream-actions",
            ),
        ),
    )


def _upstream() -> rx.Component:
    return rx.cond(
        UpstreamState.changes.length() > 0,  # pyright: ignore[reportAttributeAccessIssue]
        rx.el.section(
            rx.el.h2("The public catalogue says something else"),
            rx.el.ul(rx.foreach(UpstreamState.changes, _change)),
            class_name="upstream",
            aria_label="Changes upstream",
        ),
    )


def models_page() -> rx.Component:
    return frame(
        _upstream(),
        data_table(
            ModelsState,
            name="models",
            noun=("model", "models"),
            columns=_COLUMNS,
            filters=(
                Filter("provider", "Provider"),
                Filter("is_enabled", "In use", "yes_no"),
                Filter("is_default", "Default", "yes_no"),
                Filter("capabilities", "Can", "choice", choices=CAPABILITIES),
                Filter("max_input_tokens", "Longest prompt", "number", unit="tokens"),
            ),
            actions=_ACTIONS,
            on_act=ModelActsState.act,
            order="name",
            href=f"{ADDRESS}/{{id}}",
            csv_href="/v1/admin/models.csv",
            empty=Empty("No models yet", "A model is what people ask. A provider serves it.", label="New model"),
            on_empty=CatalogState.open,
        ),
        catalog_finder(
            is_open=CatalogState.is_open,
            found=CatalogState.found,
            asked=CatalogState.asked,
            on_search=CatalogState.search,
            on_chosen=CatalogState.choose,
            on_by_hand=CatalogState.by_hand,
            on_close=CatalogState.close,
        ),
        model_form(NewModelState, title="New model", word="Add the model", in_dialog=True),
        confirm_dialog(ModelActsState, on_confirm=ModelActsState.confirm),
        at=ADDRESS,
        sentence="What can be asked, who serves it and what it costs. Prices are dollars for a million tokens.",
        actions=(action_button("New model", CatalogState.open, shown=ModelsState.can_change),),
    )


PAGE = admin_page(ADDRESS, "Models", models_page, ModelsState.load, UpstreamState.load)
