"""S4: what relaying a provider's stream costs, beside an aiohttp loop and the LiteLLM proxy in the same run.

The scripted provider sends each token as an event of its own, without a pause. The floor is an aiohttp client that
parses each event. Ours is the whole product: HTTP server, sign-in by key, turn, turn log, trace and the events out
again as OpenAI's wire has them; text goes on in frames, and what is counted is the provider's chunks. The proxy gets
the same requests. CPU is that of the serving process, all its threads; the clients' is not counted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from tests.bench.gateways import Gateway, our_gateway, peer_gateway, scripted_provider
from tests.bench.peers import PeerMissing
from tests.bench.row import Row
from tests.upstream.script import read_script

NAME = "stream_relay"
_LENGTHS = (100, 4_000)
_ROUNDS = 5
_REQUESTS = {100: 10, 4_000: 1}


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one round."""

    cpu_ms: float
    """A chunk."""
    chunks_per_second: float


_Subject = Callable[[int], Awaitable[_Cost]]


async def run() -> list[Row]:
    """Measure floor, peer, ours, ours, peer, floor in each of five rounds; medians."""
    models = [_model(length) for length in _LENGTHS]
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_provider())
        ours = _served(await stack.enter_async_context(our_gateway(upstream, models)))
        try:
            peer = _served(await stack.enter_async_context(peer_gateway(upstream, models)))
            peer_name = "LiteLLM proxy"
        except PeerMissing as reason:
            sys.stdout.write(f"LiteLLM proxy: {reason}; its client library in this process is measured instead.\n")
            peer, peer_name = _litellm_in_process(upstream), "litellm in process"
        subjects = {"floor": _floor(upstream), "peer": peer, "ours": ours}
        costs = {length: await _measure(length, subjects) for length in _LENGTHS}
    return _rows(costs, peer_name)


async def _measure(length: int, subjects: Mapping[str, _Subject]) -> dict[str, _Cost]:
    """The median cost of each subject over all rounds, after one that warms up."""
    costs: dict[str, list[_Cost]] = {name: [] for name in subjects}
    for subject in subjects.values():
        await subject(length)
    for _ in range(_ROUNDS):
        for name in (*subjects, *reversed(subjects)):
            costs[name].append(await subjects[name](length))
    return {
        name: _Cost(
            statistics.median(cost.cpu_ms for cost in measured),
            statistics.median(cost.chunks_per_second for cost in measured),
        )
        for name, measured in costs.items()
    }


def _rows(costs: Mapping[int, Mapping[str, _Cost]], peer: str) -> list[Row]:
    short, long = _LENGTHS

    def further(name: str) -> float:
        """CPU of one more chunk: what is left when the cost of a request is taken off."""
        return (costs[long][name].cpu_ms * long - costs[short][name].cpu_ms * short) / (long - short)

    ours, floor = further("ours"), further("floor")
    rows = [Row("S4 relay: CPU of a further chunk", ours, "ms", "aiohttp loop", floor, ours / floor, "<= 6")]
    for length in _LENGTHS:
        cost = costs[length]
        title = f"S4 answer of {length:,} tokens"
        figure, reference = cost["ours"].chunks_per_second, cost["peer"].chunks_per_second
        rows.append(Row(f"{title}: speed", figure, "chunks/s", peer, reference, figure / reference, ">= 6"))
        for name, label in (("floor", "aiohttp loop"), ("peer", peer)):
            figure, reference = cost["ours"].cpu_ms, cost[name].cpu_ms
            rows.append(Row(f"{title}: CPU in all", figure, "ms/chunk", label, reference, figure / reference, ""))
    return rows


def _model(length: int) -> str:
    return f"scripted?tokens={length}"


def _served(gateway: Gateway) -> _Subject:
    """A server of OpenAI's wire, asked for streams one after the other."""

    async def measure(length: int) -> _Cost:
        before, began = gateway.cpu_seconds(), time.perf_counter()
        async with aiohttp.ClientSession(headers=gateway.headers) as session:
            for _ in range(_REQUESTS[length]):
                await _read(session, gateway.url, length, extra={"collections": [], "cache": "bypass"})
        took = time.perf_counter() - began
        # What the server still does behind the last byte, its log for one, belongs to it.
        await asyncio.sleep(0.3)
        chunks = length * _REQUESTS[length]
        return _Cost((gateway.cpu_seconds() - before) * 1000 / chunks, chunks / took)

    return measure


def _floor(upstream: str) -> _Subject:
    """An aiohttp client in this process that parses each event, and does nothing with it."""

    async def measure(length: int) -> _Cost:
        before, began = time.process_time(), time.perf_counter()
        async with aiohttp.ClientSession() as session:
            for _ in range(_REQUESTS[length]):
                await _read(session, upstream, length)
        chunks = length * _REQUESTS[length]
        return _Cost((time.process_time() - before) * 1000 / chunks, chunks / (time.perf_counter() - began))

    return measure


async def _read(session: aiohttp.ClientSession, url: str, length: int, extra: dict[str, object] | None = None) -> None:
    body = {
        "model": _model(length),
        "stream": True,
        "messages": [{"role": "user", "content": "Count"}],
        **(extra or {}),
    }
    pieces: list[str] = []
    async with session.post(f"{url}/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:]).get("choices") or ():
                    pieces.append((choice.get("delta") or {}).get("content") or "")
    expected = "".join(read_script(_model(length)).deltas({}))
    if "".join(pieces) != expected:
        raise RuntimeError(f"{url} lost or changed text")


def _litellm_in_process(upstream: str) -> _Subject:
    async def measure(length: int) -> _Cost:
        from litellm import acompletion

        before, began = time.process_time(), time.perf_counter()
        for _ in range(_REQUESTS[length]):
            stream = await acompletion(
                model=f"openai/{_model(length)}",
                messages=[{"role": "user", "content": "Count"}],
                api_base=upstream,
                api_key="sk-upstream",
                stream=True,
            )
            async for _ in stream:  # pyright: ignore[reportGeneralTypeIssues]
                pass
        await asyncio.sleep(0.3)
        chunks = length * _REQUESTS[length]
        return _Cost((time.process_time() - before) * 1000 / chunks, chunks / (time.perf_counter() - began))

    return measure
