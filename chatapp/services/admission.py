"""Letting questions in: whether there is room for one, and its place while it is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from chatapp.domain import Actor
from chatapp.limits import concurrency
from chatapp.limits.fair_queue import Claim, Lane
from chatapp.pipeline.turn import Turn
from chatapp.pipeline.upstream import claim_of, provider_limit, tell_wait
from chatapp.routing.route import Route
from chatapp.services import load, tenant_limits
from chatapp.settings import Settings

_OPTIONS = ("lane", "cache")


def open_admission(settings: Settings) -> None:
    """Begin to give out places, and to tell the other processes how many want one."""
    is_shared = bool(settings.redis_url.get_secret_value())
    bounds = concurrency.Bounds(
        settings.process_concurrent_turns, settings.queue_seconds, settings.max_loop_lag_seconds
    )
    tenant_limits.forget_limits()
    concurrency.open_concurrency(bounds, is_shared=is_shared)
    load.open_load(is_shared=is_shared)


async def close_admission() -> None:
    """Give every place back, and write down what was refused."""
    await load.close_load()
    await concurrency.close_concurrency()


def as_asked(
    request: Mapping[str, Any],
    *,
    lane: Literal["interactive", "batch"] = "interactive",
    cache: Literal["use", "bypass"] = "use",
) -> dict[str, Any]:
    """A turn's `request` with what was said about urgency and sharing; what is usual is not written down."""
    kept = {name: value for name, value in request.items() if name not in _OPTIONS}
    return kept | ({"lane": lane} if lane != "interactive" else {}) | ({"cache": cache} if cache != "use" else {})


def lane_of(request: Mapping[str, Any]) -> Lane:
    """How urgent a turn's `request` is."""
    return Lane.BATCH if request.get("lane") == "batch" else Lane.INTERACTIVE


def may_share(request: Mapping[str, Any]) -> bool:
    """Whether the answer to a turn's `request` may be one that is made for somebody else at the same moment."""
    return request.get("cache") != "bypass"


async def require_room(actor: Actor, request: Mapping[str, Any]) -> None:
    """Refuse a question that could not be begun in time, before anything is done for it.

    Raises:
        TooManyInFlight: too much is being asked; says when to come back.
    """
    claim = Claim.of(actor, lane_of(request))
    concurrency.require_room(claim, of_tenant=await tenant_limits.places_of(actor))


def require_provider_room(actor: Actor, request: Mapping[str, Any], route: Route) -> None:
    """Refuse a question that every model of its route would have to keep waiting for too long.

    That the built-in model, which quotes, stands behind them is no reason to let it in: it is for when they fail.

    Raises:
        TooManyInFlight: too much is being asked; says when to come back.
    """
    claim = Claim.of(actor, lane_of(request))
    asked = [deployment for deployment in route.deployments if not deployment.provider.quotes]
    concurrency.require_provider_room(claim, [provider_limit(deployment) for deployment in asked])


@asynccontextmanager
async def place(turn: Turn) -> AsyncIterator[float]:
    """Hold a place while a turn is answered; its readers are told of a wait.

    Yields:
        seconds waited.

    Raises:
        TooManyInFlight: there was no place in time.
    """

    async def tell(number: int) -> None:
        await tell_wait(turn, "Many people are asking.", number)

    of_tenant = await tenant_limits.places_of(turn.actor)
    async with concurrency.turn_place(claim_of(turn), of_tenant=of_tenant, on_wait=tell) as seconds:
        yield seconds
