"""Nobody waits any more: the provider is let go at once, what was written is charged, and nothing stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from sqlmodel import col, select

from chatapp.domain import Actor, TurnStatus
from chatapp.pipeline.tokens import estimate_tokens
from chatapp.routing import retries
from chatapp.routing.breaker import BreakerState, breaker_of
from chatapp.services import turns
from chatapp.store.database import engine, transaction
from chatapp.store.tables import TurnTable
from chatapp.web.app import create_api, edge
from tests.fixtures.credentials import KeyOf
from tests.fixtures.providers import AddModel
from tests.fixtures.servers import accepts_connections, free_port
from tests.upstream.server import Upstream

SLOW = "scripted?tokens=2000&gap_ms=5"
SILENT = "scripted?tokens=5&latency_ms=60000"
MANY = 40
PATIENCE_SECONDS = 20.0
"""For a machine with much to do; nothing here is measured."""


@pytest.fixture
async def url(parts: None) -> AsyncIterator[str]:
    """The HTTP API on the production server, in the test's own loop: real sockets, and its insides in sight."""
    port = free_port()
    server = Server(edge(create_api()), port=port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    await until(lambda: accepts_connections(port))
    yield f"http://127.0.0.1:{port}/v1"
    server.stop()
    await serving


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


def body_of(model: str, question: str = "Count", *, is_stream: bool) -> dict[str, Any]:
    """A request; two of the same question at once would be one to the provider."""
    messages = [{"role": "user", "content": question}]
    return {"model": model, "stream": is_stream, "collections": [], "messages": messages}


async def ask_and_leave(url: str, headers: dict[str, str], model: str, question: str, *, is_stream: bool) -> None:
    """A client that goes after the first words, or while it waits for the whole answer."""
    body = body_of(model, question, is_stream=is_stream)
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        if not is_stream:
            with pytest.raises(httpx.ReadTimeout):
                await client.post(f"{url}/chat/completions", json=body, timeout=1.0)
            return
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    return


async def rows(actor: Actor) -> list[TurnTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.execute(select(TurnTable).order_by(col(TurnTable.created_at)))).scalars())


async def all_ended(actor: Actor, count: int) -> list[TurnTable]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await rows(actor)
            if sum(TurnStatus(row.status).is_final for row in found) >= count:
                return found
            await asyncio.sleep(0.05)


def work_in_hand() -> list[str]:
    """Tasks that answer a turn or read one."""
    tasks = [task for task in asyncio.all_tasks() if not task.done()]
    return [f"{task.get_name()}: {task.get_coro()}" for task in tasks if _is_of_a_turn(task)]


def _is_of_a_turn(task: asyncio.Task[object]) -> bool:
    names = ("_supervise", "_answer", "_append_frames", "_send_frames", "keep", "gone", "ended", "run")
    return task.get_name().startswith("turn ") or getattr(task.get_coro(), "__name__", "") in names


async def test_of_many_who_leave_nothing_stays_behind_and_what_was_written_is_charged(
    url: str, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream
) -> None:
    model, headers = await add_model(SLOW), await key_of(actor)
    await asyncio.gather(
        *(ask_and_leave(url, headers, model, f"Count {number}", is_stream=bool(number % 8)) for number in range(MANY)),
    )
    ended = await all_ended(actor, MANY)
    await until(lambda: all(call.closed_by_client is not None for call in provider.calls))
    await until(lambda: provider.open_connections == 0)
    await until(lambda: not work_in_hand())
    await until(lambda: engine().pool.checkedout() == 0)  # pyright: ignore[reportAttributeAccessIssue]

    assert len(provider.calls) == MANY, "each asked once, and nobody asked again for somebody who has gone"
    assert {row.status for row in ended} == {TurnStatus.STOPPED}
    assert {row.lease_owner for row in ended} == {""}
    sent = sorted(call.tokens_sent for call in provider.calls)
    written = sorted(len(row.answer.split()) for row in ended)
    assert all(0 < got <= given < 2_000 for got, given in zip(written, sent, strict=True))
    produced = ["".join(f"word{number} " for number in range(1, count + 1)) for count in sent]
    assert {row.is_usage_estimated for row in ended} == {True}
    assert 0 < sum(row.output_tokens for row in ended) <= 1.1 * sum(map(estimate_tokens, produced))
    assert all(row.cost_micro_usd >= 2 * row.output_tokens > 0 for row in ended)
    breaker = breaker_of(f"scripted: {SLOW}/{SLOW}")
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 0), "leaving is nobody's failure"


async def test_who_leaves_before_the_first_word_pays_nothing(
    url: str, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream
) -> None:
    model, headers = await add_model(SILENT), await key_of(actor)
    await asyncio.gather(
        *(ask_and_leave(url, headers, model, f"Count {number}", is_stream=False) for number in range(5))
    )
    ended = await all_ended(actor, 5)
    await until(lambda: all(call.closed_by_client is not None for call in provider.calls))
    await until(lambda: not work_in_hand())
    assert [call.tokens_sent for call in provider.calls] == [0] * 5
    assert {(row.status, row.answer, row.cost_micro_usd) for row in ended} == {(TurnStatus.STOPPED, "", 0)}


async def test_who_presses_stop_lets_the_provider_go_too(
    url: str, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream
) -> None:
    model, headers = await add_model(SLOW), await key_of(actor)
    body = body_of(model, is_stream=True)
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            lines = response.aiter_lines()
            first = json.loads((await anext(lines)).removeprefix("data:"))
            stopped = await client.post(f"{url}/turns/{first['id']}/cancel")
            assert stopped.is_success
            rest = [line async for line in lines]
    assert rest[-2:] == ["data: [DONE]", ""]
    view = await turns.get(actor, UUID(first["id"]))
    await until(lambda: provider.calls[0].closed_by_client is not None)
    assert view.status is TurnStatus.STOPPED
    assert 0 < len(view.answer.split()) <= provider.calls[0].tokens_sent < 2_000


@pytest.mark.usefixtures("parts")
async def test_who_leaves_between_two_tries_is_not_tried_for_again(
    actor: Actor, add_model: AddModel, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 30.0)
    monkeypatch.setattr(retries, "_MAX_WAIT_SECONDS", 30.0)
    model = await add_model("scripted?fault=server_error")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    await until(lambda: bool(provider.calls) and provider.calls[0].is_finished)
    await turns.cancel(actor, turn.id)
    view = await turns.wait(actor, turn.id)
    assert (view.status, view.cost_micro_usd, len(provider.calls)) == (TurnStatus.STOPPED, 0, 1)
    await until(lambda: not work_in_hand())
