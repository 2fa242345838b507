"""S12: answers per second at three times what can be answered, beside the most that can be; and how soon refusals come.

The scripted provider takes a few requests at once, so what can be answered is known: the peak is measured with just
enough clients, each asking again when it has its answer. Then questions come at three times that rate whether or not
those before were answered. Whoever is refused has to be told at once, with when to come back.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.bench.gateways import Gateway, pin, scripted_provider
from tests.bench.peers import BENCH_DIR, process
from tests.bench.row import Row
from tests.fixtures.servers import free_port

NAME = "overload"
_PLACES = 6
_MODEL = "scripted?tokens=20&latency_ms=200"
_QUEUE_SECONDS = "2"
_ROUNDS = 5
_PEAK_SECONDS = 5.0
_LOAD_SECONDS = 8.0
_SETTLE_SECONDS = 2.0
"""Of the load, before what ends is counted: the queue fills first."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What became of one question."""

    status: int
    began: float
    took: float
    retry_after: str | None


async def run() -> list[Row]:
    """Peak and load in turn, five times; medians."""
    peaks: list[float] = []
    goodputs: list[float] = []
    refusals: list[float] = []
    untold = 0
    async with scripted_provider() as upstream, _ours(upstream) as gateway:
        await _peak(gateway, 2.0)
        for _ in range(_ROUNDS):
            peaks.append(await _peak(gateway, _PEAK_SECONDS))
            asked = await _load(gateway, 3 * peaks[-1])
            goodputs.append(_goodput(asked))
            refused = [each for each in asked if each.status == 429]
            refusals.append(_p95([each.took * 1000 for each in refused]))
            untold += sum(not each.retry_after for each in refused)
            strange = {each.status for each in asked} - {200, 429}
            if strange:
                raise RuntimeError(f"answered with {sorted(strange)}")
    if untold:
        raise RuntimeError(f"{untold} refusals did not say when to come back")
    peak, goodput = statistics.median(peaks), statistics.median(goodputs)
    late = statistics.median(refusals)
    quartiles = " to ".join(f"{value:.1f}" for value in statistics.quantiles(goodputs, n=4)[::2])
    return [
        Row("S12 goodput at 3 x capacity", goodput, "answers/s", "own peak", peak, goodput / peak, ">= 0.9", quartiles),
        Row("S12 refusals, p95", late, "ms", "limit", 50.0, late / 50.0, "<= 1"),
    ]


@asynccontextmanager
async def _ours(upstream: str) -> AsyncIterator[Gateway]:
    port, log = free_port(), BENCH_DIR / "overload.log"
    command = [sys.executable, "-m", "tests.bench.overload_server", str(port), upstream, str(_PLACES), _MODEL]
    environment = {"CHATAPP_QUEUE_SECONDS": _QUEUE_SECONDS}
    ready = f"http://127.0.0.1:{port}/healthz"
    async with process(command, ready=ready, environment=environment, log=log) as running:
        lines = await asyncio.to_thread(log.read_text)
        key = next(line for line in lines.splitlines() if line.startswith("sk-chatapp-"))
        pin(running, 0)
        yield Gateway(f"http://127.0.0.1:{port}/v1", key, running, {"collections": [], "cache": "bypass"})


async def _peak(gateway: Gateway, seconds: float) -> float:
    """Answers per second with every place taken and three questions waiting for each."""
    until, answered = time.perf_counter() + seconds, 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        while time.perf_counter() < until:
            asked = await _ask(session, gateway)
            answered += asked.status == 200
            if asked.retry_after:
                await asyncio.sleep(float(asked.retry_after))

    began = time.perf_counter()
    async with _session(gateway) as session:
        await asyncio.gather(*(client(session) for _ in range(4 * _PLACES)))
    return answered / (time.perf_counter() - began)


async def _load(gateway: Gateway, rate: float) -> list[_Asked]:
    """Questions at an even rate, whatever becomes of them."""
    async with _session(gateway) as session:
        began, tasks = time.perf_counter(), []
        for number in range(int(rate * _LOAD_SECONDS)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(_ask(session, gateway)))
        return list(await asyncio.gather(*tasks))


def _goodput(asked: list[_Asked]) -> float:
    first = min(each.began for each in asked)
    span = first + _SETTLE_SECONDS, first + _LOAD_SECONDS
    ended = [each for each in asked if each.status == 200 and span[0] <= each.began + each.took < span[1]]
    return len(ended) / (span[1] - span[0])


def _session(gateway: Gateway) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers=gateway.headers, connector=aiohttp.TCPConnector(limit=0))


async def _ask(session: aiohttp.ClientSession, gateway: Gateway) -> _Asked:
    began = time.perf_counter()
    body = gateway.body(_MODEL, is_stream=False)
    async with session.post(f"{gateway.url}/chat/completions", json=body) as response:
        await response.read()
        return _Asked(response.status, began, time.perf_counter() - began, response.headers.get("Retry-After"))


def _p95(values: list[float]) -> float:
    if not values:
        raise RuntimeError("nothing was refused")
    return sorted(values)[int(0.95 * (len(values) - 1))]
