"""What joins the breakers of one process to those of the others: each tells where its own stand, and obeys drills.

Whether a request goes out is decided by the process's own breaker, in memory. This task reads the drills and writes
the reports beside it, so that no answer ever waits for either.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

from chatapp.domain import utc_now
from chatapp.routing.breaker import Breaker, all_breakers, breaker_of
from chatapp.store import breakers, sessions
from chatapp.store.database import system_transaction
from chatapp.store.tables import BreakerTable
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_ROUND_SECONDS = 0.7
"""A drill holds in every process within a second: a round, and the look at the end of it."""
_HEARTBEAT_SECONDS = 10.0
LOST_AFTER_SECONDS = 45.0
"""A process that has said nothing for so long is gone."""
_KEPT = timedelta(days=1)
_MAX_REASON_CHARACTERS = 500


class BreakerWatch:
    """The task of one process."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.process = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._said: dict[str, tuple[object, ...]] = {}
        self._said_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look and tell."""
        self._task = asyncio.create_task(self._look_each_round(), name="breaker watch")

    async def close(self) -> None:
        """End, and take back what was said: a process that is gone has no breakers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with system_transaction() as tx:
                await breakers.forget_reports(tx, process=self.process, before=utc_now() - _KEPT)
        except sessions.DATABASE_FAILURES as error:
            _log.warning("breakers.not_taken_back", reason=type(error).__name__)

    async def look(self) -> None:
        """Obey the drills there are, and tell what has changed; now and then everything, as a sign of life."""
        now = utc_now()
        async with system_transaction(readonly=True) as tx:
            drills = {row.deployment: row.until for row in await breakers.list_drills(tx, now=now)}
        obey(drills, now)
        is_due = time.monotonic() - self._said_at >= _HEARTBEAT_SECONDS
        standing = {key: _standing(breaker) for key, breaker in all_breakers().items()}
        changed = [key for key, value in standing.items() if is_due or self._said.get(key) != value]
        if not changed:
            return
        reports = [self._report(breaker_of(key), now) for key in changed]
        async with system_transaction() as tx:
            await breakers.save(tx, reports)
        self._said = standing
        self._said_at = time.monotonic() if is_due else self._said_at

    async def _look_each_round(self) -> None:
        while True:
            # Breakers work without it; whatever fails here, what was to be told is told in the next round.
            (error,) = await asyncio.gather(self.look(), return_exceptions=True)
            if isinstance(error, Exception):
                _log.warning("breakers.not_told", error=repr(error))
            await asyncio.sleep(_ROUND_SECONDS)

    def _report(self, breaker: Breaker, now: datetime) -> BreakerTable:
        wait = breaker.seconds_until_probe()
        return BreakerTable(
            process=self.process,
            deployment=breaker.key,
            state=breaker.state,
            failures=breaker.failures,
            reason=breaker.reason[:_MAX_REASON_CHARACTERS],
            probe_at=now + timedelta(seconds=wait) if wait else None,
            requests=breaker.counts.requests,
            retries=breaker.counts.retries,
            skipped=breaker.counts.skipped,
            opened=breaker.counts.opened,
            changed_at=breaker.changed_at,
            seen_at=now,
        )


class _Watch:
    """The process's watch; opened and closed by the lifespan."""

    watch: BreakerWatch | None = None


def open_breaker_watch() -> None:
    """Begin to tell where this process's breakers stand, and to obey drills."""
    _Watch.watch = BreakerWatch()
    _Watch.watch.open()


async def close_breaker_watch() -> None:
    """End it."""
    watch, _Watch.watch = _Watch.watch, None
    if watch is not None:
        await watch.close()


def obey(drills: Mapping[str, datetime], now: datetime) -> None:
    """Hold the breakers of these deployments open until their moments, and let every other one go."""
    for key, until in drills.items():
        breaker_of(key).hold_open((until - now).total_seconds())
    for key, breaker in all_breakers().items():
        if key not in drills and breaker.is_held:
            breaker.hold_open(0)


def _standing(breaker: Breaker) -> tuple[object, ...]:
    """What is told at once when it changes; how often it was asked can wait for the next sign of life."""
    return breaker.state, breaker.is_held, breaker.failures, breaker.reason, breaker.counts.opened
