"""Providers: who serves models to the installation, with keys that never come back, and whether they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import TableState, data_table, plain_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import FormState, model_form
from admin.components.specs import Action, Column, Empty, Filter, row_of
from chatapp.components.state_bases import current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import models_served, providers
from chatapp.services.list_page import ListPage
from chatapp.services.provider_options import MAX_CHARACTERS
from chatapp.services.providers import (
    MAX_CONCURRENT,
    MAX_KEY_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_TIMEOUT_SECONDS,
    ConnectionTest,
    ProviderRemoval,
    ProviderView,
)

ADDRESS = "/admin/providers"
_KINDS = {
    "openai_compatible": "OpenAI's protocol",
    "litellm": "Through LiteLLM",
    "extractive": "Built in, quotes",
}
_CHOICES = {
    "openai_compatible": "OpenAI's protocol: OpenAI, Mistral, Groq, Ollama, vLLM …",
    "litellm": "Through LiteLLM: Anthropic, Gemini, Bedrock, Azure, Cohere …",
    "extractive": "Built in: quotes documents word for word, needs nothing",
}
_STATES = {"in_use": "In use", "off": "Off"}
_PLAIN = ("name", "base_url", "timeout_seconds", "max_concurrent", "api_version", "region")
_SECRETS = {"api_key", "access_key_id", "secret_access_key"}
_PEEKED_MODELS = "20"
_MAX_NAMED = 5


class ProviderFields(BaseModel):
    """What of a provider can be written at any time."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, title="Name")
    base_url: str = Field(
        "",
        max_length=2_000,
        title="Address",
        description="With its version. Blank where LiteLLM knows the provider's own.",
        json_schema_extra={"placeholder": "https://api.openai.com/v1"},
    )
    api_key: SecretStr | None = Field(
        None,
        max_length=MAX_KEY_CHARACTERS,
        title="Key",
        description="Kept encrypted, and never shown again. Blank where none is needed.",
    )
    timeout_seconds: float | None = Field(
        None,
        gt=0,
        le=MAX_TIMEOUT_SECONDS,
        title="Longest silence",
        description="Before the first word and between two. Blank: what the installation is set to.",
        json_schema_extra={"unit": "s"},
    )
    max_concurrent: int | None = Field(
        None,
        ge=1,
        le=MAX_CONCURRENT,
        title="At once at most",
        description="Further requests wait their turn. Blank: no limit.",
        json_schema_extra={"unit": "requests"},
    )


class _CloudFields(BaseModel):
    """What a cloud wants beside it, through LiteLLM."""

    api_version: str = Field(
        "",
        max_length=MAX_CHARACTERS,
        title="API version",
        description="Azure's. Blank: the newest LiteLLM knows.",
        json_schema_extra={"placeholder": "2024-10-21"},
    )
    region: str = Field(
        "",
        max_length=MAX_CHARACTERS,
        title="Region",
        description="Bedrock's.",
        json_schema_extra={"placeholder": "eu-central-1"},
    )
    access_key_id: SecretStr | None = Field(
        None, max_length=MAX_CHARACTERS, title="Access id", description="Bedrock's access key ID. Kept as the key is."
    )
    secret_access_key: SecretStr | None = Field(
        None, max_length=MAX_CHARACTERS, title="Access secret", description="Its secret access key."
    )


class _Kind(BaseModel):
    """What is settled once."""

    kind: Literal["openai_compatible", "litellm", "extractive"] = Field(
        default="openai_compatible", title="Speaks", json_schema_extra={"labels": {**_CHOICES}}
    )


class NewProvider(_CloudFields, ProviderFields, _Kind):
    """A provider to add."""


class ProviderChange(_CloudFields, ProviderFields):
    """What of a provider can be changed."""

    forgets_key: bool = Field(
        default=False, title="Forget the keys", description="They are removed from here for good."
    )


class ProvidersState(TableState, rx.State):
    """The list of providers."""

    changes_with: ClassVar[Permission] = Permission.PLATFORM

    async def _list(self, actor: Actor, wanted: Mapping[str, str]) -> ListPage[ProviderView]:
        return await providers.list_providers(actor, wanted)

    def _row(self, item: ProviderView) -> dict[str, Any]:
        return {**super()._row(item), "state": "in_use" if item.is_enabled else "off"}

    async def _peek(self, actor: Actor, row_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        row = await super()._peek(actor, row_id, rows)
        if not row:
            return {}
        page = await models_served.list_served(actor, {"provider": row["name"], "limit": _PEEKED_MODELS})
        return row | {"served": [row_of(each) for each in page.items]}


class NewProviderState(FormState, rx.State):
    """The form that adds a provider."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = NewProvider

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:  # noqa: ARG002
        return {"kind": "openai_compatible", "name": "", "base_url": "", **dict.fromkeys(_SECRETS, False)}

    async def _save(self, actor: Actor, subject: str, entered: NewProvider) -> Any:  # noqa: ARG002
        made = await providers.create(actor, **entered.model_dump(exclude=_SECRETS), **_secrets(entered))
        if made.kind == "litellm":
            return [ProvidersState.load, rx.toast.success(f"{made.name} is there. Add one of its models next.")]
        # Whether it answers is what one wants to know next.
        return [ProvidersState.load, ProviderActsState.act("test", [str(made.id)])]


class ProviderChangeState(FormState, rx.State):
    """The form that changes a provider."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = ProviderChange

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        found = await providers.get(actor, id_of(subject))
        kept = {name: getattr(found, name) for name in _PLAIN}
        has_access_key = {"access_key_id": found.has_access_key, "secret_access_key": found.has_access_key}
        return {**kept, "api_key": found.has_api_key, **has_access_key, "forgets_key": False}

    async def _save(self, actor: Actor, subject: str, entered: ProviderChange) -> Any:
        given = entered.model_dump(exclude={*_SECRETS, "forgets_key"})
        forgotten = dict.fromkeys(_SECRETS, "") if entered.forgets_key else {}
        await providers.change(actor, id_of(subject), {**given, **forgotten, **_secrets(entered)})
        return [ProvidersState.load, rx.toast.success("Saved. The next question goes by it.")]


class ProviderActsState(ConfirmState, rx.State):
    """What is done with providers of the list."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Do an action of the list, or ask about it first."""
        provider_id = id_of(ids[0])
        if name == "change":
            return ProviderChangeState.open_form(ids[0])
        if name == "test":
            return _told(await providers.check_connection(current_actor(), provider_id))
        if name == "switch_on":
            await providers.change(current_actor(), provider_id, {"is_enabled": True})
            return [ProvidersState.load, rx.toast.success("In use again.")]
        hit = await providers.removal_of(current_actor(), provider_id)
        action = "switch_off" if name == "switch_off" or hit.models else "delete"
        self._ask(action, [str(provider_id)], **_question(action, hit, is_refused=name != action))
        return None

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Do what was asked about."""
        actor, provider_id = current_actor(), id_of(ids[0] if ids else "")
        if action == "switch_off":
            change: Any = providers.change(actor, provider_id, {"is_enabled": False})
        elif action == "delete":
            change = providers.delete(actor, provider_id)
        else:
            raise NotFound
        return [ProvidersState.load, rx.toast.success("Done.")] if await self._confirm(change) else None


def _secrets(entered: ProviderFields) -> dict[str, Any]:
    """The secrets that were typed in."""
    typed = {name: getattr(entered, name) for name in sorted(_SECRETS)}
    return {name: value.get_secret_value() for name, value in typed.items() if value is not None}


def _question(action: str, hit: ProviderRemoval, *, is_refused: bool) -> dict[str, Any]:
    hits = {"Models it serves": len(hit.models), "Routes that name them": hit.routes}
    hits["Further places of other models"] = hit.deployments
    if action == "delete":
        text = "Its address and key are removed. Answers that came from it stay. There is no way back."
        return {"title": f"Delete {hit.name}?", "text": text, "hits": hits, "word": "Delete"}
    named = ", ".join(hit.models[:_MAX_NAMED]) + (" and more" if len(hit.models) > _MAX_NAMED else "")
    after = "Its models answer nothing until it is switched on again. Routes go on to the next model they name."
    why = f"It cannot be deleted while it serves {named}. " if is_refused else ""
    title = f"Switch {hit.name} off instead?" if is_refused else f"Switch {hit.name} off?"
    return {"title": title, "text": why + after, "hits": hits, "word": "Switch off"}


def _told(tested: ConnectionTest) -> Any:
    said = f"{tested.message} It took {tested.milliseconds:,} ms."
    if tested.is_working:
        return rx.toast.success("The connection works", description=said, duration=20_000)
    return rx.toast.error("The connection does not work", description=said, duration=20_000)


_COLUMNS = (
    Column("name", "Name", "title", sort="name", note="base_url"),
    Column("state", "State", "badge", sort="is_enabled", labels=_STATES, tones={"in_use": "good", "off": "quiet"}),
    Column("kind", "Speaks", "badge", sort="kind", labels=_KINDS),
    Column("models", "Models", "number"),
    Column("has_api_key", "Has a key", "yes_no"),
    Column("timeout_seconds", "Longest silence, s", "number", is_shown=False),
    Column("max_concurrent", "At once at most", "number", is_shown=False),
    Column("is_operators", "Named by the operator", "yes_no", is_shown=False),
    Column("created_at", "Added", "moment", sort="created_at"),
)
_ACTIONS = (
    Action("test", "Test the connection", is_bulk=False, when={"kind": ("openai_compatible", "litellm")}),
    Action("change", "Change", is_bulk=False),
    Action("switch_off", "Switch off", is_bulk=False, when={"is_enabled": (True,)}),
    Action("switch_on", "Switch on", is_bulk=False, when={"is_enabled": (False,)}),
    Action("delete", "Delete", "danger", is_bulk=False),
)


def _peek() -> rx.Component:
    return rx.el.div(
        rx.el.h3("Models it serves, in $ for a million tokens"),
        plain_table(
            ProvidersState.peeked["served"].to(list[dict[str, Any]]),
            label="Models of the provider",
            columns=(
                Column("name", "Name", "title"),
                Column("input_micro_usd_per_mtok", "In", "money"),
                Column("output_micro_usd_per_mtok", "Out", "money"),
            ),
            href="/admin/models/{id}",
            nothing="None yet. Add one among the models.",
        ),
        class_name="peek-more",
    )


def providers_page() -> rx.Component:
    return frame(
        data_table(
            ProvidersState,
            _peek(),
            name="providers",
            noun=("provider", "providers"),
            columns=_COLUMNS,
            filters=(
                Filter("kind", "Speaks", "choice", choices=_KINDS),
                Filter("is_enabled", "In use", "yes_no"),
                Filter("base_url", "Address"),
                Filter("created_at", "Added", "moment"),
            ),
            actions=_ACTIONS,
            on_act=ProviderActsState.act,
            csv_href="/v1/admin/providers.csv",
            empty=Empty("No providers yet", "A provider writes the answers.", label="New provider"),
            on_empty=NewProviderState.open_form(""),
        ),
        model_form(NewProviderState, title="New provider", word="Add and test", in_dialog=True),
        model_form(ProviderChangeState, title="Change the provider", in_dialog=True, is_reviewing=True),
        confirm_dialog(ProviderActsState, on_confirm=ProviderActsState.confirm),
        at=ADDRESS,
        sentence="Who writes the answers. Providers belong to the whole installation.",
        actions=(action_button("New provider", NewProviderState.open_form(""), shown=ProvidersState.can_change),),
    )


PAGE = admin_page(ADDRESS, "Providers", providers_page, ProvidersState.load)
