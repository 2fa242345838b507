"""Memory of a worker after 20,000 streamed answers, beside what it had after 1,000.

Sixteen clients ask without a pause, each question another one. What is read is the resident memory of the serving
process, a moment after the last answer.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from tests.bench.gateways import client, first_text_ms, our_gateway, scripted_provider, side_by_side
from tests.bench.row import Row

_MODEL = "scripted?tokens=5"
_FIRST, _LAST = 1_000, 20_000
_STEP = 1_000
_TOGETHER = 16
_REST_SECONDS = 2.0


async def run() -> list[Row]:
    """Ask, and read the memory at every thousand."""
    found: dict[int, float] = {}
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_provider())
        ours = await stack.enter_async_context(our_gateway(upstream, [_MODEL]))
        session = await stack.enter_async_context(client(ours))
        for count in range(_STEP, _LAST + 1, _STEP):
            await side_by_side(_STEP, _TOGETHER, lambda: first_text_ms(session, ours, _MODEL))
            if count in {_FIRST, _LAST}:
                await asyncio.sleep(_REST_SECONDS)
            found[count] = ours.resident_bytes() / 1_000_000
            sys.stdout.write(f"{count:,} answers: {found[count]:.1f} MB\n")
            sys.stdout.flush()
    first, last = found[_FIRST], found[_LAST]
    title = f"memory after {_LAST:,} streamed answers"
    return [Row(title, last, "MB", f"after {_FIRST:,}", first, last / first, "<= 1.03")]
