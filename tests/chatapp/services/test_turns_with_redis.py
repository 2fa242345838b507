from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from chatapp.domain import Actor, TurnStatus
from chatapp.services import turn_runner, turns
from chatapp.services.turn_runner import TurnRunner
from chatapp.settings import Settings
from chatapp.store import users
from chatapp.store.database import system_transaction
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("redis_url", "parts")


@pytest.fixture
async def other_process(settings: Settings) -> AsyncIterator[TurnRunner]:
    """The runner another web process would have, in this one."""
    runner = TurnRunner(settings)
    runner.open()
    await asyncio.sleep(0.2)
    yield runner
    await runner.close()


async def test_a_turn_is_read_and_resumed_through_redis(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=60&gap_ms=10")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    first = []
    async for event in turns.events(actor, turn.id):
        first.append(event)
        if len(first) == 5:
            break
    rest = [event async for event in turns.events(actor, turn.id, last_event_id=first[-1].id)]

    text = "".join(json.loads(event.data) for event in (*first, *rest) if event.kind == "delta")
    assert text == "".join(f"word{number} " for number in range(1, 61))


async def test_a_stop_reaches_the_process_that_answers(
    actor: Actor, add_model: AddModel, provider: Upstream, other_process: TurnRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await add_model("scripted?tokens=1000&gap_ms=10")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    await asyncio.sleep(0.3)
    answering = turn_runner.turn_runner()
    monkeypatch.setattr(turn_runner._Runner, "runner", other_process)
    assert not other_process.is_answering(actor, turn.id)

    await turns.cancel(actor, turn.id)
    ended = await asyncio.wait_for(turns.wait(actor, turn.id), 3)

    assert ended.status == TurnStatus.STOPPED
    assert provider.calls[0].closed_by_client is not None
    assert not answering.is_answering(actor, turn.id)
    monkeypatch.setattr(turn_runner._Runner, "runner", answering)


async def test_a_turn_whose_lease_ran_out_is_taken_over_and_the_old_attempt_falls_silent(
    actor: Actor,
    other_actor: Actor,
    add_model: AddModel,
    other_process: TurnRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn_runner, "LEASE_SECONDS", -1.0)
    model = await add_model("scripted?tokens=40&gap_ms=15")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    await asyncio.sleep(0.2)
    monkeypatch.setattr(turn_runner, "LEASE_SECONDS", 30.0)

    assert await other_process.recover() == 1
    assert await other_process.recover() == 0

    events = [event async for event in turns.events(actor, turn.id)]
    shown = ""
    for event in events:
        if event.kind == "reset":
            shown = ""
        elif event.kind == "delta":
            shown += json.loads(event.data)
    ended = await turns.get(actor, turn.id)
    assert shown == ended.answer == "".join(f"word{number} " for number in range(1, 41))
    assert ended.status == TurnStatus.COMPLETED
    assert events[-1].id.startswith("2-")


@pytest.mark.parametrize("is_disabled", [True, False])
async def test_a_turn_of_somebody_who_may_no_longer_ask_is_not_taken_over(
    actor: Actor,
    add_model: AddModel,
    provider: Upstream,
    other_process: TurnRunner,
    monkeypatch: pytest.MonkeyPatch,
    is_disabled: bool,
) -> None:
    monkeypatch.setattr(turn_runner, "LEASE_SECONDS", -1.0)
    model = await add_model("scripted?tokens=4000&gap_ms=5")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    await asyncio.sleep(0.2)
    monkeypatch.setattr(turn_runner, "LEASE_SECONDS", 30.0)
    assert actor.user_id is not None
    async with system_transaction() as tx:
        user = await users.by_id(tx, actor.user_id)
        assert user is not None
        (place,) = await users.memberships(tx, actor.user_id)
        user.is_disabled = is_disabled
        place.roles = []

    await other_process.recover()

    ended = await turns.get(actor, turn.id)
    assert (ended.status, ended.error_code) == (TurnStatus.FAILED, "not_permitted")
    assert len(provider.calls) == 1
