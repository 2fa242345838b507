"""S1: the time to the first text that our whole pipeline adds, beside the LiteLLM proxy in the same run.

The scripted provider answers at once. Ours signs in by key, lets in, plans, writes the turn, asks, relays, cites and
records with a trace; nothing is searched and no cache is asked. The proxy checks its key and relays. What asking the
provider directly takes is taken off both.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

from tests.bench.gateways import (
    PEER,
    Gateway,
    client,
    first_text_ms,
    our_gateway,
    peer_gateway,
    quantile,
    scripted_provider,
    side_by_side,
    spread,
)
from tests.bench.peers import PeerMissing
from tests.bench.row import Row

_MODEL = "scripted?tokens=20"
_ROUNDS = 5
_REQUESTS = {1: 40, 16: 96}
"""In a round, by how many ask at once."""


async def run() -> list[Row]:
    """Direct, peer, ours, ours, peer, direct in each of five rounds."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_provider())
        subjects = {"direct": Gateway(upstream)}
        try:
            subjects["peer"] = await stack.enter_async_context(peer_gateway(upstream, [_MODEL]))
        except PeerMissing as reason:
            sys.stdout.write(f"{PEER}: {reason}; there is nothing to compare with.\n")
        subjects["ours"] = await stack.enter_async_context(our_gateway(upstream, [_MODEL]))
        return [row for together in _REQUESTS for row in await _measure(subjects, together)]


async def _measure(subjects: Mapping[str, Gateway], together: int) -> list[Row]:
    halves: dict[str, list[list[float]]] = {name: [] for name in subjects}
    for gateway in subjects.values():
        await _ask(gateway, together)
    for _ in range(_ROUNDS):
        for name in (*subjects, *reversed(subjects)):
            halves[name].append(await _ask(subjects[name], together))
    floor = statistics.median(statistics.median(each) for each in halves["direct"])
    added = {name: [statistics.median(each) - floor for each in halves[name]] for name in subjects}
    p50 = {name: statistics.median(values) for name, values in added.items()}
    p99 = {name: quantile([one for each in values for one in each], 0.99) - floor for name, values in halves.items()}
    title = f"S1 added time to first text, {together} at once"
    theirs = p50.get("peer", float("nan"))
    return [
        Row(f"{title}: p50", p50["ours"], "ms", PEER, theirs, p50["ours"] / theirs, "<= 0.35", spread(added["ours"])),
        Row(f"{title}: p99", p99["ours"], "ms", f"{PEER}, its p50", theirs, p99["ours"] / theirs, "<= 1"),
        Row(f"{title}: direct, p50", floor, "ms", "-", floor, 1.0, ""),
    ]


async def _ask(gateway: Gateway, together: int) -> list[float]:
    async with client(gateway) as session:
        return await side_by_side(_REQUESTS[together], together, lambda: first_text_ms(session, gateway, _MODEL))
