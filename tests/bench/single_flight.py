"""S7, single flight: fifty identical requests at once, beside the LiteLLM proxy with its cache switched on.

What is counted is the calls in the scripted provider's own log. The proxy's cache holds answers that are complete, so
requests in flight do not find one another; ours holds the requests themselves.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace

import aiohttp

from tests.bench.gateways import Gateway, our_gateway, scripted_provider
from tests.bench.peers import PeerMissing, litellm_proxy
from tests.bench.row import Row

NAME = "single_flight"
_MODEL = "scripted?tokens=20&latency_ms=1000"
"""As long as a quick model takes: who comes when the answer is complete is no longer in flight with it."""
_AT_ONCE = 50
_ROUNDS = 5


async def run() -> list[Row]:
    """Peer, ours, ours, peer in each of five rounds; medians."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_provider())
        ours = replace(await stack.enter_async_context(our_gateway(upstream, [_MODEL])), extra={"collections": []})
        subjects = {"ours": ours}
        try:
            url, running = await stack.enter_async_context(litellm_proxy(upstream, [_MODEL], has_cache=True))
            subjects = {"peer": Gateway(url, "sk-bench", running), "ours": ours}
        except PeerMissing as reason:
            sys.stdout.write(f"LiteLLM proxy: {reason}.\n")
        calls: dict[str, list[int]] = {name: [] for name in subjects}
        seconds: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(_ROUNDS + 1):
            for name in (*subjects, *reversed(subjects)):
                made, took = await _round(subjects[name], upstream, f"{name} {number} {len(calls[name])}")
                # The first warms up.
                if number:
                    calls[name].append(made)
                    seconds[name].append(took)
    return _rows(calls, seconds)


def _rows(calls: dict[str, list[int]], seconds: dict[str, list[float]]) -> list[Row]:
    made, took = max(calls["ours"]), statistics.median(seconds["ours"]) * 1000
    title = f"S7 {_AT_ONCE} identical requests at once"
    rows = [Row(f"{title}: calls to the provider", made, "calls", "one call", 1, made, "<= 1")]
    if "peer" in calls:
        theirs, late = statistics.median(calls["peer"]), statistics.median(seconds["peer"]) * 1000
        rows.append(Row(f"{title}: calls to the provider", made, "calls", "LiteLLM proxy", theirs, made / theirs, ""))
        rows.append(Row(f"{title}: median wait", took, "ms", "LiteLLM proxy", late, took / late, ""))
    return rows


async def _round(gateway: Gateway, upstream: str, question: str) -> tuple[int, float]:
    """Calls made for it, and the median time to the whole answer in seconds."""
    async with aiohttp.ClientSession(headers=gateway.headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        before = await _calls(session, upstream)
        took = await asyncio.gather(*(_ask(session, gateway, question) for _ in range(_AT_ONCE)))
        return await _calls(session, upstream) - before, statistics.median(took)


async def _ask(session: aiohttp.ClientSession, gateway: Gateway, question: str) -> float:
    began = time.perf_counter()
    body = {"model": _MODEL, "messages": [{"role": "user", "content": question}], **gateway.extra}
    async with session.post(f"{gateway.url}/chat/completions", json=body) as response:
        response.raise_for_status()
        await response.read()
    return time.perf_counter() - began


async def _calls(session: aiohttp.ClientSession, upstream: str) -> int:
    async with session.get(f"{upstream.removesuffix('/v1')}/calls") as response:
        return len(await response.json())
