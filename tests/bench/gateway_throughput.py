"""S3: answers a second and a worker, not streamed, beside the LiteLLM proxy in the same run.

Sixteen clients ask again and again. One worker of ours does everything it does for an answer: sign-in by key, limits,
plan, turn, provider, record and trace in the database. The proxy runs without a database, and checks its key.
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import AsyncExitStack

from tests.bench.gateways import (
    PEER,
    Gateway,
    client,
    complete,
    our_gateway,
    peer_gateway,
    scripted_provider,
    side_by_side,
    spread,
)
from tests.bench.peers import PeerMissing
from tests.bench.row import Row
from tests.upstream.script import read_script

_MODEL = "scripted?tokens=20"
_ROUNDS = 5
_TOGETHER = 16
_REQUESTS = {"peer": 100, "ours": 250, "direct": 1_000}


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
        rates: dict[str, list[float]] = {name: [] for name in subjects}
        for name, gateway in subjects.items():
            await _rate(gateway, _REQUESTS[name] // 2)
        before, asked = subjects["ours"].cpu_seconds(), 0
        for _ in range(_ROUNDS):
            for name in (*subjects, *reversed(subjects)):
                rates[name].append(await _rate(subjects[name], _REQUESTS[name]))
                asked += _REQUESTS["ours"] if name == "ours" else 0
        cpu_ms = (subjects["ours"].cpu_seconds() - before) * 1000 / asked
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ours, theirs, title = medians["ours"], medians.get("peer", float("nan")), "S3 answers of one worker"
    return [
        Row(title, ours, "answers/s", PEER, theirs, ours / theirs, ">= 5", spread(rates["ours"])),
        Row(f"{title}: processor time", cpu_ms, "ms/answer", "-", cpu_ms, 1.0, ""),
        Row(f"{title}: the provider asked directly", medians["direct"], "answers/s", "-", medians["direct"], 1.0, ""),
    ]


async def _rate(gateway: Gateway, count: int) -> float:
    expected = "".join(read_script(_MODEL).deltas({}))
    async with client(gateway) as session:
        began = time.perf_counter()
        answers = await side_by_side(count, _TOGETHER, lambda: complete(session, gateway, _MODEL))
        took = time.perf_counter() - began
    if {answer.strip() for answer in answers} != {expected.strip()}:
        raise RuntimeError(f"{gateway.url} lost or changed text")
    return count / took
