"""The worker process: ingestion and periodic jobs. Wiring only."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

from chatapp.services import erasure, ingestion, upkeep
from chatapp.services.lifespan import running
from chatapp.settings import Settings
from chatapp.store import job_queue
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_JOBS_AT_A_TIME = 2
"""One document is parsed and chunked while another is embedded."""
_NICENESS = 10
"""Documents can wait for people's questions."""


async def run(settings: Settings) -> None:
    """Work until asked to stop by SIGTERM or SIGINT; documents in work are given back then.

    Args:
        settings: the process's settings.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    jobs: set[asyncio.Task[Any]] = set()
    async with running(settings, role="worker"):
        stop_consuming = job_queue.start_consuming(
            {
                "ingest": _in_loop(ingestion.ingest_waiting, jobs, stopping),
                "sweep": _in_loop(upkeep.sweep, jobs, stopping),
                "erase": _in_loop(erasure.erase_waiting, jobs, stopping),
            },
            workers=_JOBS_AT_A_TIME,
        )
        await ingestion.resume()
        await job_queue.wake("sweep")
        _log.info("worker.started")
        await stopping.wait()
        for job in jobs:
            job.cancel()
        await asyncio.to_thread(stop_consuming)
    _log.info("worker.stopped")


def _in_loop(
    work: Callable[[], Coroutine[Any, Any, Any]], jobs: set[asyncio.Task[Any]], stopping: asyncio.Event
) -> Callable[[], None]:
    """A handler for the consumer's threads that does the work in the loop, where the parts are open, and waits."""
    loop = asyncio.get_running_loop()

    async def tracked() -> None:
        if stopping.is_set():
            return
        job = asyncio.create_task(work())
        jobs.add(job)
        job.add_done_callback(jobs.discard)
        await asyncio.wait({job})
        if not job.cancelled() and (error := job.exception()) is not None:
            # Logged, not raised: the queue would only log it too, and the next sweep tries again.
            _log.error("job.broken", exc_info=error)

    def handle() -> None:
        try:
            asyncio.run_coroutine_threadsafe(tracked(), loop).result()
        except CancelledError:
            pass  # the process is ending

    return handle
