from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chatapp.domain import Actor, Permission, TurnStatus
from chatapp.errors import InvalidInput, NotFound
from chatapp.services import audit, feedback, traces
from chatapp.store.database import transaction
from chatapp.store.tables import TraceTable, TurnTable
from tests.fixtures.people import MakeActor


async def add_answer(actor: Actor) -> UUID:
    async with transaction(actor) as tx:
        turn = TurnTable(
            tenant_id=actor.tenant_id,
            user_id=actor.user_id,
            key_id=actor.key_id,
            question="?",
            status=TurnStatus.COMPLETED,
        )
        tx.session.add(turn)
        tx.session.add(TraceTable(id=turn.id, tenant_id=actor.tenant_id, user_id=actor.user_id, model="m"))
        return turn.id


async def test_a_rating_is_given_changed_and_taken_back(actor: Actor) -> None:
    answer = await add_answer(actor)
    await feedback.rate(actor, answer, rating="down", reasons=["wrong", "wrong"], comment=" Not so. ")
    trace = await traces.get(actor, answer)
    assert [(f["rating"], f["reasons"], f["comment"]) for f in trace["user_feedback"]] == [
        ("down", ["wrong"], "Not so.")
    ]

    await feedback.rate(actor, answer, rating="up")
    assert [f["rating"] for f in (await traces.get(actor, answer))["user_feedback"]] == ["up"]

    view = await feedback.rate(actor, answer, rating=None)
    assert view.rating is None
    assert (await traces.get(actor, answer))["user_feedback"] == []
    await feedback.rate(actor, answer, rating=None)


async def test_each_change_of_a_rating_is_audited_without_its_words(actor: Actor) -> None:
    answer = await add_answer(actor)
    await feedback.rate(actor, answer, rating="down", reasons=["wrong"], comment="Ada said so.")
    await feedback.rate(actor, answer, rating="up")
    await feedback.rate(actor, answer, rating=None)

    entries = (await audit.list_entries(actor, actor.tenant_id, {"q": "feedback", "order": "sequence"})).items

    down, up = (
        {"rating": "down", "reasons": ["wrong"], "has_comment": True},
        {"rating": "up", "reasons": [], "has_comment": False},
    )
    assert [(entry.before, entry.after) for entry in entries] == [(None, down), (down, up), (up, None)]
    assert "Ada" not in str(entries)


@pytest.mark.parametrize("is_service", [False, True])
async def test_ratings_that_come_at_once_leave_one(actor: Actor, is_service: bool) -> None:
    rater = replace(actor, user_id=None, key_id=uuid4()) if is_service else actor
    answer = await add_answer(rater)

    await asyncio.gather(*(feedback.rate(rater, answer, rating=rating) for rating in ("up", "down", "up", "down")))

    assert len((await traces.get(actor, answer))["user_feedback"]) == 1


async def test_only_ones_own_answers_can_be_rated(actor: Actor, other_actor: Actor, make_actor: MakeActor) -> None:
    answer = await add_answer(actor)
    for stranger in (other_actor, await make_actor(tenant=actor.tenant_id)):
        with pytest.raises(NotFound) as refusal:
            await feedback.rate(stranger, answer, rating="up")
        assert refusal.value.param == "trace_id"


async def test_unknown_reasons_and_ratings_are_refused(actor: Actor) -> None:
    answer = await add_answer(actor)
    with pytest.raises(InvalidInput):
        await feedback.rate(actor, answer, rating="up", reasons=["because"])
    with pytest.raises(InvalidInput):
        await feedback.rate(actor, answer, rating="sideways")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        await feedback.rate(actor, answer, rating="up", comment="x" * 5_000)


async def test_a_trace_is_for_its_owner_and_for_those_who_may_read_traces(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    colleague = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    auditor = await make_actor([Permission.READ_TRACES], tenant=actor.tenant_id)
    answer = await add_answer(member)

    for reader in (member, auditor, actor):
        assert (await traces.get(reader, answer))["model"] == "m"
    for stranger in (colleague, other_actor):
        with pytest.raises(NotFound):
            await traces.get(stranger, answer)
