"""Which model answers what in a tenant: the route, tried before it is saved, and the examples of intents."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import reflex as rx
from pydantic import ValidationError

from admin.components.confirm_dialog import ConfirmState, confirm_dialog
from admin.components.frame import action_button, admin_page, frame
from admin.components.model_form import model_form
from admin.components.route_editor import (
    ModelName,
    Problem,
    ShownRoute,
    ShownTrial,
    no_trial,
    route_editor,
)
from admin.components.specs import row_of
from admin.pages.route_intents import (
    ExampleActsState,
    ExampleFormState,
    ExamplesState,
    IntentNamesState,
    PasteState,
    SentenceState,
    intents_section,
)
from chatapp.components.state_bases import AdminState, current_actor
from chatapp.domain import Actor, Permission
from chatapp.errors import AppError, InvalidInput
from chatapp.services import route_trials, routes
from chatapp.services.route_trials import Trial
from chatapp.services.routes import RouteSettings, RouteView

ADDRESS = "/admin/routes"
_CANNOT_TRY = "Who may not read the tenant's questions cannot try the route on them."


class RouteState(AdminState, rx.State):
    """The route as it is."""

    route: ShownRoute = ShownRoute(
        rules=[],
        default="",
        fallbacks=[],
        ladder=[],
        escalate_on=[],
        when_too_long="fit",
        when_named_fails="fall_back",
        version=0,
    )
    models: list[ModelName] = []
    version: str = ""
    """In words."""
    can_remove: bool = False
    can_change: bool = False
    epoch: int = 0
    is_loaded: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the tenant's route."""
        actor = current_actor()
        view = await routes.get(actor)
        models = [ModelName(name=each.name, provider=each.provider) for each in await routes.list_choices(actor)]
        self.route, self.models = _shown(view), models
        self.version = f"Version {view.version}" if view.version else "The installation's own"
        self.can_change = actor.may(Permission.ADMIN)
        self.can_remove = self.can_change and view.version > 0
        self.epoch, self.is_loaded = self.epoch + 1, True


class RouteEditState(AdminState, rx.State):
    """Trying a route and saving it."""

    permission: ClassVar[Permission | None] = Permission.ADMIN

    preview: ShownTrial = no_trial()
    problem: Problem = Problem(param="", message="")

    @rx.event
    async def try_route(self, draft: dict[str, Any], last: int) -> None:
        """Show what the route would have done with the last questions."""
        try:
            trial = await _tried(current_actor(), _settings(draft), last)
        except AppError as error:
            self.problem = Problem(param=error.param or "", message=error.message)
            return
        self.preview, self.problem = trial, Problem(param="", message="")

    @rx.event
    async def save(self, draft: dict[str, Any], version: int, reason: str) -> Any:
        """Save the route in the place of the version the person has seen."""
        try:
            await routes.put(current_actor(), _settings(draft), reason=str(reason), seen_version=version)
        except AppError as error:
            self.problem = Problem(param=error.param or "", message=error.message)
            return None
        self.preview, self.problem = no_trial(), Problem(param="", message="")
        return [RouteState.load, rx.toast.success("Saved. The next question goes by it.")]


class RouteActsState(ConfirmState, rx.State):
    """Taking the route away."""

    @rx.event
    async def act(self) -> None:
        """Ask whether it is to go."""
        self._ask(
            "remove",
            [],
            title="Remove the route?",
            text="Questions go to the installation's default model again. Examples of intents stay.",
            wants_reason=True,
            word="Remove",
        )

    @rx.event
    async def confirm(self, action: str, ids: list[str], typed: str, reason: str) -> Any:  # noqa: ARG002
        """Take it away."""
        is_done = await self._confirm(routes.remove(current_actor(), reason=str(reason)))
        return [RouteState.load, rx.toast.success("Removed.")] if is_done else None


async def _tried(actor: Actor, wanted: RouteSettings, last: int) -> ShownTrial:
    if not actor.may(Permission.READ_TRACES):
        return no_trial(_CANNOT_TRY)
    trial: Trial = await route_trials.dry_run(actor, wanted, last=last)
    shown = row_of(trial)
    return ShownTrial(
        is_tried=True,
        note="",
        tried=[each | {"id": each["trace_id"]} for each in shown["tried"]],
        moved=trial.moved,
        uncertain=trial.uncertain,
        models=shown["models"],
        cost_then_micro_usd=trial.cost_then_micro_usd,
        cost_now_micro_usd=trial.cost_now_micro_usd,
    )


def _settings(draft: Any) -> RouteSettings:
    """What was sent, as a route.

    Raises:
        InvalidInput: it is none; `param` names the place.
    """
    try:
        return RouteSettings.model_validate(draft)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{first['msg'].removeprefix('Value error, ')}.", param=place) from error


def _shown(view: RouteView) -> ShownRoute:
    given = asdict(view)
    del given["updated_at"]
    return ShownRoute(**given)


def _version() -> rx.Component:
    shown = rx.el.span(RouteState.version, class_name="value-tag", custom_attrs={"data-tone": "quiet"})
    return rx.cond(RouteState.is_loaded, shown)


def routes_page() -> rx.Component:
    return frame(
        rx.cond(
            RouteState.is_loaded,
            route_editor(
                route=RouteState.route,
                epoch=RouteState.epoch,
                models=RouteState.models,
                intents=IntentNamesState.names,
                can_change=RouteState.can_change,
                preview=RouteEditState.preview,
                problem=RouteEditState.problem,
                on_preview=RouteEditState.try_route,
                on_save=RouteEditState.save,
            ),
            rx.el.p("Loading", class_name="quiet"),
        ),
        intents_section(),
        model_form(ExampleFormState, title="Change the example", in_dialog=True),
        model_form(PasteState, title="Add examples", word="Add", in_dialog=True),
        confirm_dialog(ExampleActsState, on_confirm=ExampleActsState.confirm),
        confirm_dialog(RouteActsState, on_confirm=RouteActsState.confirm),
        at=ADDRESS,
        sentence="Which model answers what. The first rule that holds decides; who names a model gets that one.",
        badge=_version(),
        actions=(action_button("Remove the route", RouteActsState.act, is_primary=False, shown=RouteState.can_remove),),
    )


PAGE = admin_page(
    ADDRESS, "Routes", routes_page, RouteState.load, ExamplesState.load, IntentNamesState.load, SentenceState.forget
)
