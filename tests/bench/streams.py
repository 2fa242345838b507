"""S5: two hundred streams at once, twenty tokens a second each, begun whether or not the earlier ones go well.

Two cores: ours has one, the provider and the readers the other. For each token the time is taken at which its text is
there, and how much longer than the provider's own pace it let wait: the gap that was added. What the readers measure
of themselves, asking the provider directly at the same load, is printed beside it. The server tells of its connections
to the database each second; none is to be held while streams go on.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.bench.gateways import Gateway, client, our_gateway, quantile, scripted_provider, stream
from tests.bench.peers import BENCH_DIR
from tests.bench.row import Row

_STREAMS = 200
_GAP_MS = 50
_TOKENS = 400
_ARRIVAL_SECONDS = 8.0
_MODEL = f"scripted?tokens={_TOKENS}&gap_ms={_GAP_MS}"
_HELD_TOO_LONG_MS = 250.0
_SEED = 7


@dataclass
class _Seen:
    """What the readers of one round saw."""

    added_ms: list[float] = field(default_factory=list)
    errors: int = 0
    open_now: int = 0
    most_open: int = 0
    steady_from: float = 0.0
    steady_until: float = 0.0


async def run() -> list[Row]:
    """The provider alone, then ours."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_provider())
        direct = await _round(Gateway(upstream))
        ours = await stack.enter_async_context(our_gateway(upstream, [_MODEL]))
        cpu, began, before = ours.cpu_seconds(), time.perf_counter(), len(_told())
        seen = await _round(ours)
        share = (ours.cpu_seconds() - cpu) / (time.perf_counter() - began)
        held = _held(before)
    title = f"S5 {_STREAMS} streams at {1000 // _GAP_MS} tokens/s"
    p99, floor = quantile(seen.added_ms, 0.99), quantile(direct.added_ms, 0.99)
    p50, floor_p50 = quantile(seen.added_ms, 0.5), quantile(direct.added_ms, 0.5)
    return [
        Row(f"{title}: gap added, p99", p99, "ms", "provider directly", floor, p99 / floor, "ours <= 100"),
        Row(f"{title}: gap added, p50", p50, "ms", "provider directly", floor_p50, p50 / floor_p50, ""),
        Row(f"{title}: errors", seen.errors, "", "provider directly", direct.errors, 1.0, "0"),
        Row(f"{title}: open at once", seen.most_open, "", "wanted", _STREAMS, seen.most_open / _STREAMS, ">= 1"),
        Row(f"{title}: longest hold of a database connection", held, "ms", "-", held, 1.0, f"<= {_HELD_TOO_LONG_MS}"),
        Row(f"{title}: processor", share, "cores", "-", share, 1.0, "<= 1"),
    ]


async def _round(gateway: Gateway) -> _Seen:
    seen, chance = _Seen(), random.Random(_SEED)
    begins = sorted(chance.uniform(0, _ARRIVAL_SECONDS) for _ in range(_STREAMS))
    await asyncio.gather(*(_later(begin, _read(gateway, seen)) for begin in begins))
    return seen


async def _later(seconds: float, work: Awaitable[None]) -> None:
    await asyncio.sleep(seconds)
    await work


async def _read(gateway: Gateway, seen: _Seen) -> None:
    text, last = "", 0.0
    seen.open_now += 1
    seen.most_open = max(seen.most_open, seen.open_now)
    try:
        async with client(gateway) as session:
            async for piece in stream(session, gateway, _MODEL):
                now, tokens = time.perf_counter(), piece.count(" ")
                if tokens and last:
                    # The first token of a frame waited longest; the last is as late as its way here.
                    gap_ms = (now - last) * 1000
                    seen.added_ms += [max(0.0, gap_ms - _GAP_MS)] + [0.0] * (tokens - 1)
                last, text = now if tokens else last, text + piece
    except Exception:  # noqa: BLE001  # whatever it was, the reader was not served
        seen.errors += 1
        return
    finally:
        seen.open_now -= 1
    seen.errors += text.count("word") != _TOKENS


def _held(before: int) -> float:
    """The longest that a connection was held while all streams were open, in milliseconds.

    Args:
        before: seconds the server had told of before the first stream.
    """
    steady = _told()[before + int(_ARRIVAL_SECONDS) + 2 : before + int(_TOKENS * _GAP_MS / 1000)]
    return max(steady, default=float("nan"))


def _told() -> list[float]:
    """The longest hold of each second so far, in milliseconds."""
    told = re.findall(r"^pool \d+ ([\d.]+)$", (BENCH_DIR / "ours.log").read_text(), re.MULTILINE)
    return [float(each) for each in told]
