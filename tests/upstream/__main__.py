"""`python -m tests.upstream PORT`: the scripted provider as a process of its own; `GET /calls` is its log."""

from __future__ import annotations

import asyncio
import sys

from tests.upstream.server import Upstream


async def _serve(port: int) -> None:
    upstream = Upstream()
    await upstream.open(port)
    sys.stdout.write(upstream.url + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
