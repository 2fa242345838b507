"""Our gateway and the LiteLLM proxy before the same scripted provider, each a process of its own; and asking them.

Where it can be, servers get one core and the provider and the clients the other, as `research/perf.md` asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil

from chatapp.commands.processes import memory_environment
from tests.bench.peers import BENCH_DIR, litellm_proxy, process
from tests.fixtures.servers import free_port

PEER = "LiteLLM proxy"
_question = itertools.count()


@dataclass(frozen=True, slots=True)
class Gateway:
    """Somebody who answers on OpenAI's wire."""

    url: str
    key: str = ""
    running: psutil.Process | None = None
    """None: not one of ours to look into."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the body that only it knows."""

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def cpu_seconds(self) -> float:
        """Processor time of the process and its children so far."""
        assert self.running is not None
        times = self.running.cpu_times()
        children = [child.cpu_times() for child in self.running.children(recursive=True)]
        return times.user + times.system + sum(child.user + child.system for child in children)

    def resident_bytes(self) -> int:
        """Memory of the process and its children."""
        assert self.running is not None
        return sum(each.memory_info().rss for each in (self.running, *self.running.children(recursive=True)))

    def body(self, model: str, *, is_stream: bool) -> dict[str, Any]:
        """A request nobody made before, so that no two of them are taken for one."""
        messages = [{"role": "user", "content": f"Count, number {next(_question)}"}]
        return {"model": model, "stream": is_stream, "messages": messages, **self.extra}


@asynccontextmanager
async def scripted_provider() -> AsyncIterator[str]:
    """The scripted provider's address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-m", "tests.upstream", str(port)]
    async with process(command, ready=f"{url}/models", log=BENCH_DIR / "upstream.log") as running:
        pin(running, 1)
        yield url


@asynccontextmanager
async def our_gateway(upstream: str, models: Sequence[str]) -> AsyncIterator[Gateway]:
    """The product's web process on the production server."""
    port = free_port()
    log = BENCH_DIR / "ours.log"
    command = [sys.executable, "-m", "tests.bench.relay_server", str(port), upstream, *models]
    ready = f"http://127.0.0.1:{port}/healthz"
    async with process(command, ready=ready, environment=memory_environment(), log=log) as running:
        lines = await asyncio.to_thread(log.read_text)
        key = next(line for line in lines.splitlines() if line.startswith("sk-chatapp-"))
        pin(running, 0)
        yield Gateway(f"http://127.0.0.1:{port}/v1", key, running, {"collections": [], "cache": "bypass"})


@asynccontextmanager
async def peer_gateway(upstream: str, models: Sequence[str]) -> AsyncIterator[Gateway]:
    """The LiteLLM proxy, without a database.

    Raises:
        PeerMissing: it could not be installed.
    """
    async with litellm_proxy(upstream, list(models)) as (url, running):
        pin(running, 0)
        yield Gateway(url, "sk-bench", running)


def pin(running: psutil.Process, core: int) -> None:
    """Keep a process and its threads on a core, where there are several and the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        for each in (running, *running.children(recursive=True)):
            for thread in each.threads():
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(thread.id, {core})


@asynccontextmanager
async def client(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to a gateway that are used again and again."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=gateway.headers, connector=connector, timeout=timeout) as session:
        yield session


async def first_text_ms(session: aiohttp.ClientSession, gateway: Gateway, model: str) -> float:
    """Milliseconds from asking for a stream to its first text; reads it to the end."""
    found: float | None = None
    began = time.perf_counter()
    async for text in stream(session, gateway, model):
        if text and found is None:
            found = (time.perf_counter() - began) * 1000
    if found is None:
        raise RuntimeError(f"{gateway.url} sent no text")
    return found


async def stream(session: aiohttp.ClientSession, gateway: Gateway, model: str) -> AsyncGenerator[str, None]:
    """The pieces of text of a streamed answer."""
    body = gateway.body(model, is_stream=True)
    async with session.post(f"{gateway.url}/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(f"{gateway.url}: {event['error']}")
                for choice in event.get("choices") or ():
                    yield (choice.get("delta") or {}).get("content") or ""


async def complete(session: aiohttp.ClientSession, gateway: Gateway, model: str) -> str:
    """An answer in one piece."""
    body = gateway.body(model, is_stream=False)
    async with session.post(f"{gateway.url}/chat/completions", json=body) as response:
        response.raise_for_status()
        return (await response.json())["choices"][0]["message"]["content"]


async def side_by_side(count: int, together: int, one: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Do something `count` times, never more than `together` at once; the results."""
    numbers, results = iter(range(count)), []

    async def work() -> None:
        for _ in numbers:
            results.append(await one())

    await asyncio.gather(*(work() for _ in range(together)))
    return results


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which so large a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> str:
    """Lower and upper quartile of the rounds."""
    if len(values) < 4:
        return ""
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:,.3g} to {high:,.3g}"
