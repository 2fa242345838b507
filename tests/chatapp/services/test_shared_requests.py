"""Questions that are the same at the same moment: one call where the prompts are the same, and no other sharing."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from chatapp.domain import Actor, Permission, TurnStatus
from chatapp.services import collections, documents, grants, ingestion, traces, turns
from chatapp.store.grants import EVERYONE_WRITES, Grant
from tests.fixtures.ingestion import in_pieces
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = [
    pytest.mark.usefixtures("parts"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

MEMBER = frozenset({Permission.CHAT, Permission.READ_DOCUMENTS})
SLOW = "scripted?tokens=12&latency_ms=300&gap_ms=5"


async def ask(actor: Actor, model: str, question: str = "Count", **others: object) -> turns.TurnView:
    turn = await turns.start(actor, question=question, model=model, **{"collection_ids": [], **others})  # type: ignore[arg-type]
    return await turns.wait(actor, turn.id)


async def test_the_same_question_of_many_is_one_call_and_costs_once(
    actor: Actor, make_actor: MakeActor, add_model: AddModel, provider: Upstream
) -> None:
    # Long enough for the last of twenty to be asked before the first is answered, on a machine with much to do.
    model = await add_model("scripted?tokens=12&latency_ms=2000&gap_ms=5")
    people = [actor, *[await make_actor(MEMBER, tenant=actor.tenant_id) for _ in range(4)]]
    answers = await asyncio.gather(*(ask(person, model) for person in people for _ in range(4)))

    assert len(provider.calls) == 1
    assert {turn.answer for turn in answers} == {"".join(f"word{number} " for number in range(1, 13))}
    assert {turn.status for turn in answers} == {TurnStatus.COMPLETED}
    paid = [turn for turn in answers if turn.cost_micro_usd]
    assert len(paid) == 1
    assert paid[0].usage.output_tokens == 12
    assert sum(turn.usage.input_tokens + turn.usage.output_tokens for turn in answers if turn is not paid[0]) == 0
    attempts = [(await traces.get(actor, turn.id))["attempts"] for turn in answers]
    assert sorted(each[0]["single_flight"] for each in attempts) == [False] + [True] * 19
    assert {(each[0]["outcome"], each[0]["model"]) for each in attempts} == {("answered", model)}


async def test_two_tenants_never_share(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(SLOW)
    await asyncio.gather(*(ask(who, model) for who in (actor, other_actor, actor, other_actor)))
    assert len(provider.calls) == 2


async def put(actor: Actor, name: str, text: str, readers: list[Grant]) -> UUID:
    made = await collections.ensure(actor, name=name)
    data = in_pieces(text.encode())
    await documents.upload(actor, collection_id=made.id, filename=f"{name}.md", content=data)
    await ingestion.ingest_waiting()
    await grants.set_grants(actor, made.id, readers)
    return made.id


async def test_people_with_different_grants_never_share_an_answer(
    actor: Actor, make_actor: MakeActor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?answer=quote&latency_ms=400")
    mine = await make_actor(MEMBER, tenant=actor.tenant_id)
    theirs = await make_actor(MEMBER, tenant=actor.tenant_id)
    await put(actor, "Handbook", "# Canteen\n\nThe canteen opens at noon.\n", [EVERYONE_WRITES])
    only_me = [Grant("user", str(mine.user_id))]
    await put(actor, "Plans", "# Canteen\n\nThe secret canteen opens at midnight.\n", only_me)

    question = "When does the canteen open?"
    seen, unseen, again = await asyncio.gather(
        *(ask(who, model, question, collection_ids=None) for who in (mine, theirs, mine))
    )

    assert "midnight" in seen.answer
    assert seen.answer == again.answer
    assert "midnight" not in unseen.answer
    assert len(provider.calls) == 2


async def test_another_question_model_or_parameter_is_another_call(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model, other = await add_model(SLOW), await add_model(f"{SLOW}&retry_after=2")
    await asyncio.gather(
        ask(actor, model),
        ask(actor, model, "Count!"),
        ask(actor, other),
        ask(actor, model, parameters={"temperature": 0.5}),
        ask(actor, model, messages=[{"role": "user", "content": "Before."}], feature="api"),
    )
    assert len(provider.calls) == 5


async def test_who_bypasses_the_cache_or_asks_again_has_an_answer_of_their_own(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(SLOW)
    first = await ask(actor, model)
    others = await asyncio.gather(
        ask(actor, model),
        ask(actor, model, cache="bypass"),
        turns.regenerate(actor, first.id),
        turns.resend(actor, first.id, "Count", collection_ids=[]),
    )
    await asyncio.gather(*(turns.wait(actor, turn.id) for turn in others))
    # The first one's; one that the first and the last of the others share; and two that want their own.
    assert len(provider.calls) == 4


async def test_the_call_goes_on_for_the_others_when_the_one_who_made_it_stops(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=60&gap_ms=10")
    first, second = [await turns.start(actor, question="Count", model=model, collection_ids=[]) for _ in range(2)]
    async for event in turns.events(actor, second.id):
        if event.kind == "delta":
            break
    await turns.cancel(actor, first.id)
    stopped, whole = await turns.wait(actor, first.id), await turns.wait(actor, second.id)

    assert (stopped.status, whole.status) == (TurnStatus.STOPPED, TurnStatus.COMPLETED)
    assert whole.answer.count("word") == 60
    assert (stopped.cost_micro_usd, whole.usage.output_tokens) == (0, 60)
    assert len(provider.calls) == 1
    assert provider.calls[0].closed_by_client is None


async def test_the_call_ends_when_everybody_stops(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?tokens=1000&gap_ms=10")
    asked = [await turns.start(actor, question="Count", model=model, collection_ids=[]) for _ in range(3)]
    async for event in turns.events(actor, asked[-1].id):
        if event.kind == "delta":
            break
    for turn in asked:
        await turns.cancel(actor, turn.id)
    stopped = [await turns.wait(actor, turn.id) for turn in asked]
    assert len(provider.calls) == 1
    for _ in range(100):
        if provider.calls[0].closed_by_client is not None:
            break
        await asyncio.sleep(0.02)
    assert provider.calls[0].closed_by_client is not None
    assert [bool(turn.cost_micro_usd) for turn in stopped].count(True) == 1


async def test_a_failure_is_retried_together(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?tokens=5&fault=unavailable_once&latency_ms=200")
    answers = await asyncio.gather(*(ask(actor, model) for _ in range(6)))
    assert {turn.status for turn in answers} == {TurnStatus.COMPLETED}
    assert len(provider.calls) == 2
