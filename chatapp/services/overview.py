"""What the admin's first page shows: is it up, is it fast, is it right, what does it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from chatapp.domain import Actor, DocumentStatus, Permission, utc_now
from chatapp.errors import InvalidInput
from chatapp.services import doctor, load
from chatapp.services.administration import acting_in
from chatapp.settings import get_settings
from chatapp.store import overview, refusals
from chatapp.store.database import system_transaction, transaction
from chatapp.store.overview import Measures

RANGES: Mapping[str, int] = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
"""Spans the page offers, in days; the first goes by hours."""
DEFAULT_RANGE = "7d"
_HOURLY = "24h"
_KEPT_DAYS = 2 * max(RANGES.values())
"""The longest span and the one before it."""
_TENANTS_AT_ONCE = 20
_LABELS = {"database": "Database", "redis": "Redis", "vector_index": "Vector index"}

Unit = Literal["number", "milliseconds", "share", "money"]
State = Literal["good", "warn", "bad", "none"]


@dataclass(frozen=True, slots=True)
class Dependency:
    """One server the product needs."""

    name: str
    label: str
    state: str
    """`ok`, or why not."""


@dataclass(frozen=True, slots=True)
class Point:
    """A figure in one part of the span, beside the same part of the span before."""

    at: datetime
    """When the part begins, UTC."""
    now: float | None
    """None: there is nothing it could be made from."""
    before: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the page."""

    name: str
    label: str
    help: str
    unit: Unit
    is_high_good: bool | None
    """None: neither, as for a count."""
    target: float | None
    """What it should be: at least where high is good, at most where low is; None: nothing is asked of it."""
    now: float | None
    before: float | None
    change: float | None
    """Share by which it grew against the span before; None: one of them is missing or the one before was 0."""
    state: State
    """Against the target."""
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """Documents on their way in."""

    waiting: int
    running: int
    failed: int
    ready: int


@dataclass(frozen=True, slots=True)
class Load:
    """Answers in the making over all web processes, and questions turned away because too much was asked."""

    running: int
    waiting: int
    oldest_seconds: float
    """How long the question waits that has waited longest; 0: none does."""
    refused: int
    """In the span."""
    refused_before: int
    """In the span before."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole page."""

    span: str
    """Of `RANGES`."""
    since: datetime
    until: datetime
    dependencies: tuple[Dependency, ...]
    figures: tuple[Figure, ...]
    queue: Queue
    load: Load


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    label: str
    help: str
    unit: Unit
    of: Callable[[Measures], float | None]
    is_high_good: bool | None = None
    target: float | None = None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


_KINDS: tuple[_Kind, ...] = (
    _Kind("answers", "Answers", "Questions that were answered or failed.", "number", lambda m: m.answers),
    _Kind(
        "ttft_p50", "First token, median", "Half of the answers begin sooner.", "milliseconds",
        lambda m: overview.percentile(m.ttft, 0.5), False, 1_000,
    ),
    _Kind(
        "ttft_p95", "First token, p95", "19 of 20 answers begin sooner.", "milliseconds",
        lambda m: overview.percentile(m.ttft, 0.95), False, 3_000,
    ),
    _Kind(
        "latency_p50", "Whole answer, median", "Half of the answers are complete sooner.", "milliseconds",
        lambda m: overview.percentile(m.latency, 0.5), False, 8_000,
    ),
    _Kind(
        "latency_p95", "Whole answer, p95", "19 of 20 answers are complete sooner.", "milliseconds",
        lambda m: overview.percentile(m.latency, 0.95), False, 20_000,
    ),
    _Kind(
        "failed", "Failed", "Share of questions that got no answer.", "share",
        lambda m: _share(m.failed, m.answers), False, 0.01,
    ),
    _Kind(
        "thumbs_up", "Rated good", "Share of the rated answers with a thumb up.", "share",
        lambda m: _share(m.good, m.good + m.bad), True, 0.8,
    ),
    _Kind(
        "uncited", "Without sources", "Share of answers that point to no source.", "share",
        lambda m: _share(m.uncited, m.answers - m.failed), False, 0.15,
    ),
    _Kind("cost", "Cost", "What models were paid for.", "money", lambda m: m.cost_micro_usd),
    _Kind(
        "cost_per_answer", "Cost an answer", "What one answer costs on average.", "money",
        lambda m: m.cost_micro_usd / m.answers if m.answers else None,
    ),
    _Kind(
        "tokens", "Tokens", "Read and written by models.", "number",
        lambda m: m.input_tokens + m.output_tokens,
    ),
)  # fmt: skip


async def get(actor: Actor, *, span: str = DEFAULT_RANGE, now: datetime | None = None) -> Overview:
    """The page for one span and the same length of time before it.

    Args:
        actor: who looks; figures are their tenant's, dependencies the installation's.
        span: of `RANGES`.
        now: the moment the span ends; None: this one.

    Raises:
        NotPermitted: the actor may not see the admin section.
        InvalidInput: there is no such span.
    """
    actor.require(Permission.READ_ADMIN)
    if span not in RANGES:
        raise InvalidInput(f"range is one of {', '.join(RANGES)}.", param="range")
    until = now or utc_now()
    since, before, step = _span(span, until)
    if span != _HOURLY:
        await _keep_days(actor, before, until)
    async with transaction(actor, readonly=True) as tx:
        count = overview.hours if span == _HOURLY else overview.days
        slots = await count(tx, before, until)
        statuses = await overview.documents_by_status(tx)
        refused = await refusals.count(tx, since, until + step), await refusals.count(tx, before, since)
    figures = _figures(slots, since, until, step)
    crowd = await load.crowd_of(actor)
    return Overview(
        span=span,
        since=since,
        until=until,
        dependencies=tuple(await dependencies(actor)),
        figures=figures,
        queue=_queue(statuses),
        load=Load(crowd.running, crowd.waiting, crowd.oldest_seconds, *refused),
    )


async def get_of(actor: Actor, tenant_id: UUID, *, span: str = DEFAULT_RANGE) -> Overview:
    """As `get`, for the tenant an address names.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for this actor.
        InvalidInput: there is no such span.
    """
    return await get(await acting_in(actor, tenant_id, Permission.READ_ADMIN), span=span)


async def dependencies(actor: Actor) -> list[Dependency]:
    """The state of each server the product needs.

    Raises:
        NotPermitted: the actor may not see the admin section.
    """
    actor.require(Permission.READ_ADMIN)
    states = await doctor.readiness(get_settings())
    return [Dependency(name, _LABELS.get(name, name), state) for name, state in states.items()]


async def keep_ended_days(now: datetime | None = None) -> int:
    """Sum up, in every tenant, the days that are over, so that no admin waits for it; for the worker.

    Args:
        now: the present moment; None: this one.

    Returns:
        how many tenants were brought up to date; at most 20 a time.
    """
    today = (now or utc_now()).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    async with system_transaction(readonly=True) as tx:
        found = await overview.tenants_to_keep(tx, f"{yesterday:%Y-%m-%d}", limit=_TENANTS_AT_ONCE)
    for tenant_id in found:
        worker = Actor(tenant_id, None, frozenset(), name="worker", is_system=True)
        await _keep_days(worker, today - timedelta(days=_KEPT_DAYS), today)
        async with transaction(worker) as tx:
            # Also where the last trace is older than that: the tenant need not be found again today.
            await overview.keep_days(tx, yesterday, today)
    return len(found)


async def _keep_days(actor: Actor, since: datetime, until: datetime) -> None:
    """Sum up the days that ended since somebody last looked, so that nobody waits for them again."""
    today = until.replace(hour=0, minute=0, second=0, microsecond=0)
    async with transaction(actor, readonly=True) as tx:
        first = await overview.first_trace(tx)
        is_all_kept = first is None or await overview.is_kept(tx, max(since, first), today)
    if first is not None and not is_all_kept:
        async with transaction(actor) as tx:
            await overview.keep_days(tx, max(since, first), today)


def _span(span: str, until: datetime) -> tuple[datetime, datetime, timedelta]:
    """When the span and the one before it begin, and the length of its parts."""
    if span == _HOURLY:
        step = timedelta(hours=1)
        since = until.replace(minute=0, second=0, microsecond=0) - 23 * step
        return since, since - 24 * step, step
    step, days = timedelta(days=1), RANGES[span]
    since = until.replace(hour=0, minute=0, second=0, microsecond=0) - (days - 1) * step
    return since, since - days * step, step


def _figures(slots: Mapping[str, Measures], since: datetime, until: datetime, step: timedelta) -> tuple[Figure, ...]:
    count = -((since - until) // step)
    length = count * step
    starts = [since + number * step for number in range(count)]
    keys = [_key(at, step) for at in starts]
    keys_before = [_key(at - length, step) for at in starts]
    now, before = _sum(slots, keys), _sum(slots, keys_before)
    return tuple(
        _figure(kind, now, before, tuple(_points(kind, slots, zip(starts, keys, keys_before, strict=True))))
        for kind in _KINDS
    )


def _points(kind: _Kind, slots: Mapping[str, Measures], parts: Iterable[tuple[datetime, str, str]]) -> Iterator[Point]:
    for at, key, key_before in parts:
        yield Point(at, _of(kind, slots.get(key)), _of(kind, slots.get(key_before)))


def _figure(kind: _Kind, whole: Measures, whole_before: Measures, points: tuple[Point, ...]) -> Figure:
    now, before = _of(kind, whole), _of(kind, whole_before)
    return Figure(
        name=kind.name,
        label=kind.label,
        help=kind.help,
        unit=kind.unit,
        is_high_good=kind.is_high_good,
        target=kind.target,
        now=now,
        before=before,
        change=(now - before) / before if now is not None and before else None,
        state=_state(kind, now),
        points=points,
    )


def _sum(slots: Mapping[str, Measures], keys: Iterable[str]) -> Measures:
    whole = Measures()
    for key in keys:
        if (found := slots.get(key)) is not None:
            whole.add(found)
    return whole


def _of(kind: _Kind, measures: Measures | None) -> float | None:
    value = None if measures is None else kind.of(measures)
    return None if value is None else float(value)


def _key(at: datetime, step: timedelta) -> str:
    return f"{at:%Y-%m-%d %H}" if step < timedelta(days=1) else f"{at:%Y-%m-%d}"


def _state(kind: _Kind, now: float | None) -> State:
    """Good at the target, a warning up to half as far off again, bad beyond."""
    if now is None or kind.target is None:
        return "none"
    if kind.is_high_good:
        return "good" if now >= kind.target else "warn" if now >= kind.target * 2 / 3 else "bad"
    return "good" if now <= kind.target else "warn" if now <= kind.target * 1.5 else "bad"


def _queue(statuses: Mapping[DocumentStatus, int]) -> Queue:
    return Queue(
        waiting=statuses.get(DocumentStatus.QUEUED, 0),
        running=statuses.get(DocumentStatus.RUNNING, 0),
        failed=statuses.get(DocumentStatus.FAILED, 0),
        ready=statuses.get(DocumentStatus.COMPLETED, 0),
    )
