"""Rules that wait for the search, intents, and the ladder, over a real search and a scripted provider."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, TurnStatus
from chatapp.limits import concurrency
from chatapp.routing.breaker import breaker_of
from chatapp.services import intents, routes, traces, turns
from chatapp.services.intents import NewExample
from chatapp.services.routes import RouteSettings
from tests.chatapp.services.test_answers import HANDBOOK, put
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")

CANTEEN = "When does the canteen open?"
UNRELATED = "zebra qqq xyz"
CARRIED = f"answer={quote('The canteen opens at noon on weekdays [1].')}"
INVENTED = f"answer={quote('Seventeen purple dragons guard the vault since 1812 [1].')}"
UNCITED = f"answer={quote('Nobody knows.')}"
FORM = {"response_format": {"type": "json_object"}}


@pytest.fixture
async def handbook(parts: None, actor: Actor) -> UUID:
    return await put(actor, "Handbook", "handbook.md", HANDBOOK)


async def _put(actor: Actor, **values: object) -> None:
    await routes.put(actor, RouteSettings.model_validate(values))


async def _ask(actor: Actor, question: str, **others: Any) -> tuple[turns.TurnView, dict[str, Any]]:
    turn = await turns.start(actor, question=question, **others)
    ended = await turns.wait(actor, turn.id)
    return ended, await traces.get(actor, turn.id)


async def _events(actor: Actor, question: str, **others: Any) -> list[tuple[str, Any]]:
    turn = await turns.start(actor, question=question, **others)
    return [(each.kind, json.loads(each.data) if each.data else None) async for each in turns.events(actor, turn.id)]


def _said(events: list[tuple[str, Any]]) -> list[str]:
    return [data["text"] for kind, data in events if kind == "status"]


def _text(events: list[tuple[str, Any]]) -> str:
    return "".join(data for kind, data in events if kind == "delta")


@pytest.mark.usefixtures("handbook")
async def test_rules_look_at_what_the_search_found_and_the_trace_keeps_it(actor: Actor, add_model: AddModel) -> None:
    usual, without, strong = [await add_model(f"{name}?tokens=2") for name in ("usual", "without", "strong")]
    rules = [
        {"when": {"sources": {"below": 1}}, "model": without},
        {"when": {"best_score": {"at_least": 0.4}}, "model": strong},
    ]
    await _put(actor, rules=rules, default=usual)
    turn, trace = await _ask(actor, UNRELATED)
    assert (turn.model, trace["route_reason"], trace["facts"]["sources"]) == (without, "rule 1: sources", 0)
    turn, trace = await _ask(actor, CANTEEN)
    assert (turn.model, trace["route_reason"]) == (strong, "rule 2: best_score")
    assert trace["facts"]["sources"] > 0
    assert 0.4 < trace["facts"]["best_score"] <= 1
    turn, trace = await _ask(actor, CANTEEN, collection_ids=[])
    assert (turn.model, trace["facts"]["sources"], trace["facts"]["best_score"]) == (without, 0, None)


async def test_an_intent_sends_a_question_where_its_rule_says_and_changes_hold_at_once(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    usual, special = await add_model("usual?tokens=2", default=True), await add_model("special?tokens=2")
    rules = [{"when": {"intent": "refunds"}, "model": special}]
    for each in (actor, other_actor):
        await _put(each, rules=rules, default=usual)
    examples = [NewExample(intent="refunds", text="How do I get my money back?")]
    asked = {"question": "how can I get my money back", "collection_ids": []}
    assert (await _ask(actor, **asked))[0].model == usual
    await intents.add(actor, examples)
    turn, trace = await _ask(actor, **asked)
    score = trace["facts"]["intent"]["score"]
    assert (turn.model, trace["route_reason"]) == (special, f"rule 1: intent refunds ({score:.2f})")
    assert (await _ask(other_actor, **asked))[0].model == usual
    (view,) = (await intents.list_examples(actor, {})).items
    await intents.delete(actor, [view.id])
    assert (await _ask(actor, **asked))[0].model == usual


@pytest.mark.usefixtures("handbook")
async def test_an_answer_its_sources_do_not_carry_is_given_up_before_anybody_reads_it(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    small, large = await add_model(f"small?{INVENTED}"), await add_model(f"large?{CARRIED}")
    await _put(actor, default=small, ladder=[small, large], escalate_on=["low_support"])
    events = await _events(actor, CANTEEN)
    assert _text(events) == "The canteen opens at noon on weekdays [1]."
    assert _said(events)[-3:] == [f"Asking {small}", "Checking the answer", f"Asking {large}"]
    done = events[-1][1]
    assert done["model"] == large
    trace = await traces.get(actor, UUID(done["trace_id"]))
    assert [(each["model"], each["outcome"]) for each in trace["attempts"]] == [
        (small, "escalated"),
        (large, "answered"),
    ]
    (step,) = trace["escalations"]
    assert (step["from"], step["to"], step["because"]) == (small, large, "low_support")
    assert step["detail"] == "1 of 1 statements not carried"
    assert "low_support" in trace["route_reason"]
    assert trace["citations"][0]["file_citation"]["support"] == "supported"
    # Both answers were paid for: each has its input, and the words of its own.
    assert trace["output_tokens"] >= 2 * 7


@pytest.mark.usefixtures("handbook")
async def test_an_answer_that_passed_is_shown_as_it_is_and_the_last_rung_is_never_held(
    actor: Actor, add_model: AddModel
) -> None:
    small, large = await add_model(f"small?{CARRIED}"), await add_model(f"large?{UNCITED}")
    await _put(actor, default=small, ladder=[small, large], escalate_on=["low_support"])
    events = await _events(actor, CANTEEN)
    kinds = [kind for kind, _ in events]
    assert _text(events) == "The canteen opens at noon on weekdays [1]."
    assert kinds.index("sources") < kinds.index("delta")
    assert events[-1][1]["citations"][0]["file_citation"]["support"] == "supported"
    await _put(actor, default=large, ladder=[small, large], escalate_on=["low_support"])
    events = await _events(actor, CANTEEN)
    assert _text(events) == "Nobody knows."
    assert "Checking the answer" not in _said(events)


@pytest.mark.usefixtures("handbook")
async def test_an_answer_that_cites_nothing_though_there_are_sources_climbs(actor: Actor, add_model: AddModel) -> None:
    small, large = await add_model(f"small?{UNCITED}"), await add_model(f"large?{CARRIED}")
    await _put(actor, default=small, ladder=[small, large], escalate_on=["low_support"])
    turn, trace = await _ask(actor, CANTEEN)
    assert (turn.model, trace["escalations"][0]["detail"]) == (large, "nothing cited")
    turn, trace = await _ask(actor, CANTEEN, collection_ids=[])
    assert (turn.model, trace["escalations"]) == (small, [])


@pytest.mark.parametrize("script", ["answer=not+json", "answer=[1,2]", "fault=empty_answer"])
async def test_what_is_not_the_form_asked_for_climbs(script: str, actor: Actor, add_model: AddModel) -> None:
    small, large = await add_model(f"small?{script}"), await add_model('large?answer={"a": 1}')
    await _put(actor, default=small, ladder=[small, large], escalate_on=["invalid_output"])
    turn, trace = await _ask(actor, "Say it as JSON", collection_ids=[], parameters=FORM)
    assert (turn.model, turn.answer) == (large, '{"a": 1}')
    assert trace["escalations"][0]["because"] == "invalid_output"


async def test_an_empty_answer_climbs_past_fallbacks_and_streams_where_it_need_not_be_held(
    actor: Actor, add_model: AddModel
) -> None:
    small, large = await add_model("small?fault=empty_answer"), await add_model("large?tokens=3")
    spare = await add_model("spare?tokens=2")
    await _put(actor, default=small, fallbacks=[spare], ladder=[small, large], escalate_on=["invalid_output"])
    turn, trace = await _ask(actor, "Count", collection_ids=[])
    assert turn.model == large
    assert [each["model"] for each in trace["attempts"]] == [small, small, large]
    events = await _events(actor, "Count", collection_ids=[])
    assert "Checking the answer" not in _said(events)


async def test_where_nobody_on_a_rung_answers_the_next_is_asked_and_all_failing_is_an_error(
    actor: Actor, add_model: AddModel
) -> None:
    small, large = await add_model("small?fault=unauthorized"), await add_model("large?tokens=2")
    worst = await add_model("worst?fault=unauthorized")
    await _put(actor, default=small, ladder=[small, large], escalate_on=["low_support"])
    turn, trace = await _ask(actor, "Count", collection_ids=[])
    assert (turn.model, trace["escalations"][0]["because"]) == (large, "failed")
    await _put(actor, default=small, ladder=[small, worst], escalate_on=["low_support"])
    turn, trace = await _ask(actor, "Count", collection_ids=[])
    assert turn.status == TurnStatus.FAILED
    assert {each["model"] for each in trace["attempts"]} == {small, worst}


@pytest.mark.usefixtures("handbook")
async def test_a_rung_that_is_full_is_passed_over(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    small, large = await add_model(f"small?{INVENTED}"), await add_model(f"large?{CARRIED}")
    middle = await add_model("middle?tokens=2000&gap_ms=20", max_concurrent=1)
    await _put(actor, default=small, ladder=[small, middle, large], escalate_on=["low_support"])
    busy = await turns.start(other_actor, question="Count", model=middle, collection_ids=[])
    async for event in turns.events(other_actor, busy.id):
        if event.kind == "delta":
            break
    concurrency.concurrency().providers[f"scripted: {middle}"]._seconds = 1_000.0
    turn, trace = await _ask(actor, CANTEEN)
    await turns.cancel(other_actor, busy.id)
    assert (turn.model, turn.answer) == (large, "The canteen opens at noon on weekdays [1].")
    assert [(step["to"], step["because"]) for step in trace["escalations"]] == [
        (middle, "low_support"),
        (large, "failed"),
    ]
    assert [(each["model"], each["outcome"]) for each in trace["attempts"]] == [
        (small, "escalated"),
        (middle, "skipped"),
        (large, "answered"),
    ]


@pytest.mark.usefixtures("handbook")
async def test_where_every_higher_rung_rests_the_answer_that_was_given_up_is_better_than_none(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    small, large = await add_model(f"small?{INVENTED}"), await add_model("large?tokens=2")
    for each in (actor, other_actor):
        await _put(each, default=small, ladder=[small, large], escalate_on=["low_support"])
    for _ in range(10):
        breaker_of(f"scripted: {large}/{large}").failed()
    events = await _events(actor, CANTEEN)
    done = events[-1][1]
    assert (done["status"], done["model"]) == ("completed", small)
    assert _text(events) == "Seventeen purple dragons guard the vault since 1812 [1]."
    assert done["citations"][0]["file_citation"]["support"] != "supported"
    # It is not asked for once more.
    assert [call.body["model"] for call in provider.calls] == [small]
    trace = await traces.get(actor, UUID(done["trace_id"]))
    assert [(each["model"], each["outcome"]) for each in trace["attempts"]] == [
        (small, "escalated"),
        (large, "skipped"),
    ]
    assert (await _ask(other_actor, "Count", collection_ids=[]))[0].model == small


async def test_asking_again_begins_a_rung_higher_each_time_and_an_edited_question_at_the_bottom(
    actor: Actor, add_model: AddModel
) -> None:
    rungs = [await add_model(f"{name}?tokens=2") for name in ("small", "middle", "large")]
    await _put(actor, default=rungs[0], ladder=rungs, escalate_on=["asked_again"])
    turn = await turns.wait(actor, (await turns.start(actor, question="Why?", collection_ids=[])).id)
    seen = [turn.model]
    for _ in range(3):
        turn = await turns.wait(actor, (await turns.regenerate(actor, turn.id)).id)
        seen.append(turn.model)
    assert seen == [*rungs, rungs[-1]]
    edited = await turns.resend(actor, turn.id, "Why not?")
    assert (await turns.wait(actor, edited.id)).model == rungs[0]


@pytest.mark.usefixtures("handbook")
async def test_a_stop_ends_an_answer_that_is_held_and_climbs_no_further(actor: Actor, add_model: AddModel) -> None:
    small, large = await add_model("small?tokens=500&gap_ms=20"), await add_model("large?tokens=2")
    await _put(actor, default=small, ladder=[small, large], escalate_on=["low_support"])
    turn = await turns.start(actor, question=CANTEEN)
    async for event in turns.events(actor, turn.id):
        if event.kind == "status" and "Asking" in event.data:
            break
    await turns.cancel(actor, turn.id)
    ended = await turns.wait(actor, turn.id)
    assert (ended.status, ended.model) == (TurnStatus.STOPPED, small)
    assert "large" not in str((await traces.get(actor, turn.id))["attempts"])


async def test_no_rule_about_intents_means_that_nothing_is_embedded_for_it(
    actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch, database: AsyncEngine
) -> None:
    from chatapp.pipeline import decide

    asked: list[str] = []

    async def embed(text: str) -> None:
        asked.append(text)

    monkeypatch.setattr(decide, "embed_query", embed)
    usual = await add_model("usual?tokens=2")
    await _put(actor, rules=[{"when": {"sources": {"at_least": 1}}, "model": usual}], default=usual)
    await _ask(actor, "Hello?", collection_ids=[])
    assert asked == []


@pytest.mark.usefixtures("handbook")
async def test_the_embedding_of_the_search_tells_the_intent(
    actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatapp.pipeline import decide

    async def embed(text: str) -> None:
        raise AssertionError(f"embedded twice: {text}")

    monkeypatch.setattr(decide, "embed_query", embed)
    usual, special = await add_model("usual?tokens=2"), await add_model("special?tokens=2")
    await intents.add(actor, [NewExample(intent="canteen", text="What are the canteen's opening hours?")])
    await _put(actor, rules=[{"when": {"intent": "canteen"}, "model": special}], default=usual)
    assert (await _ask(actor, CANTEEN))[0].model == special
