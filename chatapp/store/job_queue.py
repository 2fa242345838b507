"""The queue that wakes workers, on huey: a SQLite file in the data folder, or Redis.

A job is a name and nothing else. What there is to do stands in the database, so a lost or doubled job costs nothing,
and a queue that cannot be reached costs time only: the sweep of each minute finds what waits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from huey import Huey, RedisHuey, SqliteHuey, crontab
from huey.api import TaskWrapper
from huey.consumer import Consumer, Scheduler, Worker

from chatapp.errors import RedisUnavailable
from chatapp.store import redis

_log = structlog.get_logger(__name__)

JobName = Literal["ingest", "sweep", "erase"]

_POLL_SECONDS = 0.25
"""Longest wait of an idle consumer on SQLite; Redis wakes it at once."""
_LONGEST_PAUSE_SECONDS = 10.0
"""Between two tries to reach a Redis that is away."""


class _Queue:
    """The process's queue and what a worker does with its jobs; set by the lifespan and by `consume`."""

    huey: Huey | None = None
    run: TaskWrapper
    handlers: Mapping[JobName, Callable[[], None]]


def open_job_queue(data_dir: Path, redis_url: str = "") -> None:
    """Open the queue. Nothing is connected to until the first job.

    Args:
        data_dir: where the SQLite file is kept when there is no Redis.
        redis_url: address of Redis; empty: SQLite.
    """
    huey = (
        RedisHuey("chatapp", connection_pool=redis.make_blocking_pool(redis_url), results=False)
        if redis_url
        else SqliteHuey("chatapp", filename=str(data_dir / "jobs.db"), results=False, timeout=10)
    )
    _Queue.run = huey.task(name="run")(_run)
    huey.periodic_task(crontab(minute="*"), name="sweep_each_minute")(_sweep_each_minute)
    _Queue.huey = huey


async def close_job_queue() -> None:
    """Close the queue's connection."""
    huey, _Queue.huey = _Queue.huey, None
    if huey is not None:
        await asyncio.to_thread(huey.storage.close)


def _huey() -> Huey:
    if _Queue.huey is None:
        raise RuntimeError("the job queue is not open: run inside the lifespan")
    return _Queue.huey


def _run(name: JobName) -> None:
    _Queue.handlers[name]()


def _sweep_each_minute() -> None:
    _Queue.handlers["sweep"]()


async def wake(name: JobName, *, delay_seconds: float = 0.0) -> None:
    """Ask a worker to do a kind of job; with Redis away it is done at the next sweep after it is back.

    Args:
        name: which.
        delay_seconds: not before so many seconds.
    """
    _huey()
    try:
        with redis.translated():
            if delay_seconds > 0:
                await asyncio.to_thread(_Queue.run.schedule, args=(name,), delay=delay_seconds)
            else:
                await asyncio.to_thread(_Queue.run, name)
    except RedisUnavailable as error:
        # on_failure="allow": what was accepted stays accepted; the row says what there is to do.
        _log.warning("job_queue.unreachable", job=name, reason=str(error.__cause__))


def start_consuming(handlers: Mapping[JobName, Callable[[], None]], *, workers: int) -> Callable[[], None]:
    """Start threads that take jobs and call their handlers; returns what stops them and waits.

    Args:
        handlers: what to call for each kind of job, in a thread of the consumer.
        workers: how many jobs at a time, 1 or more.
    """
    _Queue.handlers = handlers
    logging.getLogger("huey").setLevel(logging.WARNING)
    _Outage.pause_seconds = 0.0
    for name in ("huey", "huey.consumer.Worker", "huey.consumer.Scheduler"):
        if _told_already not in logging.getLogger(name).filters:
            logging.getLogger(name).addFilter(_told_already)
    consumer = _Consumer(
        _huey(), workers=workers, periodic=True, initial_delay=0.05, backoff=1.2, max_delay=_POLL_SECONDS
    )
    consumer.start()

    def stop() -> None:
        consumer.stop(graceful=True)

    return stop


class _Outage:
    """Whether Redis is away, for all threads of the consumer: told once, and asked after growing pauses."""

    pause_seconds: float = 0.0
    """0 while it answers."""
    lock = threading.Lock()


def _told_already(record: logging.LogRecord) -> bool:
    """Let a line of huey's through unless it is a trace of Redis being away: `_is_there` says that in a sentence."""
    return not (record.exc_info and redis.is_outage(record.exc_info[1]))


def _is_there(huey: Huey, stopping: threading.Event) -> bool:
    """Whether the queue answers; when it does not, returns after a pause."""
    if not isinstance(huey, RedisHuey):
        return True
    try:
        with redis.translated():
            huey.storage.queue_size()
    except RedisUnavailable as error:
        with _Outage.lock:
            if not _Outage.pause_seconds:
                _log.warning("job_queue.away", reason=str(error.__cause__), advice="jobs go on when Redis is back")
            pause = _Outage.pause_seconds = min(_LONGEST_PAUSE_SECONDS, _Outage.pause_seconds * 2 or _POLL_SECONDS)
        stopping.wait(pause)
        return False
    with _Outage.lock:
        was_away, _Outage.pause_seconds = _Outage.pause_seconds > 0, 0.0
    if was_away:
        _log.warning("job_queue.back")
        _wake_after_outage()
    return True


def _wake_after_outage() -> None:
    # What was accepted meanwhile woke nobody, and its minute may be a whole one.
    try:
        with redis.translated():
            _Queue.run("sweep")
    except RedisUnavailable:
        pass  # away again: the next return does it


class _Worker(Worker):
    """Takes jobs while the queue answers."""

    def loop(self, now: datetime | None = None) -> None:
        """Do one job, or wait."""
        if _is_there(self.huey, self.stop_flag):
            super().loop(now)


class _Scheduler(Scheduler):
    """Puts jobs into the queue at their time while it answers."""

    def loop(self, now: datetime | None = None) -> None:
        """Look once what is due."""
        if _is_there(self.huey, self.stop_flag):
            super().loop(now)


class _Consumer(Consumer):
    """huey's consumer as a part of our process: signals stay with the worker's own loop."""

    worker_class = _Worker
    scheduler_class = _Scheduler

    def _set_signal_handlers(self) -> None:
        """Leave them alone."""
