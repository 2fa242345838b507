"""E5: how soon the provider is let go when a client leaves in mid-answer, beside the LiteLLM proxy in the same run.

Clients come in groups, read the first text of a long answer, and close their connection. The provider's own log says
when its connection was closed; both read the clock of the machine, so one is taken from the other.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack

from tests.bench.gateways import PEER, Gateway, client, our_gateway, peer_gateway, quantile, stream
from tests.bench.peers import PeerMissing
from tests.bench.row import Row
from tests.upstream.server import Upstream

_MODEL = "scripted?tokens=4000&gap_ms=10"
_GROUPS, _TOGETHER = 100, 10
_PEER_GROUPS = 10
_DEADLINE_SECONDS = 0.3
_LOST_SECONDS = 3.0


async def run() -> list[Row]:
    """A thousand clients of ours leave; fewer of the peer's."""
    async with AsyncExitStack() as stack:
        upstream = Upstream()
        await upstream.open()
        stack.push_async_callback(upstream.close)
        ours = await stack.enter_async_context(our_gateway(upstream.url, [_MODEL]))
        found = await _leave(upstream, ours, _GROUPS)
        left_open = upstream.open_connections
        try:
            peer = await stack.enter_async_context(peer_gateway(upstream.url, [_MODEL]))
            theirs = await _leave(upstream, peer, _PEER_GROUPS)
        except PeerMissing as reason:
            sys.stdout.write(f"{PEER}: {reason}; there is nothing to compare with.\n")
            theirs = [float("nan")]
    share, their_share = (_share_in_time(values) for values in (found, theirs))
    p99, their_p99 = (quantile(values, 0.99) * 1000 for values in (found, theirs))
    title = "E5 provider let go"
    return [
        Row(f"{title} within 300 ms", share, "share", PEER, their_share, share / their_share, "ours >= 0.99"),
        Row(f"{title}, p50", quantile(found, 0.5) * 1000, "ms", PEER, quantile(theirs, 0.5) * 1000, 1.0, ""),
        Row(f"{title}, p99", p99, "ms", PEER, their_p99, p99 / their_p99, "ours <= 300"),
        Row("E5 connections left open", left_open, "", "-", 0, 1.0, "0"),
    ]


async def _leave(upstream: Upstream, gateway: Gateway, groups: int) -> list[float]:
    """Seconds from leaving to the close at the provider, one a client."""
    found: list[float] = []
    for _ in range(groups):
        first = len(upstream.calls)
        left = await asyncio.gather(*(_ask_and_leave(gateway) for _ in range(_TOGETHER)))
        calls = upstream.calls[first:]
        by = time.perf_counter() + _LOST_SECONDS
        while any(call.closed_by_client is None for call in calls) and time.perf_counter() < by:
            await asyncio.sleep(0.01)
        # In a group all leave within moments: the earliest close belongs to the earliest leave.
        closed = sorted(call.closed_by_client or by for call in calls)
        found += [max(0.0, end - begin) for begin, end in zip(sorted(left), closed, strict=True)]
    return found


async def _ask_and_leave(gateway: Gateway) -> float:
    async with client(gateway) as session:
        pieces = stream(session, gateway, _MODEL)
        async for text in pieces:
            if text:
                break
        # Not put back among those to use again: closed, as a browser's is when its tab goes.
        await pieces.aclose()
        left = time.perf_counter()
    return left


def _share_in_time(values: list[float]) -> float:
    return sum(value <= _DEADLINE_SECONDS for value in values) / len(values)
