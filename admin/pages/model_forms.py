"""The forms on the page of one model: its facts, its price from a day on, its places and how they share the work."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

import reflex as rx
from pydantic import BaseModel, ConfigDict, Field

from admin.components.dollars import in_dollars, in_micro_usd, price_field
from admin.components.ids import id_of
from admin.components.model_form import FormState
from admin.components.specs import row_of
from admin.pages.model_acts import CAPABILITIES
from admin.pages.model_state import BALANCES, ModelState
from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput
from chatapp.services import deployments, models_served, price_list, providers
from chatapp.services.model_fields import MAX_NAME_CHARACTERS, MAX_TOKENS, MAX_WEIGHT

_MAX_PROVIDERS = "1000"


class ModelChange(BaseModel):
    """What of a model can be changed, beside its price and places."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=MAX_NAME_CHARACTERS, title="Name", description="What people and programs ask for."
    )
    provider_model: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, title="The provider's name of it")
    max_input_tokens: int = Field(ge=1, le=MAX_TOKENS, title="Longest prompt", json_schema_extra={"unit": "tokens"})
    max_output_tokens: int = Field(ge=1, le=MAX_TOKENS, title="Longest answer", json_schema_extra={"unit": "tokens"})
    capabilities: list[Literal["streaming", "json", "tools", "vision", "reasoning", "prompt_caching"]] = Field(
        default_factory=list, title="Can", json_schema_extra={"labels": {**CAPABILITIES}}
    )
    catalog_name: str = Field(
        "",
        max_length=300,
        title="In the public catalogue",
        description="You hear of it when the catalogue says something else of this model. Blank: it is not compared.",
    )


class NewPrice(BaseModel):
    """What a model costs from a day on."""

    model_config = ConfigDict(extra="forbid")

    valid_from: datetime | None = Field(
        None,
        title="From the beginning of",
        description="A day to come. Blank: from now on. What was answered keeps its cost.",
        json_schema_extra={"kind": "day"},
    )
    input_price: Decimal = price_field("Price of input")
    output_price: Decimal = price_field("Price of output")
    cached_input_price: Decimal | None = price_field(
        "Price of cached input", "Blank: what other input costs.", default=None
    )


class NewPlace(BaseModel):
    """A further place where the model is served."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=80, title="Provider", json_schema_extra={"kind": "choice"})
    provider_model: str = Field(
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        title="The provider's name of it",
        description="It has to be the same model: answers may come from either place.",
    )
    weight: int = Field(default=1, ge=0, le=MAX_WEIGHT, title="Weight")


class Weight(BaseModel):
    """A place's share of the work."""

    model_config = ConfigDict(extra="forbid")

    weight: int = Field(
        ge=0,
        le=MAX_WEIGHT,
        title="Weight",
        description="Twice the weight, twice the work. 0: none while others are there.",
    )


class Sharing(BaseModel):
    """How the places share the work."""

    model_config = ConfigDict(extra="forbid")

    balance: Literal["in_order", "weighted", "lowest_latency", "least_busy"] = Field(
        title="Who is asked", json_schema_extra={"labels": {**BALANCES}}
    )


class ModelChangeState(FormState, rx.State):
    """The form that changes the model's facts."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = ModelChange

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        row = row_of(await models_served.get(actor, id_of(subject)))
        return {name: row[name] for name in ModelChange.model_fields}

    async def _save(self, actor: Actor, subject: str, entered: ModelChange) -> Any:
        await models_served.change(actor, id_of(subject), entered.model_dump())
        return [ModelState.load, rx.toast.success("Saved. The next question goes by it.")]


class PriceState(FormState, rx.State):
    """The form that adds a price."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = NewPrice

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        now = await models_served.get(actor, id_of(subject))
        return {
            "valid_from": None,
            "input_price": in_dollars(now.input_micro_usd_per_mtok),
            "output_price": in_dollars(now.output_micro_usd_per_mtok),
            "cached_input_price": in_dollars(now.cached_input_micro_usd_per_mtok),
        }

    async def _save(self, actor: Actor, subject: str, entered: NewPrice) -> Any:
        given = {
            "valid_from": entered.valid_from,
            "input_micro_usd_per_mtok": in_micro_usd(entered.input_price),
            "output_micro_usd_per_mtok": in_micro_usd(entered.output_price),
            "cached_input_micro_usd_per_mtok": in_micro_usd(entered.cached_input_price),
        }
        try:
            await price_list.add(actor, id_of(subject), given)
        except InvalidInput as error:
            param = (error.param or "").replace("_micro_usd_per_mtok", "_price")
            raise InvalidInput(error.message, param=param) from error
        return [ModelState.load, rx.toast.success("The price is set.")]


class PlaceState(FormState, rx.State):
    """The form that adds a place."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = NewPlace

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        serving = (await providers.list_providers(actor, {"limit": _MAX_PROVIDERS, "order": "name"})).items
        self.form_choices = {"provider": [[str(each.id), each.name] for each in serving]}
        model = await models_served.get(actor, id_of(subject))
        return {"provider": "", "provider_model": model.provider_model, "weight": 1}

    async def _save(self, actor: Actor, subject: str, entered: NewPlace) -> Any:
        await deployments.add(actor, id_of(subject), **entered.model_dump())
        return [ModelState.load, rx.toast.success("It is asked from the next question on.")]


class WeightState(FormState, rx.State):
    """The form that weighs a place; its subject is the model's id and the place's."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = Weight

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        model_id, place = _parts_of(subject)
        found = await deployments.list_deployments(actor, model_id)
        return {"weight": next((each.weight for each in found if each.id == place), 1)}

    async def _save(self, actor: Actor, subject: str, entered: Weight) -> Any:
        model_id, place = _parts_of(subject)
        if place is None:
            await models_served.change(actor, model_id, {"weight": entered.weight})
        else:
            await deployments.change(actor, model_id, place, {"weight": entered.weight})
        return [ModelState.load, rx.toast.success("Saved.")]


def _parts_of(subject: str) -> tuple[UUID, UUID | None]:
    model_id, _, place = subject.partition(" ")
    return id_of(model_id), None if place == "first" else id_of(place)


class SharingState(FormState, rx.State):
    """The form that says how the places share the work."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM
    form_model: ClassVar[type[BaseModel]] = Sharing

    async def _start(self, actor: Actor, subject: str) -> dict[str, Any]:
        return {"balance": (await models_served.get(actor, id_of(subject))).balance}

    async def _save(self, actor: Actor, subject: str, entered: Sharing) -> Any:
        await models_served.change(actor, id_of(subject), entered.model_dump())
        return [ModelState.load, rx.toast.success("Saved. The next question goes by it.")]
