from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatapp.settings import Settings
from chatapp.store import job_queue
from tests.fixtures.servers import free_port, running_redis


@pytest.fixture(params=["sqlite", "redis"])
async def queue(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[None]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    job_queue.open_job_queue(settings.data_dir, url)
    yield
    await job_queue.close_job_queue()


def _consume(ingest: Callable[[], None], *, workers: int = 2) -> Callable[[], None]:
    return job_queue.start_consuming({"ingest": ingest, "sweep": lambda: None}, workers=workers)


async def test_a_job_reaches_its_handler_soon(queue: None) -> None:
    done = threading.Event()
    stop = _consume(done.set)
    await job_queue.wake("ingest")
    is_done = await asyncio.to_thread(done.wait, 15)
    await asyncio.to_thread(stop)
    assert is_done


async def test_a_job_waits_for_a_worker_and_for_its_time(queue: None) -> None:
    calls: list[float] = []
    await job_queue.wake("ingest")
    asked = time.monotonic()
    await job_queue.wake("ingest", delay_seconds=1.5)
    stop = _consume(lambda: calls.append(time.monotonic()))
    for _ in range(200):
        if len(calls) == 2:
            break
        await asyncio.sleep(0.1)
    await asyncio.to_thread(stop)
    assert len(calls) == 2
    assert calls[1] - asked > 1.4


async def test_stopping_waits_for_the_job_in_hand(queue: None) -> None:
    started, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        may_end.wait(10)
        ended.set()

    stop = _consume(work)
    await job_queue.wake("ingest")
    assert await asyncio.to_thread(started.wait, 15)
    stopping = asyncio.create_task(asyncio.to_thread(stop))
    await asyncio.sleep(0.3)
    assert not stopping.done()
    may_end.set()
    await stopping
    assert ended.is_set()


async def test_a_queue_that_is_away_takes_nothing_back_from_its_caller(settings: Settings) -> None:
    job_queue.open_job_queue(settings.data_dir, "redis://127.0.0.1:9/0")
    async with asyncio.timeout(5):
        await job_queue.wake("ingest")
        await job_queue.wake("ingest", delay_seconds=1)
    await job_queue.close_job_queue()


async def test_nothing_is_queued_before_the_queue_is_open() -> None:
    with pytest.raises(RuntimeError, match="lifespan"):
        await job_queue.wake("ingest")


async def test_while_redis_is_away_it_is_said_once_and_jobs_go_on_when_it_is_back(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "_LONGEST_PAUSE_SECONDS", 0.5)
    caplog.set_level(logging.WARNING, "huey")
    port, swept, ingested = free_port(), threading.Event(), threading.Event()
    with capture_logs() as told:
        with running_redis(tmp_path, port) as url:
            job_queue.open_job_queue(settings.data_dir, url)
            stop = job_queue.start_consuming({"ingest": ingested.set, "sweep": swept.set}, workers=2)
            await job_queue.wake("ingest")
            assert await asyncio.to_thread(ingested.wait, 15)
        async with asyncio.timeout(15):
            while not told:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)  # three pauses: it is told once all the same
        assert [line["event"] for line in told] == ["job_queue.away"]
        swept.clear()
        ingested.clear()
        with running_redis(tmp_path, port):
            # Whatever was accepted meanwhile is looked for at once, not at the next minute.
            assert await asyncio.to_thread(swept.wait, 15)
            await job_queue.wake("ingest")
            assert await asyncio.to_thread(ingested.wait, 15)
            await asyncio.to_thread(stop)
            await job_queue.close_job_queue()
    assert [line["event"] for line in told] == ["job_queue.away", "job_queue.back"]
    assert caplog.records == []
