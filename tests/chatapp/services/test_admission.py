"""Who waits for a place, who is refused one, and what they are told."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import func, select

from chatapp.domain import Actor, TurnStatus
from chatapp.errors import NotPermitted, TooManyInFlight
from chatapp.limits import concurrency, places, refusals
from chatapp.limits.fair_queue import Claim, Lane
from chatapp.limits.places import Crowd
from chatapp.services import audit, load, memberships, overview, tenant_limits, turns
from chatapp.services.tenant_limits import Limits
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import TurnTable
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = [
    pytest.mark.usefixtures("parts"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

LONG = "scripted?tokens=2000&gap_ms=10"


@pytest.fixture(autouse=True)
def _said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_SAY_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(places, "_SAY_AGAIN_SECONDS", 0.01)


@pytest.fixture(autouse=True)
async def _every_place_comes_back(parts: None) -> AsyncIterator[None]:
    made = concurrency.concurrency()
    yield
    await until(lambda: made.turns.crowd() == Crowd())
    assert all(gate.crowd() == Crowd() for gate in made.providers.values())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not is_so():
            await asyncio.sleep(0.01)


async def ask(actor: Actor, model: str, question: str = "Count", **others: object) -> turns.TurnView:
    options = {"collection_ids": [], "cache": "bypass", "feature": "api", **others}
    return await turns.start(actor, question=question, model=model, **options)  # type: ignore[arg-type]


async def told(actor: Actor, turn: turns.TurnView) -> dict[str, object]:
    """What the readers of a turn are told first of its wait."""
    async for event in turns.events(actor, turn.id):
        if event.kind == "status" and json.loads(event.data)["stage"] == "wait":
            return json.loads(event.data)
    raise AssertionError("nothing was said of a wait")


async def count_of_turns() -> int:
    async with system_transaction(readonly=True) as tx:
        return (await tx.session.execute(select(func.count()).select_from(TurnTable))).scalar_one()


async def end(actor: Actor, *asked: turns.TurnView) -> None:
    for turn in asked:
        await turns.cancel(actor, turn.id)
    await asyncio.gather(*(turns.wait(actor, turn.id) for turn in asked))


def note_service_time(seconds: float) -> None:
    """Have places been held for so long of late."""
    made = concurrency.concurrency()
    for gate in (made.turns, *made.providers.values()):
        gate._seconds = seconds


async def test_a_tenants_questions_wait_behind_its_own_and_are_told_their_number(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model, quick = await add_model(LONG), await add_model("scripted?tokens=3")
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    second, third = await ask(actor, quick), await ask(actor, quick)

    assert (await told(actor, second))["text"] == "Many people are asking. Your question is next."
    assert await told(actor, third) == {
        "stage": "wait",
        "text": "Many people are asking. Your question is number 2.",
        "position": 2,
    }
    assert await load.crowd_of(actor) == Crowd(1, 2, pytest.approx(0, abs=15))
    assert await load.crowd_of(other_actor) == Crowd()
    theirs = await turns.wait(other_actor, (await ask(other_actor, quick)).id)
    assert theirs.status == TurnStatus.COMPLETED
    await end(actor, first)
    ended = [await turns.wait(actor, turn.id) for turn in (second, third)]
    assert [turn.status for turn in ended] == [TurnStatus.COMPLETED] * 2


async def test_a_question_can_be_stopped_while_it_waits(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model = await add_model(LONG)
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    waiting = await ask(actor, model)
    await told(actor, waiting)
    await turns.cancel(actor, waiting.id)
    stopped = await asyncio.wait_for(turns.wait(actor, waiting.id), 5)

    assert (stopped.status, stopped.answer, stopped.cost_micro_usd) == (TurnStatus.STOPPED, "", 0)
    await end(actor, first)
    assert len(provider.calls) == 1


async def test_waiting_ends_with_an_error_that_says_what_to_do(
    actor: Actor, add_model: AddModel, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model = await add_model(LONG)
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    bounds = concurrency.Bounds(512, 0.2, 10)
    monkeypatch.setattr(concurrency.concurrency(), "bounds", bounds)
    note_service_time(0.01)
    waited = await turns.wait(actor, (await ask(actor, model)).id)

    assert (waited.status, waited.error_code) == (TurnStatus.FAILED, "too_many_in_flight")
    assert "Try again" in waited.error_message
    await end(actor, first)
    assert len(provider.calls) == 1


async def test_what_could_not_be_answered_in_time_is_refused_before_anything_is_done(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model, quick = await add_model(LONG), await add_model("scripted?tokens=3")
    asked = [await ask(actor, model)]
    await until(lambda: len(provider.calls) == 1)
    patience = get_settings().queue_seconds
    note_service_time(patience / 2)
    asked += [await ask(actor, model), await ask(actor, model)]
    before = await count_of_turns()
    with pytest.raises(TooManyInFlight) as caught:
        await ask(actor, model)
    for refused in (turns.regenerate(actor, asked[0].id), turns.resend(actor, asked[0].id, "Something else")):
        with pytest.raises(TooManyInFlight):
            await refused

    # Three would have to end before it: twice as long as anybody is let in to wait.
    assert caught.value.retry_after_seconds == math.ceil(patience * 0.75)
    assert "Try again in 23 seconds." in caught.value.message
    assert await count_of_turns() == before
    assert len(provider.calls) == 1
    # Another tenant is not held up by it.
    assert (await turns.wait(other_actor, (await ask(other_actor, quick)).id)).status == TurnStatus.COMPLETED
    await end(actor, *asked)


async def test_batch_work_is_refused_first_and_served_last(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model = await add_model(LONG)
    asked = [await ask(actor, model)]
    await until(lambda: len(provider.calls) == 1)
    batch = await ask(actor, model, "Batch", lane="batch")
    person = await ask(actor, model, "Person")
    await told(actor, person)
    note_service_time(get_settings().queue_seconds / 4)
    with pytest.raises(TooManyInFlight):
        await ask(actor, model, lane="batch")
    asked.append(await ask(actor, model, "Another person"))

    await end(actor, asked[0])
    await until(lambda: len(provider.calls) == 2)
    await end(actor, person)
    await until(lambda: len(provider.calls) == 3)
    await end(actor, asked[1])
    await until(lambda: len(provider.calls) == 4)
    await end(actor, batch)
    questions = [call.body["messages"][-1]["content"] for call in provider.calls]
    assert questions == ["Count", "Person", "Another person", "Batch"]


async def test_a_process_that_is_behind_refuses_batch_work_then_everything(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = concurrency.concurrency()
    claims = {lane: Claim.of(actor, lane) for lane in Lane}

    def refused() -> list[Lane]:
        found = []
        for lane, claim in claims.items():
            try:
                concurrency.require_room(claim, of_tenant=10)
            except TooManyInFlight:
                found.append(lane)
        return found

    await made.lag.close()
    bound = get_settings().max_loop_lag_seconds
    for lag, expected in ((0, []), (bound * 0.7, [Lane.BATCH]), (bound * 1.1, [Lane.INTERACTIVE, Lane.BATCH])):
        made.lag._late.extend([lag] * 10)
        assert refused() == expected


async def test_a_provider_is_never_asked_more_than_it_takes_at_once(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=4&gap_ms=20", max_concurrent=2)
    asked = [(who, await ask(who, model)) for who in (actor, actor, actor, actor, actor, other_actor)]
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, sum(not call.is_finished for call in provider.calls))
            await asyncio.sleep(0.002)

    watching = asyncio.create_task(watch())
    ended = await asyncio.gather(*(turns.wait(who, turn.id) for who, turn in asked))
    watching.cancel()

    assert {turn.status for turn in ended} == {TurnStatus.COMPLETED}
    assert most == 2
    assert len(provider.calls) == 6


async def test_readers_are_told_that_the_model_is_busy(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model(LONG, max_concurrent=1)
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    second = await ask(actor, model)
    assert (await told(actor, second))["text"] == f"{model} has much to do. Your question is next."
    assert (await load.crowd_of(actor)).waiting == 1
    await end(actor, second, first)
    assert len(provider.calls) == 1


async def test_a_question_no_provider_could_take_in_time_is_refused(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(LONG, max_concurrent=1)
    asked = [await ask(actor, model)]
    await until(lambda: len(provider.calls) == 1)
    asked.append(await ask(actor, model))
    await told(actor, asked[-1])
    note_service_time(get_settings().queue_seconds)
    before = await count_of_turns()
    with pytest.raises(TooManyInFlight):
        await ask(actor, model)
    assert await count_of_turns() == before
    await end(actor, *asked)


async def test_who_was_let_in_and_got_no_place_at_the_provider_counts_as_refused(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await add_model(LONG, max_concurrent=1)
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    refusals.collect()
    monkeypatch.setattr(concurrency.concurrency(), "bounds", concurrency.Bounds(512, 0.2, 10))
    note_service_time(0.01)
    waited = await turns.wait(other_actor, (await ask(other_actor, model)).id)

    assert (waited.status, waited.error_code) == (TurnStatus.FAILED, "too_many_in_flight")
    await until(lambda: bool(refusals._Refused.counts))
    counts = {(tenant_id, reason): count for (tenant_id, _, reason), count in refusals.collect().items()}
    assert counts == {(other_actor.tenant_id, "waited_too_long"): 1}
    await end(actor, first)


async def test_who_lost_the_right_to_ask_while_waiting_gets_no_answer(
    actor: Actor, make_actor: MakeActor, add_model: AddModel, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.services.turn_runner._FRESH_SECONDS", 0.0)
    await tenant_limits.put(actor, Limits(concurrent_turns=1))
    model = await add_model(LONG)
    colleague = await make_actor(tenant=actor.tenant_id)
    first = await ask(actor, model)
    await until(lambda: len(provider.calls) == 1)
    waiting = await ask(colleague, model)
    await told(colleague, waiting)
    assert colleague.user_id is not None
    await memberships.update_user(actor, actor.tenant_id, colleague.user_id, roles=["auditor"])
    await end(actor, first)
    ended = await turns.wait(colleague, waiting.id)
    assert (ended.status, ended.error_code) == (TurnStatus.FAILED, NotPermitted.code)
    assert len(provider.calls) == 1


async def test_what_was_refused_is_written_down_and_shown_to_the_tenant_alone(actor: Actor, other_actor: Actor) -> None:
    for _ in range(3):
        refusals.note(Claim.of(actor, Lane.BATCH), "queue_too_long")
    refusals.note(Claim.of(actor, Lane.INTERACTIVE), "process_behind")
    await load.write_refusals()
    refusals.note(Claim.of(actor, Lane.INTERACTIVE), "process_behind")
    await load.write_refusals()

    assert (await overview.get(actor)).load.refused == 5
    assert (await overview.get(other_actor)).load.refused == 0
    assert not refusals.collect()


async def test_a_limit_is_audited_and_another_tenants_stays(actor: Actor, other_actor: Actor) -> None:
    usual = get_settings().tenant_concurrent_turns
    assert (await tenant_limits.get(actor)).concurrent_turns_in_force == usual
    changed = await tenant_limits.put(actor, Limits(concurrent_turns=7), reason="They asked for it")

    assert (changed.concurrent_turns, changed.concurrent_turns_in_force) == (7, 7)
    assert await tenant_limits.places_of(actor) == 7
    assert await tenant_limits.places_of(other_actor) == usual
    lines = (await audit.list_entries(actor, actor.tenant_id, {})).items
    assert next(line.action for line in lines) == "limits.changed"
    assert (await tenant_limits.put(actor, Limits())).concurrent_turns_in_force == usual


async def test_more_than_everybody_has_is_for_platform_admins_to_give(actor: Actor, make_actor: MakeActor) -> None:
    more = Limits(concurrent_turns=get_settings().tenant_concurrent_turns + 1)
    with pytest.raises(NotPermitted):
        await tenant_limits.put(actor, more)
    platform = await make_actor(is_platform_admin=True, tenant=actor.tenant_id)
    assert (await tenant_limits.put(platform, more)).concurrent_turns == more.concurrent_turns
