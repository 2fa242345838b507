"""The guided start of a tenant as a quiet card, for its admins."""

from __future__ import annotations

from typing import TypedDict

import reflex as rx

from chatapp.components.local_asset import local_asset
from chatapp.components.navigation import item_of
from chatapp.components.state_bases import MemberState, current_actor
from chatapp.components.uploads import PACKAGES
from chatapp.domain import Permission
from chatapp.services import onboarding
from chatapp.services.onboarding import OnboardingStep, OnboardingView

_WORDS = {
    "people": ("Invite your people", "They sign in with a link of their own.", "Invite people", "/admin/users"),
    "documents": ("Add documents", "Answers come from what you put here.", "Add documents", "/documents"),
    "model": (
        "Choose who writes",
        "The built-in model quotes your documents word for word. With a provider's key, answers are written.",
        "See the models",
        "/admin/models",
    ),
    "question": ("Ask the first question", "And see where the answer comes from.", "Ask", "/"),
}
_ROUTE = ("Choose who answers", "/admin/routes")
"""For the model, where the person may choose among the installation's models, and add none."""


class StepItem(TypedDict):
    """A step as the card shows it."""

    name: str
    label: str
    text: str
    action: str
    """Words of the button; empty: there is none."""
    href: str
    is_done: bool
    is_skipped: bool


class OnboardingState(MemberState, rx.State):
    """How far the tenant is. Everybody's pages ask; only admins get an answer."""

    steps: list[StepItem] = []
    """Empty: nothing is shown."""
    is_dismissed: bool = False

    @rx.event
    async def load(self) -> None:
        """Look how far the tenant is."""
        actor = current_actor()
        if actor.may(Permission.ADMIN):
            self._show(await onboarding.get(actor))

    @rx.event
    async def skip(self, step: str, is_skipped: bool) -> None:
        """Leave a step out, or take it up again."""
        self._show(await onboarding.skip(current_actor(), str(step), is_skipped=bool(is_skipped)))

    @rx.event
    async def dismiss(self, is_dismissed: bool) -> None:
        """Put the whole away, or bring it back."""
        self._show(await onboarding.dismiss(current_actor(), is_dismissed=bool(is_dismissed)))

    def _show(self, view: OnboardingView) -> None:
        adds_models = current_actor().may(Permission.PLATFORM)
        self.steps = (
            [step_item(step, adds_models=adds_models) for step in view.steps]
            if not view.is_finished or view.is_dismissed
            else []
        )
        self.is_dismissed = view.is_dismissed


def step_item(step: OnboardingStep, *, adds_models: bool) -> StepItem:
    """A step as the card shows it.

    Args:
        step: the service's.
        adds_models: whether the person may add models; who may not is led to the tenant's own route.
    """
    label, text, action, href = _WORDS[step.name]
    if step.name == "model" and not adds_models and item_of(_ROUTE[1]) is not None:
        action, href = _ROUTE
    # A page of the admin section that this version does not have is not offered.
    is_there = not href.startswith("/admin") or item_of(href) is not None
    return StepItem(
        name=step.name,
        label=label,
        text=text,
        action=action if is_there else "",
        href=href if is_there else "",
        is_done=step.is_done,
        is_skipped=step.is_skipped,
    )


def _step_and_choice(step: rx.Var[str], is_skipped: rx.Var[bool]) -> tuple[rx.Var[str], rx.Var[bool]]:
    return step, is_skipped


class _Onboarding(rx.Component):
    library = local_asset("onboarding.jsx")
    tag = "Onboarding"
    lib_dependencies: list[str] = [*PACKAGES]

    steps: rx.Var[list[StepItem]]
    is_dismissed: rx.Var[bool]
    can_return: rx.Var[bool]

    on_skip: rx.EventHandler[_step_and_choice]
    on_dismiss: rx.EventHandler[rx.event.passthrough_event_spec(bool)]


def onboarding_card(*, can_return: bool = False) -> rx.Component:
    """The card; `OnboardingState.load` has to be among the page's `on_load`.

    Args:
        can_return: whether a card that was put away leaves a button here that brings it back.
    """
    return _Onboarding.create(
        steps=OnboardingState.steps,
        is_dismissed=OnboardingState.is_dismissed,
        can_return=can_return,
        on_skip=OnboardingState.skip,
        on_dismiss=OnboardingState.dismiss,
    )
