from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission, TurnStatus
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import collections, conversations, feedback, traces, turns
from chatapp.services.turn_runner import close_turn_runner, turn_runner
from chatapp.settings import Settings
from chatapp.store.turn_log import TurnEvent, turn_log
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")


def text_of(events: list[TurnEvent]) -> str:
    """What a reader shows who follows the rules: a reset drops everything."""
    shown = ""
    for event in events:
        if event.kind == "reset":
            shown = ""
        elif event.kind == "delta":
            shown += json.loads(event.data)
    return shown


async def read_all(actor: Actor, turn_id, last_event_id: str | None = None) -> list[TurnEvent]:
    return [event async for event in turns.events(actor, turn_id, last_event_id=last_event_id)]


def words(count: int) -> str:
    return "".join(f"word{number} " for number in range(1, count + 1))


async def test_a_question_is_answered_and_recorded(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=30")

    turn = await turns.start(actor, question="  What is it?  ", model=model, collection_ids=[])
    events = await read_all(actor, turn.id)

    assert text_of(events) == words(30)
    assert [event.kind for event in events if event.kind not in {"delta", "status"}] == ["reset", "done"]
    done = json.loads(events[-1].data)
    assert done["status"] == "completed"
    assert done["usage"]["output_tokens"] == 30
    assert (done["usage"]["cached_input_tokens"], done["usage"]["is_estimated"]) == (0, False)
    assert done["parts"] == []
    assert done["cost_micro_usd"] == done["usage"]["input_tokens"] + 60
    kept = await turns.get(actor, turn.id)
    assert (kept.question, kept.answer, kept.status) == ("What is it?", words(30), TurnStatus.COMPLETED)
    conversation = await conversations.open(actor, kept.conversation_id)
    assert conversation.summary.title == "What is it?"
    assert [shown.id for shown in conversation.turns] == [turn.id]


async def test_other_tenants_turn_is_not_found(actor: Actor, other_actor: Actor, add_model: AddModel) -> None:
    turn = await turns.start(actor, question="Secret?", model=await add_model("scripted"), collection_ids=[])
    await turns.wait(actor, turn.id)

    for attempt in (turns.get, turns.cancel, turns.regenerate, turns.select, turns.wait, traces.get):
        with pytest.raises(NotFound):
            await attempt(other_actor, turn.id)
    with pytest.raises(NotFound):
        await turns.resend(other_actor, turn.id, "Mine now?")
    with pytest.raises(NotFound):
        await read_all(other_actor, turn.id)
    with pytest.raises(NotFound):
        await read_all(other_actor, turn.id, "1-1")
    with pytest.raises(NotFound):
        await feedback.rate(other_actor, turn.id, rating="down")
    with pytest.raises(NotFound):
        await turns.start(other_actor, question="Hi", conversation_id=turn.conversation_id, collection_ids=[])
    assert await conversations.list_conversations(other_actor) == []


async def test_a_colleagues_turn_is_not_found(actor: Actor, make_actor: MakeActor, add_model: AddModel) -> None:
    colleague = await make_actor(tenant=actor.tenant_id)
    turn = await turns.start(actor, question="Private?", model=await add_model("scripted"), collection_ids=[])
    await turns.wait(actor, turn.id)

    with pytest.raises(NotFound):
        await turns.get(colleague, turn.id)
    with pytest.raises(NotFound):
        await read_all(colleague, turn.id)


async def test_any_cut_and_resume_loses_and_doubles_nothing(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=120&gap_ms=8")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    choice = random.Random(6)

    async def reader(cuts: int) -> str:
        shown, last, seen = "", None, []
        for cut in range(cuts + 1):
            limit = choice.randint(1, 8) if cut < cuts else 10_000
            async with aclosing(turns.events(actor, turn.id, last_event_id=last)) as stream:
                async for event in stream:
                    if event.kind == "reset":
                        shown = ""
                    elif event.kind == "delta":
                        shown += json.loads(event.data)
                    seen.append(event.id)
                    last = event.id or last
                    limit -= 1
                    if limit <= 0 or event.kind == "done":
                        break
            if event.kind == "done":
                break
            await asyncio.sleep(choice.random() * 0.2)
        ids = [event_id for event_id in seen if event_id]
        assert len(ids) == len(set(ids))
        return shown

    shown = await asyncio.gather(*(reader(choice.randint(0, 9)) for _ in range(40)))

    assert shown == [words(120)] * 40


async def test_a_finished_turn_replays_from_the_database(actor: Actor, add_model: AddModel) -> None:
    turn = await turns.start(actor, question="Count", model=await add_model("scripted"), collection_ids=[])
    live = await read_all(actor, turn.id)
    while turn_runner().is_answering(actor, turn.id):
        await asyncio.sleep(0)
    turn_log()._entries.clear()  # pyright: ignore[reportAttributeAccessIssue]

    replayed = await read_all(actor, turn.id, live[3].id)

    assert replayed[0].kind == "reset"
    assert text_of(replayed) == text_of(live)
    assert replayed[-1].data == live[-1].data


async def test_a_reader_who_has_everything_learns_that_it_ended(actor: Actor, add_model: AddModel) -> None:
    turn = await turns.start(actor, question="Count", model=await add_model("scripted"), collection_ids=[])
    live = await read_all(actor, turn.id)

    again = await asyncio.wait_for(read_all(actor, turn.id, live[-1].id), 3)

    assert again[-1].kind == "done"
    assert text_of(again) in {"", text_of(live)}


async def test_stop_keeps_what_was_written_and_closes_the_upstream(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=500&gap_ms=20")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    seen: list[TurnEvent] = []
    async with aclosing(turns.events(actor, turn.id)) as stream:
        async for event in stream:
            seen.append(event)
            if text_of(seen).count("word") > 5:
                break

    stopped = time.perf_counter()
    await turns.cancel(actor, turn.id)
    ended = await turns.wait(actor, turn.id)
    await asyncio.sleep(0.05)

    assert ended.status == TurnStatus.STOPPED
    assert ended.answer.startswith(text_of(seen))
    assert ended.answer == words(ended.answer.count("word"))
    call = provider.calls[-1]
    assert call.closed_by_client is not None
    assert call.closed_by_client - stopped < 0.3
    assert ended.usage.is_estimated


async def test_a_turn_that_has_ended_cannot_be_stopped(actor: Actor, add_model: AddModel) -> None:
    turn = await turns.start(actor, question="Count", model=await add_model("scripted"), collection_ids=[])
    await turns.wait(actor, turn.id)

    assert (await turns.cancel(actor, turn.id)).status == TurnStatus.COMPLETED


async def test_siblings_and_branches(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=3")
    first = await turns.start(actor, question="One", model=model, collection_ids=[])
    await turns.wait(actor, first.id)
    second = await turns.start(
        actor, question="Two", model=model, collection_ids=[], conversation_id=first.conversation_id
    )
    await turns.wait(actor, second.id)
    assert second.parent_id == first.id

    edited = await turns.resend(actor, first.id, "One, edited")
    await turns.wait(actor, edited.id)

    assert (edited.parent_id, edited.sibling_index, edited.sibling_count) == (None, 2, 2)
    shown = await conversations.open(actor, first.conversation_id)
    assert [turn.question for turn in shown.turns] == ["One, edited"]
    await turns.select(actor, first.id)
    shown = await conversations.open(actor, first.conversation_id)
    assert [turn.question for turn in shown.turns] == ["One", "Two"]
    again = await turns.regenerate(actor, second.id)
    await turns.wait(actor, again.id)
    assert (again.question, again.parent_id, again.sibling_ids) == ("Two", first.id, (second.id, again.id))
    assert [turn.id for turn in (await conversations.open(actor, first.conversation_id)).turns] == [first.id, again.id]


async def test_the_model_sees_the_branch_above(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?answer=Blue.")
    first = await turns.start(actor, question="Which colour?", model=model, collection_ids=[])
    await turns.wait(actor, first.id)
    second = await turns.start(
        actor, question="And the other?", model=model, collection_ids=[], conversation_id=first.conversation_id
    )
    await turns.wait(actor, second.id)

    messages = provider.calls[-1].body["messages"]
    assert [message["content"] for message in messages[1:]] == ["Which colour?", "Blue.", "And the other?"]


async def test_the_same_idempotency_key_starts_one_turn(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?gap_ms=5")

    async def ask(question: str, **others: Any) -> turns.TurnView:
        request: dict[str, Any] = {"model": model, "collection_ids": [], "feature": "api", "idempotency_key": "k1"}
        return await turns.start(actor, question=question, **request | others)

    started = await asyncio.gather(*(ask("Once") for _ in range(8)))
    await turns.wait(actor, started[0].id)

    assert len({turn.id for turn in started}) == 1
    assert len(provider.calls) == 1
    others: tuple[dict[str, Any], ...] = (
        {"model": "auto"},
        {"collection_ids": None},
        {"parameters": {"temperature": 0.5}},
        {"messages": [{"role": "user", "content": "Before."}]},
        {"conversation_id": uuid4()},
        {"question": "Something else"},
    )
    for other in others:
        with pytest.raises(Conflict):
            await ask(**{"question": "Once"} | other)


async def test_an_idempotency_key_is_not_shared_between_tenants(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    model = await add_model("scripted")
    mine, theirs = [
        await turns.start(who, question="Once", model=model, collection_ids=[], idempotency_key="k1")
        for who in (actor, other_actor)
    ]

    assert mine.id != theirs.id
    await asyncio.gather(turns.wait(actor, mine.id), turns.wait(other_actor, theirs.id))


@pytest.mark.parametrize("question", ["", "   ", "\x00", "x" * 200_000])
async def test_a_question_without_words_or_far_too_long_is_refused(actor: Actor, question: str) -> None:
    with pytest.raises(InvalidInput):
        await turns.start(actor, question=question, collection_ids=[])


async def test_unknown_model_and_conversation_are_not_found(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted")
    with pytest.raises(NotFound, match="no model named"):
        await turns.start(actor, question="Hi", model="gpt-99", collection_ids=[])
    with pytest.raises(NotFound):
        await turns.start(actor, question="Hi", model=model, conversation_id=actor.tenant_id, collection_ids=[])
    with pytest.raises(NotFound):
        await turns.start(actor, question="Hi", model=model, collection_ids=[actor.tenant_id])


async def test_who_may_not_chat_is_refused(make_actor: MakeActor) -> None:
    reader = await make_actor([Permission.READ_DOCUMENTS])
    with pytest.raises(NotPermitted):
        await turns.start(reader, question="Hi", collection_ids=[])


async def test_a_deleted_collection_does_not_keep_its_conversation_from_being_asked(
    actor: Actor, add_model: AddModel, storage: Settings
) -> None:
    model = await add_model("scripted")
    kept, gone = [(await collections.create(actor, name=name)).id for name in ("Kept", "Gone")]
    both = await turns.start(actor, question="Both?", model=model, collection_ids=[kept, gone])
    alone = await turns.start(actor, question="One?", model=model, collection_ids=[gone])
    await asyncio.gather(turns.wait(actor, both.id), turns.wait(actor, alone.id))
    await collections.delete(actor, gone)

    for turn, left in ((both, (kept,)), (alone, None)):
        assert turn.conversation_id is not None
        assert (await conversations.open(actor, turn.conversation_id)).summary.collection_ids == left
        again = await turns.regenerate(actor, turn.id)
        await turns.wait(actor, again.id)
        assert (await conversations.open(actor, turn.conversation_id)).summary.collection_ids == left
        with pytest.raises(NotFound):
            await turns.regenerate(actor, turn.id, collection_ids=[gone])
    other = await turns.resend(actor, both.id, "Nothing?", collection_ids=[])
    await turns.wait(actor, other.id)
    assert (await conversations.open(actor, other.conversation_id)).summary.collection_ids == ()  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await turns.start(actor, question="One?", model=model, collection_ids=[gone])


async def test_a_turn_that_is_given_back_leaves_nobody_writing(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=4000&gap_ms=5")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    async for event in turns.events(actor, turn.id):
        if event.kind == "delta":
            break

    await close_turn_runner()

    assert [task for task in asyncio.all_tasks() if "_append" in repr(task.get_coro())] == []
