"""More questions than can be answered, over real sockets: who is answered, in which order, who is refused and how.

Also what several web processes hold together: caps, and the first result of an `Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from chatapp.domain import Actor
from chatapp.store.database import system_transaction
from chatapp.store.tables import ModelTable
from tests.fixtures.credentials import KeyOf
from tests.fixtures.providers import AddModel
from tests.fixtures.servers import free_port
from tests.fixtures.surroundings import PROJECT
from tests.upstream.server import Upstream

pytestmark = [
    pytest.mark.usefixtures("chroma_url", "embedding_model"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

PLACES = 4
Headers = dict[str, str]
Start = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def start(database: object, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Start a web process: `client = await start(CHATAPP_QUEUE_SECONDS="5")`."""
    async with AsyncExitStack() as stack:

        async def begin(**environment: str) -> httpx.AsyncClient:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return await stack.enter_async_context(_running())

        yield begin


@asynccontextmanager
async def _running() -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.web_process", str(port), cwd=PROJECT
    )
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits)
    try:
        async with asyncio.timeout(60):
            while not await _answers(client):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield client
    finally:
        await client.aclose()
        process.terminate()
        await process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).is_success
    except httpx.TransportError:
        return False


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: httpx.Headers

    @property
    def text(self) -> str:
        return self.body["choices"][0]["message"]["content"]


async def ask(client: httpx.AsyncClient, headers: Headers, model: str, question: str, **fields: object) -> Answer:
    body = {"messages": [{"role": "user", "content": question}], "model": model, "collections": [], **fields}
    answer = await client.post("/v1/chat/completions", headers=headers, json=body)
    return Answer(answer.status_code, answer.json(), answer.headers)


async def streamed(client: httpx.AsyncClient, headers: Headers, model: str, question: str) -> str:
    body = {"messages": [{"role": "user", "content": question}], "model": model, "collections": [], "stream": True}
    text = ""
    async with client.stream("POST", "/v1/chat/completions", headers=headers, json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
    return text


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


def asked_in_order(provider: Upstream) -> list[str]:
    return [call.body["messages"][-1]["content"] for call in provider.calls]


class Most:
    """The most calls that were open at the provider at once."""

    def __init__(self, provider: Upstream) -> None:
        self._provider = provider
        self.seen = 0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            now = sum(not call.is_finished and call.closed_by_client is None for call in self._provider.calls)
            self.seen = max(self.seen, now)
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_at_three_times_capacity_places_stay_full_and_the_rest_is_refused_at_once(
    actor: Actor, other_actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, start: Start
) -> None:
    model = await add_model("scripted?tokens=3&latency_ms=500", max_concurrent=PLACES)
    busy, calm = await key_of(actor), await key_of(other_actor)
    # The queue is what refuses here: a machine with other work may be late.
    client = await start(CHATAPP_QUEUE_SECONDS="4", CHATAPP_MAX_LOOP_LAG_SECONDS="60")
    # The process learns first how long an answer takes.
    for number in range(4):
        assert (await ask(client, busy, model, f"First {number}")).status == 200
    provider.calls.clear()
    most = Most(provider)
    crowd = [asyncio.create_task(ask(client, busy, model, f"Busy {number}")) for number in range(30)]
    await until(lambda: len(provider.calls) >= PLACES)
    calm_answers = await asyncio.gather(*(ask(client, calm, model, f"Calm {number}") for number in range(3)))
    more = await asyncio.gather(*(ask(client, busy, model, f"Late {number}") for number in range(30)))
    answers = [*await asyncio.gather(*crowd), *more]
    await most.close()

    outcomes = Counter(answer.status for answer in answers)
    refused = [answer for answer in answers if answer.status != 200]
    assert set(outcomes) == {200, 429}
    assert outcomes[429] > 0
    assert [answer.status for answer in calm_answers] == [200] * 3
    # Every call is an answer somebody has; what was refused cost nothing.
    assert len(provider.calls) == outcomes[200] + 3
    assert most.seen == PLACES
    for answer in refused:
        assert answer.body["error"]["code"] == "too_many_in_flight"
        assert int(answer.headers["Retry-After"]) >= 1
    # The calm tenant's questions did not wait behind the thirty of the busy one.
    order = asked_in_order(provider)
    places = [order.index(f"Calm {number}") for number in range(3)]
    assert max(places) < 30
    metrics = (await client.get("/metrics", headers=await key_of(actor, scopes=["read:metrics"]))).text
    counted = [line for line in metrics.splitlines() if line.startswith("chatapp_refusals_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == outcomes[429]


async def test_places_go_round_the_tenants_and_batch_work_comes_last(
    actor: Actor, other_actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, start: Start
) -> None:
    model = await add_model("scripted?tokens=2&latency_ms=50", max_concurrent=1)
    held = await _beside(model, "scripted?latency_ms=60000")
    busy, calm = await key_of(actor), await key_of(other_actor)
    client = await start(CHATAPP_QUEUE_SECONDS="50")
    first = asyncio.create_task(ask(client, busy, held, "first"))
    await until(lambda: len(provider.calls) == 1)
    asked: list[asyncio.Task[Answer]] = []

    async def join(headers: Headers, question: str, waiting: int, **fields: object) -> None:
        asked.append(asyncio.create_task(ask(client, headers, model, question, **fields)))
        reader = await key_of(actor, scopes=["read:metrics"])
        async with asyncio.timeout(20):
            while await _waiting(client, reader) < waiting:
                await asyncio.sleep(0.01)

    await join(busy, "flex", 1, service_tier="flex")
    for number in range(3):
        await join(busy, f"busy {number}", 2 + number)
    await join(calm, "calm", 5)
    # Its client leaves, and so its place comes free.
    first.cancel()
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}

    assert asked_in_order(provider) == ["first", "busy 0", "calm", "busy 1", "busy 2", "flex"]


async def _beside(model: str, script: str) -> str:
    """A further model of the provider that serves one."""
    async with system_transaction() as tx:
        row = (await tx.session.execute(select(ModelTable).where(col(ModelTable.name) == model))).scalar_one()
        tx.session.add(ModelTable(name=script, provider_id=row.provider_id, provider_model=script))
    return script


async def _waiting(client: httpx.AsyncClient, headers: Headers) -> int:
    text = (await client.get("/metrics", headers=headers)).text
    lines = [line for line in text.splitlines() if line.startswith("chatapp_waiting{") and "provider:" in line]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


async def test_several_processes_hold_the_caps_together(
    redis_url: str, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, start: Start
) -> None:
    model = await add_model("scripted?tokens=2&latency_ms=200", max_concurrent=3)
    headers = await key_of(actor)
    clients = [await start(), await start()]
    most = Most(provider)
    asked = [ask(clients[number % 2], headers, model, f"Question {number}") for number in range(16)]
    answers = await asyncio.gather(*asked)
    await most.close()

    assert {answer.status for answer in answers} == {200}
    assert len(provider.calls) == 16
    assert most.seen == 3


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
async def test_an_idempotency_key_gives_the_first_result_also_from_another_process_while_it_runs(
    redis_url: str,
    actor: Actor,
    other_actor: Actor,
    key_of: KeyOf,
    add_model: AddModel,
    provider: Upstream,
    start: Start,
    is_stream: bool,
) -> None:
    model = await add_model("scripted?tokens=30&gap_ms=25")
    named = {"Idempotency-Key": "once"}
    mine, theirs = await key_of(actor) | named, await key_of(other_actor) | named
    one, two = await start(), await start()

    async def result(client: httpx.AsyncClient, headers: Headers) -> str:
        if is_stream:
            return await streamed(client, headers, model, "Count")
        return (await ask(client, headers, model, "Count")).text

    first = asyncio.create_task(result(one, mine))
    await until(lambda: len(provider.calls) == 1 and provider.calls[0].tokens_sent > 3)
    assert not provider.calls[0].is_finished
    texts = await asyncio.gather(result(two, mine), result(one, mine), result(two, mine))
    texts += [await first, await result(one, mine), await result(two, mine)]
    assert set(texts) == {"".join(f"word{number} " for number in range(1, 31))}
    assert len(provider.calls) == 1

    assert await result(two, theirs) == texts[0]
    assert len(provider.calls) == 2
    conflict = await ask(two, mine, model, "Something else")
    assert (conflict.status, conflict.body["error"]["param"]) == (409, "Idempotency-Key")


async def test_what_was_refused_may_be_asked_again_with_the_same_key(
    actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, start: Start
) -> None:
    model = await add_model("scripted?tokens=2&latency_ms=300", max_concurrent=1)
    headers = await key_of(actor)
    client = await start(CHATAPP_QUEUE_SECONDS="1")
    crowd = [asyncio.create_task(ask(client, headers, model, f"Question {number}")) for number in range(20)]
    await until(lambda: len(provider.calls) >= 1)
    named = headers | {"Idempotency-Key": "again"}
    first = await ask(client, named, model, "Mine")
    await asyncio.gather(*crowd)
    again = await ask(client, named, model, "Mine")

    assert first.status in {200, 429}
    assert again.status == 200
    assert asked_in_order(provider).count("Mine") == 1
