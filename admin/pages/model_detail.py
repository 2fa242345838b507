"""One model: its facts, what it costs from which day on, and the equal places where it is served."""

from __future__ import annotations

from typing import Any, ClassVar

import reflex as rx

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.data_table import plain_table
from admin.components.frame import action_button, admin_page, frame
from admin.components.ids import id_of
from admin.components.model_form import model_form
from admin.components.specs import Action, Column
from admin.pages.model_acts import STATES, TONES, question_about, switch
from admin.pages.model_forms import ModelChangeState, PlaceState, PriceState, SharingState, WeightState
from admin.pages.model_state import ModelState
from chatapp.components.state_bases import current_actor
from chatapp.domain import Permission
from chatapp.services import deployments, price_list

ADDRESS = "/admin/models"
_PRICE_STATES = {"past": "Past", "in_force": "In force", "ahead": "Ahead"}


class ModelPageActsState(ConfirmState, rx.State):
    """What is done with the model, its prices and its places."""

    permission: ClassVar[Permission | None] = Permission.PLATFORM

    @rx.event
    async def act(self, name: str, ids: list[str]) -> Any:
        """Do an action with the model, or ask about it first."""
        if name == "switch_on":
            await switch(current_actor(), name, [id_of(ids[0])])
            return [ModelState.load, rx.toast.success("In use again.")]
        self._ask(name, ids[:1], **await question_about(current_actor(), name, [id_of(ids[0])]))
        return None

    @rx.event
    async def act_on_price(self, name: str, ids: list[str]) -> Any:  # noqa: ARG002  # the table's one action
        """Take back a price that does not hold yet."""
        shown = await self.get_state(ModelState)
        await price_list.remove(current_actor(), id_of(shown.model.get("id", "")), id_of(ids[0]))
        return [ModelState.load, rx.toast.success("Taken back.")]

    @rx.event
    async def act_on_place(self, name: str, ids: list[str]) -> Any:
        """Weigh a place, switch it on or off, or take it away."""
        actor, shown = current_actor(), await self.get_state(ModelState)
        model_id = id_of(shown.model.get("id", ""))
        if name == "weigh":
            return WeightState.open_form(f"{model_id} {ids[0]}")
        if name == "remove":
            await deployments.remove(actor, model_id, id_of(ids[0]))
        else:
            await deployments.change(actor, model_id, id_of(ids[0]), {"is_enabled": name == "switch_on"})
        return [ModelState.load, rx.toast.success("The next question goes by it.")]

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Do what was asked about."""
        if not await self._confirm(switch(current_actor(), action, [id_of(ids[0] if ids else "")])):
            return None
        return rx.redirect(ADDRESS) if action == "delete" else [ModelState.load, rx.toast.success("Done.")]


_MODEL_ID = ModelState.model["id"].to(str)


def _button(label: str, on_click: Any) -> rx.Component:
    return action_button(label, on_click, is_primary=False, shown=ModelState.can_change)


def _prices() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Prices"),
        plain_table(
            ModelState.prices,
            label="Prices",
            columns=(
                Column("since", "From", "title"),
                Column("state", "State", "badge", labels=_PRICE_STATES, tones={"in_force": "good", "ahead": "info"}),
                Column("input_micro_usd_per_mtok", "In, $ / M tokens", "money"),
                Column("output_micro_usd_per_mtok", "Out, $ / M tokens", "money"),
                Column("cached_input_micro_usd_per_mtok", "Cached in, $ / M tokens", "money"),
            ),
            actions=(Action("remove", "Take back", "danger", when={"state": ("ahead",)}),),
            on_act=ModelPageActsState.act_on_price,
            can_change=ModelState.can_change,
        ),
        rx.el.div(_button("New price", PriceState.open_form(_MODEL_ID)), class_name="section-actions"),
        class_name="admin-section",
    )


def _places() -> rx.Component:
    further = {"is_first": (False,)}
    return rx.el.section(
        rx.el.h2("Where it is served"),
        rx.el.p("Who is asked: ", ModelState.balance, ".", class_name="quiet"),
        plain_table(
            ModelState.places,
            label="Places",
            columns=(
                Column("provider", "Provider", "title", note="provider_model"),
                Column(
                    "state",
                    "State",
                    "badge",
                    labels={"in_use": "In use", "off": "Off", "provider_off": "The provider is off"},
                    tones={"in_use": "good", "provider_off": "warn"},
                ),
                Column("weight", "Weight", "number"),
            ),
            actions=(
                Action("weigh", "Weigh"),
                Action("switch_off", "Switch off", when={"is_enabled": (True,), **further}),
                Action("switch_on", "Switch on", when={"is_enabled": (False,), **further}),
                Action("remove", "Take away", "danger", when=further),
            ),
            on_act=ModelPageActsState.act_on_place,
            can_change=ModelState.can_change,
        ),
        rx.el.div(
            _button("Add a place", PlaceState.open_form(_MODEL_ID)),
            _button("Share the work otherwise", SharingState.open_form(_MODEL_ID)),
            class_name="section-actions",
        ),
        class_name="admin-section",
    )


def _facts() -> rx.Component:
    return rx.el.dl(
        rx.foreach(ModelState.facts, lambda fact: rx.el.div(rx.el.dt(fact[0]), rx.el.dd(fact[1]))),
        class_name="peek-facts model-facts",
    )


def _acts() -> list[rx.Component]:
    """The head's buttons: which of them is offered depends on how the model stands."""
    state, may = ModelState.model["state"].to(str), ModelState.can_change
    act = ModelPageActsState.act

    def offered(label: str, name: str, when: Any) -> rx.Component:
        return rx.cond(may & when, action_button(label, act(name, [_MODEL_ID]), is_primary=False))

    return [
        offered("Delete", "delete", state != ""),
        offered("Switch on", "switch_on", state == "off"),
        offered("Switch off", "switch_off", state != "off"),
        offered("Make it the default", "make_default", state == "in_use"),
        rx.cond(may, action_button("Change", ModelChangeState.open_form(_MODEL_ID))),
    ]


def _badge() -> rx.Component:
    state = ModelState.model["state"].to(str)
    return rx.el.span(
        rx.match(state, *((name, label) for name, label in STATES.items()), ""),
        class_name="value-tag",
        data_tone=rx.match(state, *((name, str(tone)) for name, tone in TONES.items()), "quiet"),
    )


def model_page() -> rx.Component:
    name = ModelState.model["name"].to(str)
    shown = rx.fragment(_facts(), _prices(), _places())
    return frame(
        rx.cond(
            ModelState.error != "",
            rx.el.p(ModelState.error, role="alert", class_name="form-problem"),
            rx.cond(name != "", shown),
        ),
        model_form(ModelChangeState, title="Change the model", in_dialog=True, is_reviewing=True),
        model_form(PriceState, title="New price", word="Set the price", in_dialog=True),
        model_form(PlaceState, title="Add a place", word="Add it", in_dialog=True),
        model_form(WeightState, title="Weigh the place", in_dialog=True),
        model_form(SharingState, title="Share the work", in_dialog=True),
        confirm_dialog(ModelPageActsState, on_confirm=ModelPageActsState.confirm),
        at=ADDRESS,
        title=name,
        crumbs=((name, ""),),
        badge=rx.cond(name != "", _badge()),
        actions=_acts(),
    )


PAGE = admin_page(f"{ADDRESS}/[model]", "Model", model_page, ModelState.load)
