"""Use cases of circuit breakers: where they stand in every process, and holding one open to see what happens then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.routing.breaker import BreakerState
from chatapp.routing.route import Route
from chatapp.services import breaker_watch, routes
from chatapp.services.list_page import ListPage
from chatapp.store import audit, breakers
from chatapp.store.database import Transaction, transaction
from chatapp.store.listing import page_size
from chatapp.store.tables import BreakerDrillTable, BreakerTable

MAX_DRILL_MINUTES = 60
MAX_REASON_CHARACTERS = 300
STATES = ("closed", "half_open", "open", "drill", "unasked")
"""From the best to the worst; `unasked`: no process has sent anything there since it began."""


@dataclass(frozen=True, slots=True)
class ProcessBreaker:
    """Where one process's breaker of a deployment stands."""

    process: str
    state: str
    failures: int
    reason: str
    next_probe_at: datetime | None
    requests: int
    retries: int
    skipped: int
    changed_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A deployment's breakers over every process."""

    id: str
    """Key of the deployment, `PROVIDER/PROVIDER'S NAME OF THE MODEL`."""
    provider: str
    models: tuple[str, ...]
    """Our names of what is served there."""
    state: str
    """One of `STATES`, the worst of the processes'."""
    failures: int
    """In the last seconds, or those that opened it."""
    reason: str
    """The last failure's sentence."""
    next_probe_at: datetime | None
    """The first moment at which a process asks again; None: nothing is waited for."""
    requests: int
    """Turns that asked it, since the processes began."""
    attempts: int
    """Requests that were sent, the retries among them."""
    retries: int
    skipped: int
    """Turns that went by it."""
    opened: int
    changed_at: datetime | None
    """When one of them last opened or closed."""
    drill_until: datetime | None
    processes: tuple[ProcessBreaker, ...]


@dataclass(frozen=True, slots=True)
class DrillView:
    """A breaker that is held open."""

    deployment: str
    until: datetime


@dataclass(frozen=True, slots=True)
class DrillEffect:
    """What holding a deployment open would come to."""

    deployment: str
    models: tuple[str, ...]
    sentences: tuple[str, ...]


async def list_breakers(actor: Actor, wanted: Mapping[str, str]) -> ListPage[BreakerView]:
    """Every deployment of a model in use, and where its breakers stand.

    Args:
        actor: who asks.
        wanted: `q`, `id`, `state` and `provider` (several with commas), `order` by `id`, `state`, `failures`,
            `requests` or `retries`, `limit`, and `after` with the id the page before ended with.

    Raises:
        NotPermitted: the actor may not see the settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    now = utc_now()
    async with transaction(actor, readonly=True) as tx:
        places = await breakers.list_places(tx)
        since = now - timedelta(seconds=breaker_watch.LOST_AFTER_SECONDS)
        reports = await breakers.list_reports(tx, since=since)
        drills = {row.deployment: row.until for row in await breakers.list_drills(tx, now=now)}
    by_key: dict[str, list[BreakerTable]] = defaultdict(list)
    for report in reports:
        by_key[report.deployment].append(report)
    views = [
        _view(key, provider, models, by_key[key], drills.get(key))
        for key, (provider, models) in _deployments(places).items()
    ]
    return _page(views, wanted)


async def effect_of_drill(actor: Actor, deployment: str) -> DrillEffect:
    """Who would answer while a deployment is held open, seen from the actor's tenant.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: no model in use is served there.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        _, models = await _require_deployment(tx, deployment)
    auto = await routes.without_rules(actor)
    sentences = [f"Where the choice is left to the route: {_instead(auto, deployment)}"]
    for model in models:
        named = await routes.without_rules(actor, model)
        sentences.append(f"Who asks for {model} by name: {_instead(named, deployment)}")
    return DrillEffect(deployment, models, tuple(sentences))


async def start_drill(actor: Actor, deployment: str, *, minutes: int, reason: str = "") -> DrillView:
    """Hold a deployment's breaker open in every process, within a second. It ends by itself.

    Args:
        actor: a platform admin.
        deployment: key of the deployment.
        minutes: 1 to 60, from now; a drill that runs gets this end instead.
        reason: kept in the audit log.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: no model in use is served there.
        InvalidInput: `minutes` is out of range.
    """
    actor.require(Permission.PLATFORM)
    if not 1 <= minutes <= MAX_DRILL_MINUTES:
        raise InvalidInput(f"A drill takes 1 to {MAX_DRILL_MINUTES} minutes.", param="minutes")
    now = utc_now()
    until = now + timedelta(minutes=minutes)
    async with transaction(actor) as tx:
        await _require_deployment(tx, deployment)
        before = await breakers.find_drill(tx, deployment, now=now)
        row = BreakerDrillTable(deployment=deployment, until=until, started_by=actor.user_id, created_at=now)
        await breakers.put_drill(tx, row)
        await audit.write(
            tx,
            "breaker.drill_started",
            before=None if before is None else {"deployment": deployment, "until": before.until},
            after={"deployment": deployment, "until": until},
            reason=reason[:MAX_REASON_CHARACTERS],
            minutes=minutes,
        )
    await _obey_now(actor)
    return DrillView(deployment, until)


async def end_drill(actor: Actor, deployment: str) -> None:
    """Let a breaker go before its drill ends by itself.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: no drill holds it.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        row = await breakers.find_drill(tx, deployment, now=utc_now())
        if row is None:
            raise NotFound("No drill holds this deployment open.", param="deployment")
        before = {"deployment": deployment, "until": row.until}
        await breakers.end_drill(tx, deployment)
        await audit.write(tx, "breaker.drill_ended", before=before)
    await _obey_now(actor)


async def _obey_now(actor: Actor) -> None:
    # The other processes look within a second; in this one the next request goes by it already.
    now = utc_now()
    async with transaction(actor, readonly=True) as tx:
        drills = {row.deployment: row.until for row in await breakers.list_drills(tx, now=now)}
    breaker_watch.obey(drills, now)


def _deployments(places: Sequence[tuple[str, str, str]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Provider and models by key of the deployment; the built-in model, which cannot fail, is among them."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for model, provider, provider_model in places:
        key = f"{provider}/{provider_model}"
        found[key] = (provider, (*found.get(key, (provider, ()))[1], model))
    return found


async def _require_deployment(tx: Transaction, deployment: str) -> tuple[str, tuple[str, ...]]:
    found = _deployments(await breakers.list_places(tx)).get(deployment)
    if found is None:
        raise NotFound("No model in use is served by a deployment of this name.", param="deployment")
    return found


def _instead(route: Route, key: str) -> str:
    if all(deployment.key != key for deployment in route.deployments):
        return "nothing changes."
    others = [deployment for deployment in route.deployments if deployment.key != key]
    if not others:
        return "nobody else is there, and people are told to try again."
    if route.first.key != key:
        return f"{route.first.model} answers as before; this one no longer stands behind it."
    if others[0].provider.quotes:
        return f"{others[0].model} answers, by quoting the documents, where there is something to quote."
    where = f" at {others[0].provider_name}" if others[0].model == route.first.model else ""
    return f"{others[0].model} answers{where}."


def _view(
    key: str, provider: str, models: tuple[str, ...], reports: Sequence[BreakerTable], drill_until: datetime | None
) -> BreakerView:
    latest = max(reports, key=lambda report: report.changed_at, default=None)
    probes = [report.probe_at for report in reports if report.probe_at is not None]
    requests, retries = sum(report.requests for report in reports), sum(report.retries for report in reports)
    return BreakerView(
        id=key,
        provider=provider,
        models=models,
        state=_state(reports, is_drill=drill_until is not None),
        failures=sum(report.failures for report in reports),
        reason=next((report.reason for report in reports if report.reason), ""),
        next_probe_at=drill_until or min(probes, default=None),
        requests=requests,
        attempts=requests + retries,
        retries=retries,
        skipped=sum(report.skipped for report in reports),
        opened=sum(report.opened for report in reports),
        changed_at=latest.changed_at if latest else None,
        drill_until=drill_until,
        processes=tuple(_process(report) for report in reports),
    )


def _state(reports: Sequence[BreakerTable], *, is_drill: bool) -> str:
    if is_drill:
        return "drill"
    said = {report.state for report in reports}
    order = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)
    return next((str(state) for state in order if state in said), "unasked")


def _process(report: BreakerTable) -> ProcessBreaker:
    return ProcessBreaker(
        process=report.process,
        state=report.state,
        failures=report.failures,
        reason=report.reason,
        next_probe_at=report.probe_at,
        requests=report.requests,
        retries=report.retries,
        skipped=report.skipped,
        changed_at=report.changed_at,
        seen_at=report.seen_at,
    )


_ORDERS: Mapping[str, Callable[[BreakerView], Any]] = {
    "id": lambda view: view.id.casefold(),
    "state": lambda view: STATES.index(view.state),
    "failures": lambda view: view.failures,
    "requests": lambda view: view.requests,
    "retries": lambda view: view.retries,
}
_FILTERS: Mapping[str, Callable[[BreakerView], str]] = {
    "id": lambda view: view.id,
    "state": lambda view: view.state,
    "provider": lambda view: view.provider,
}


def _page(views: list[BreakerView], wanted: Mapping[str, str]) -> ListPage[BreakerView]:
    """What is asked for of a list that is small and whole in memory, in the words of `store.listing`."""
    for name, value in wanted.items():
        if name in _FILTERS:
            # A deployment's name may hold a comma; several are asked for only where values cannot.
            values = {value} if name == "id" else set(value.split(","))
            views = [view for view in views if _FILTERS[name](view) in values]
        elif name == "q":
            views = [view for view in views if value.casefold() in " ".join((view.id, *view.models)).casefold()]
        elif name not in {"order", "limit", "after"}:
            raise InvalidInput(f"There is no filter named “{name[:80]}” here.", param=name[:80])
    order = wanted.get("order", "") or "id"
    if (by := _ORDERS.get(order.removeprefix("-"))) is None:
        raise InvalidInput(f"Order by one of these: {', '.join(_ORDERS)}.", param="order")
    views = sorted(sorted(views, key=_ORDERS["id"]), key=by, reverse=order.startswith("-"))
    limit = page_size(wanted.get("limit", ""))
    ids = [view.id for view in views]
    start = ids.index(wanted["after"]) + 1 if wanted.get("after") in ids else 0
    shown = views[start : start + limit]
    has_more = start + limit < len(views)
    return ListPage(shown, shown[-1].id if has_more else None, len(views), is_total_exact=True)
