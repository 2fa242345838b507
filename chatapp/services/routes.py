"""Use cases of routes: which model answers what in a tenant, changing that, and trying it on past questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput
from chatapp.routing.route import Route
from chatapp.routing.rules import Decision, Facts, Rule, decide
from chatapp.services import catalog
from chatapp.store import audit, routes
from chatapp.store import catalog as catalog_rows
from chatapp.store.database import transaction
from chatapp.store.tables import RouteTable, TraceTable

MAX_RULES = 100
MAX_FALLBACKS = 10
MAX_TRIED = 500


class RouteSettings(BaseModel):
    """A tenant's route as an admin writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    default: str = Field(min_length=1, description="Name of the model where no rule holds.")
    fallbacks: tuple[str, ...] = Field(
        default=(), max_length=MAX_FALLBACKS, description="Asked in turn when the one before failed."
    )


@dataclass(frozen=True, slots=True)
class RouteView:
    """A tenant's route."""

    rules: list[dict[str, Any]]
    default: str
    fallbacks: list[str]
    version: int
    """0: the tenant has none of its own, and this is what the installation does."""
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What a route would have done with a question that was asked."""

    trace_id: UUID
    question: str
    model_then: str
    model_now: str
    reason: str
    cost_then_micro_usd: int
    cost_now_micro_usd: int
    """At the price of the model chosen, for the same tokens."""


async def choose(actor: Actor, name: str, facts: Facts) -> Route:
    """Who answers a question.

    A model asked for by name is asked alone. Otherwise the tenant's rules choose, its fallbacks follow, and the
    built-in model, which quotes, stands behind them all.

    Raises:
        NotFound: there is no such model in use, or none at all.
    """
    if name not in {"", catalog.AUTO}:
        return await catalog.resolve(actor, name)
    async with transaction(actor, readonly=True) as tx:
        row = await routes.find(tx)
    if row is None:
        return await catalog.resolve(actor, catalog.AUTO)
    decision = decide(_rules(row), row.default_model, facts)
    names = list(dict.fromkeys((decision.model, *row.fallbacks, row.default_model)))
    return await catalog.resolve_all(actor, names, reason=decision.reason, version=row.version)


async def get(actor: Actor) -> RouteView:
    """The tenant's route, or what the installation does where it has none.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        row = await routes.find(tx)
        if row is not None:
            return _view(row)
        found = await catalog_rows.find_default(tx)
    return RouteView([], found[0].name if found else "", [], 0, None)


async def put(actor: Actor, wanted: RouteSettings, *, reason: str = "") -> RouteView:
    """Give the tenant this route in the place of the one it has. The next question goes by it.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: a model is not in use; `param` names the place.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        known = {model.name for model, _ in await catalog_rows.list_models(tx)}
        _require_known(wanted, known)
        row = await routes.find(tx, for_update=True)
        before = None if row is None else _as_json(row)
        if row is None:
            row = RouteTable(tenant_id=actor.tenant_id, default_model=wanted.default, version=0)
            tx.session.add(row)
        row.rules = [rule.model_dump(mode="json", exclude_none=True) for rule in wanted.rules]
        row.default_model, row.fallbacks = wanted.default, list(wanted.fallbacks)
        row.version, row.updated_at = row.version + 1, utc_now()
        await audit.write(tx, "route.changed", actor.tenant_id, before=before, after=_as_json(row), reason=reason)
        return _view(row)


async def dry_run(actor: Actor, wanted: RouteSettings, *, last: int = 100) -> list[Tried]:
    """What a route would have done with the tenant's last questions; nothing is changed or asked.

    Args:
        actor: who tries it; the questions are the tenant's, so reading traces is needed too.
        wanted: the route to try.
        last: how many of the last answers, 1 to 500.

    Raises:
        NotPermitted: the actor may not change the tenant's settings or not read its traces.
        InvalidInput: a model is not in use, or `last` is out of range.
    """
    actor.require(Permission.ADMIN)
    actor.require(Permission.READ_TRACES)
    if not 1 <= last <= MAX_TRIED:
        raise InvalidInput(f"last is a number from 1 to {MAX_TRIED}.", param="last")
    async with transaction(actor, readonly=True) as tx:
        models = {model.name: model for model, _ in await catalog_rows.list_models(tx)}
        _require_known(wanted, set(models))
        traces = await routes.last_traces(tx, last)
    tried: list[Tried] = []
    for trace in traces:
        decision = decide(wanted.rules, wanted.default, _facts_of(trace))
        deployment_cost = catalog.price_of(models[decision.model], trace.input_tokens, trace.output_tokens)
        tried.append(_tried(trace, decision, deployment_cost))
    return tried


def _tried(trace: TraceTable, decision: Decision, cost_micro_usd: int) -> Tried:
    return Tried(
        trace_id=trace.id,
        question=str(trace.body.get("question", "")),
        model_then=trace.model,
        model_now=decision.model,
        reason=decision.reason,
        cost_then_micro_usd=trace.cost_micro_usd,
        cost_now_micro_usd=cost_micro_usd,
    )


def _facts_of(trace: TraceTable) -> Facts:
    body = trace.body
    return Facts(
        question=str(body.get("question", "")),
        feature=trace.feature,
        roles=(),
        requested_model="",
        turns_before=int(body.get("turns_before", 0)),
        is_searching=bool(body.get("collections")),
        moment=trace.created_at,
    )


def _require_known(wanted: RouteSettings, known: set[str]) -> None:
    places: Sequence[tuple[str, str]] = (
        ("default", wanted.default),
        *((f"rules.{number}.model", rule.model) for number, rule in enumerate(wanted.rules)),
        *((f"fallbacks.{number}", name) for number, name in enumerate(wanted.fallbacks)),
    )
    for place, name in places:
        if name not in known:
            raise InvalidInput(f"There is no model named “{name}” in use. `GET /v1/models` lists them.", param=place)


def _rules(row: RouteTable) -> list[Rule]:
    return [Rule.model_validate(rule) for rule in row.rules]


def _as_json(row: RouteTable) -> dict[str, Any]:
    return {"rules": row.rules, "default": row.default_model, "fallbacks": row.fallbacks}


def _view(row: RouteTable) -> RouteView:
    return RouteView(row.rules, row.default_model, row.fallbacks, row.version, row.updated_at)
