"""What the page of one model shows."""

from __future__ import annotations

from typing import Any

import reflex as rx

from admin.components.ids import id_of
from admin.components.specs import row_of
from admin.pages.model_acts import CAPABILITIES, state_of
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Permission
from chatapp.errors import AppError
from chatapp.services import deployments, models_served, price_list
from chatapp.services.deployments import DeploymentView
from chatapp.services.price_list import PriceView

BALANCES = {
    "in_order": "The first as long as it answers",
    "weighted": "By chance, as often as their weights say",
    "lowest_latency": "The one that begins to answer soonest",
    "least_busy": "The one with the fewest requests at once",
}


class ModelState(AdminState, rx.State):
    """What the page shows of the model in the address."""

    model: dict[str, Any] = {}
    facts: list[list[str]] = []
    prices: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []
    balance: str = ""
    can_change: bool = False
    error: str = ""

    @rx.event
    async def load(self) -> None:
        """Read it all."""
        actor = current_actor()
        try:
            model_id = id_of(self.router.url.path.rstrip("/").rpartition("/")[2])
            found = await models_served.get(actor, model_id)
            prices = await price_list.list_prices(actor, model_id)
            places = await deployments.list_deployments(actor, model_id)
        except AppError as error:
            self.error = error.message
            return
        self.model, self.error = row_of(found) | {"state": state_of(found)}, ""
        self.facts = _facts(self.model)
        self.prices = [_price_row(each) for each in prices]
        self.places = [_place_row(each, found.is_enabled) for each in places]
        self.balance, self.can_change = BALANCES[found.balance], actor.may(Permission.PLATFORM)


def _facts(model: dict[str, Any]) -> list[list[str]]:
    return [
        ["Provider", model["provider"]],
        ["The provider's name of it", model["provider_model"]],
        ["Longest prompt", f"{model['max_input_tokens']:,} tokens"],
        ["Longest answer", f"{model['max_output_tokens']:,} tokens"],
        ["Can", ", ".join(CAPABILITIES.get(str(each), str(each)) for each in model["capabilities"]) or "nothing said"],
        ["In the public catalogue", model["catalog_name"] or "not compared"],
    ]


def _price_row(view: PriceView) -> dict[str, Any]:
    return row_of(view) | {
        "id": str(view.id or "first"),
        "since": "From the beginning" if view.valid_from is None else f"{view.valid_from:%-d %B %Y, %H:%M} UTC",
    }


def _place_row(view: DeploymentView, is_model_enabled: bool) -> dict[str, Any]:
    state = "off" if not view.is_enabled else "in_use" if view.is_provider_enabled else "provider_off"
    return row_of(view) | {
        "id": str(view.id or "first"),
        "state": state if view.id or is_model_enabled else "off",
        "is_first": view.id is None,
    }
