"""What the web processes have to do: told to each other, to the admin and to Prometheus.

Every two seconds a process says how many hold and want places, and reads the same of the others; without Redis there
are none. What was refused is written down every ten seconds, so that it outlives the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import UpstreamError
from chatapp.limits import refusals
from chatapp.limits.concurrency import concurrency, is_open
from chatapp.limits.fair_queue import Lane
from chatapp.limits.places import Crowd, Places
from chatapp.store import load_reports, sessions
from chatapp.store import refusals as refusal_rows
from chatapp.store.database import system_transaction
from chatapp.telemetry import metrics
from chatapp.telemetry.exposition import Family, collect, expose
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_ROUND_SECONDS = 2.0
_ROUNDS_UNTIL_WRITTEN = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What one process said of itself."""

    crowds: dict[str, list[float]] = field(default_factory=dict)
    """By tenant: answers being made, questions that wait, seconds the first of them has waited."""
    waiting: dict[str, int] = field(default_factory=dict)
    """How many wait for the places of each key."""
    families: list[Family] = field(default_factory=list)


class _Watch:
    """What this process knows of the others; opened and closed by the lifespan."""

    process = ""
    is_shared = False
    others: dict[str, Report] = {}  # noqa: RUF012  # one register a process is what this is
    task: asyncio.Task[None] | None = None


def open_load(*, is_shared: bool) -> None:
    """Begin to tell and to listen.

    Args:
        is_shared: whether there are other processes, and Redis between them.
    """
    _Watch.process, _Watch.is_shared = f"{socket.gethostname()}:{os.getpid()}", is_shared
    _Watch.others = {}
    _Watch.task = asyncio.get_running_loop().create_task(_tell_each_round())


async def close_load() -> None:
    """Write down what was refused, and be gone."""
    task, _Watch.task = _Watch.task, None
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if _Watch.is_shared:
        with contextlib.suppress(UpstreamError):
            await load_reports.forget(_Watch.process)
    await write_refusals()


async def crowd_of(actor: Actor) -> Crowd:
    """How many answers of the actor's tenant are being made and how many wait, over all processes.

    Raises:
        NotPermitted: the actor may not see the admin section.
    """
    actor.require(Permission.READ_ADMIN)
    whole = _crowds().get(actor.tenant_id, Crowd())
    for report in _Watch.others.values():
        running, waiting, oldest = report.crowds.get(str(actor.tenant_id), (0, 0, 0))
        whole += Crowd(int(running), int(waiting), oldest)
    return whole


async def prometheus(actor: Actor) -> bytes:
    """The counts of every process, in Prometheus' text format. They are the installation's: no tenant is told apart.

    Raises:
        NotPermitted: the actor may not read metrics.
    """
    actor.require(Permission.READ_METRICS)
    _measure()
    others = {process: report.families for process, report in _Watch.others.items()}
    return expose({_Watch.process: collect(), **others})


async def write_refusals() -> None:
    """Write down what this process refused; what cannot be written is kept for the next time."""
    counts = refusals.collect()
    if not counts:
        return
    try:
        async with system_transaction() as tx:
            await refusal_rows.add(tx, counts)
    except sessions.DATABASE_FAILURES as error:
        refusals.put_back(counts)
        _log.warning("refusals.not_written", reason=type(error).__name__)


async def _tell_each_round() -> None:
    rounds = 0
    while True:
        with contextlib.suppress(UpstreamError):
            # Without Redis what the others said is forgotten with the next report they leave.
            await _tell()
        rounds += 1
        if rounds % _ROUNDS_UNTIL_WRITTEN == 0:
            await write_refusals()
        await asyncio.sleep(_ROUND_SECONDS)


async def _tell() -> None:
    if not _Watch.is_shared:
        return
    _measure()
    crowds = {str(key): [crowd.running, crowd.waiting, crowd.oldest_seconds] for key, crowd in _crowds().items()}
    own = {"crowds": crowds, "waiting": concurrency().waiting_by_key(), "families": collect()}
    _Watch.others = {}
    found = await load_reports.exchange(_Watch.process, json.dumps(own))
    _Watch.others = {process: Report(**json.loads(text)) for process, text in found.items()}
    elsewhere: Counter[str] = Counter()
    for report in _Watch.others.values():
        elsewhere.update(report.waiting)
    known = concurrency().elsewhere
    known.clear()
    known.update(elsewhere)


def _crowds() -> dict[UUID, Crowd]:
    """By tenant, in this process. Who waits for a provider has begun, and yet counts as one that waits."""
    if not is_open():
        return {}
    made = concurrency()
    crowds = made.turns.crowds()
    for places in made.providers.values():
        for tenant_id, crowd in places.crowds().items():
            waiting = Crowd(-crowd.waiting, crowd.waiting, crowd.oldest_seconds)
            crowds[tenant_id] = crowds.get(tenant_id, Crowd()) + waiting
    return {tenant_id: crowd for tenant_id, crowd in crowds.items() if crowd.running > 0 or crowd.waiting}


def _measure() -> None:
    """Put what there is at this moment into the gauges."""
    made = concurrency()
    queues: dict[str, Places] = {"turns": made.turns}
    queues |= {metrics.bounded(f"provider:{name}"): places for name, places in made.providers.items()}
    for queue, places in queues.items():
        metrics.RUNNING.labels(queue).set(places.crowd().running)
        for lane in Lane:
            crowd = places.crowd_of_lane(lane)
            metrics.WAITING.labels(queue, lane.name.lower()).set(crowd.waiting)
            metrics.OLDEST.labels(queue, lane.name.lower()).set(crowd.oldest_seconds)
    metrics.LOOP_LAG.set(made.lag.seconds)
