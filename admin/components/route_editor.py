"""The editor of a tenant's route: rules in order, default, fallbacks, ladder, and what saving them would change."""

from __future__ import annotations

from typing import Any, TypedDict

import reflex as rx

from admin.components import model_form as _model_form  # noqa: F401  # brings `form_inputs.jsx` to the assets
from chatapp.components import answer as _answer  # noqa: F401  # brings `announcer.js` to the assets
from chatapp.components.local_asset import local_asset
from chatapp.components.uploads import PACKAGES

for _part in ("rule_form.jsx", "route_preview.jsx", "rule_conditions.js"):
    local_asset(_part)


class ShownRoute(TypedDict):
    """A route as the editor begins with it."""

    rules: list[dict[str, Any]]
    default: str
    fallbacks: list[str]
    ladder: list[str]
    escalate_on: list[str]
    when_too_long: str
    when_named_fails: str
    version: int


class ModelName(TypedDict):
    """A model that can be chosen."""

    name: str
    provider: str


class ShownTrial(TypedDict):
    """What a route would have done with past questions."""

    is_tried: bool
    note: str
    """Why it was not tried."""
    tried: list[dict[str, Any]]
    moved: int
    uncertain: int
    models: list[dict[str, Any]]
    cost_then_micro_usd: int
    cost_now_micro_usd: int


class Problem(TypedDict):
    """Why a route cannot be saved. An empty message: nothing is wrong."""

    param: str
    message: str


def no_trial(note: str = "") -> ShownTrial:
    """Nothing tried, and why."""
    return ShownTrial(
        is_tried=False,
        note=note,
        tried=[],
        moved=0,
        uncertain=0,
        models=[],
        cost_then_micro_usd=0,
        cost_now_micro_usd=0,
    )


def _draft_and_last(draft: rx.Var[dict[str, Any]], last: rx.Var[int]) -> tuple[rx.Var[dict[str, Any]], rx.Var[int]]:
    return draft, last


def _draft_version_and_reason(
    draft: rx.Var[dict[str, Any]], version: rx.Var[int], reason: rx.Var[str]
) -> tuple[rx.Var[dict[str, Any]], rx.Var[int], rx.Var[str]]:
    return draft, version, reason


class _RouteEditor(rx.Component):
    library = local_asset("route_editor.jsx")
    tag = "RouteEditor"
    lib_dependencies: list[str] = [*PACKAGES]

    route: rx.Var[ShownRoute]
    epoch: rx.Var[int]
    models: rx.Var[list[ModelName]]
    intents: rx.Var[list[str]]
    can_change: rx.Var[bool]
    preview: rx.Var[ShownTrial]
    problem: rx.Var[Problem]

    on_preview: rx.EventHandler[_draft_and_last]
    on_save: rx.EventHandler[_draft_version_and_reason]


def route_editor(**props: Any) -> rx.Component:
    """The editor.

    Args:
        **props: `route`, `models`, `intents` and `can_change` of the page's State; `epoch`, which grows when the route
            is shown anew; `preview` and `problem`; `on_preview(draft, last)` and `on_save(draft, version, reason)`.
    """
    return _RouteEditor.create(**props)
