"""Conversations that are longer than the model reads: what is sent, what is charged, and who gets to see a summary."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chatapp.domain import Actor, TurnStatus
from chatapp.errors import NotFound
from chatapp.pipeline.gauge import forget_learned
from chatapp.services import traces, turns
from chatapp.services.turns import TurnView
from chatapp.store.database import transaction
from chatapp.store.tables import RouteTable, TurnTable
from tests.fixtures.providers import AddModel
from tests.upstream.script import asks_for_summary
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")

SMALL: dict[str, Any] = {"max_input_tokens": 1_000, "max_output_tokens": 200}
SUMMARY = "They+spoke+of+canteens+and+agreed+on+fish."


@pytest.fixture(autouse=True)
def _unlearned() -> None:
    forget_learned()


async def ask(actor: Actor, question: str, **others: Any) -> TurnView:
    others.setdefault("collection_ids", [])
    turn = await turns.start(actor, question=question, **others)
    return await turns.wait(actor, turn.id)


async def talk(actor: Actor, model: str, count: int, *, words: int = 60) -> TurnView:
    """A conversation of so many turns; gives the last."""
    turn = await ask(actor, f"Question 1: {'more ' * words}", model=model)
    for number in range(2, count + 1):
        question = f"Question {number}: {'more ' * words}"
        turn = await ask(actor, question, model=model, conversation_id=turn.conversation_id)
    return turn


async def put_route(actor: Actor, model: str, when_too_long: str) -> None:
    async with transaction(actor) as tx:
        tx.session.add(RouteTable(tenant_id=actor.tenant_id, default_model=model, when_too_long=when_too_long))


async def summaries(actor: Actor) -> dict[UUID, str]:
    async with transaction(actor, readonly=True) as tx:
        rows = (await tx.session.execute(select(TurnTable))).scalars()
        return {row.id: row.summary for row in rows if row.summary}


def sent_texts(provider: Upstream, *, summary: bool = False) -> list[str]:
    """What each request said in all, without or with those for a summary alone."""
    calls = (call for call in provider.calls if asks_for_summary(call.body) == summary)
    return ["\n".join(message["content"] for message in call.body["messages"]) for call in calls]


async def test_old_turns_are_summed_up_once_and_the_last_stay_word_for_word(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(f"scripted?tokens=60&summary={SUMMARY}", **SMALL)
    last = await talk(actor, model, 12)

    assert last.status == TurnStatus.COMPLETED
    wanted = sent_texts(provider, summary=True)
    assert 1 <= len(wanted) <= 3, "not every turn needs a new one"
    final = sent_texts(provider)[-1]
    assert "They spoke of canteens and agreed on fish." in final
    assert "Question 11:" in final
    assert "Question 1: " not in final
    roles = [message["role"] for message in provider.calls[-1].body["messages"]]
    assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
    for text in wanted[1:]:
        assert "They spoke of canteens" in text, "the next summary begins with the one before"
        assert "Question 1: " not in text
    prompt = (await traces.get(actor, last.id))["prompt"]
    assert prompt["summarised_turns"] > 0
    assert prompt["cut_turns"] == 0
    assert prompt["tokens"] <= prompt["max_tokens"]


async def test_a_summary_is_paid_for_and_named_in_the_trace_of_the_turn_that_needed_it(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(f"scripted?tokens=60&summary={SUMMARY}", **SMALL)
    turn = await talk(actor, model, 1)
    while not sent_texts(provider, summary=True):
        question = "Another: " + "more " * 60
        turn = await ask(actor, question, model=model, conversation_id=turn.conversation_id)

    trace = await traces.get(actor, turn.id)
    (span,) = [span for span in trace["spans"] if span["name"] == "summarise"]
    assert (span["outcome"], span["model"]) == ("answered", model)
    (answered,) = [call for call in provider.calls[-2:] if not asks_for_summary(call.body)]
    assert turn.usage.input_tokens > sum(len(m["content"].split()) for m in answered.body["messages"])
    assert turn.usage.output_tokens == 60 + span["output_tokens"]
    assert turn.cost_micro_usd == turn.usage.input_tokens + 2 * turn.usage.output_tokens
    assert span["cost_micro_usd"] == span["input_tokens"] + 2 * span["output_tokens"]


async def test_without_a_summary_old_turns_are_cut_and_the_trace_says_so(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=60&summary=fail", **SMALL)
    last = await talk(actor, model, 8)
    trace = await traces.get(actor, last.id)

    assert last.status == TurnStatus.COMPLETED
    assert not await summaries(actor)
    assert trace["prompt"]["cut_turns"] > 0
    assert [span["outcome"] for span in trace["spans"] if span["name"] == "summarise"] == ["failed"]
    assert "Asked: Question" in sent_texts(provider)[-1]


async def test_another_branch_sees_nothing_of_a_summary_that_is_not_of_its_path(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(f"scripted?tokens=60&summary={SUMMARY}", **SMALL)
    first = await ask(actor, "The root question.", model=model)
    turn = await ask(actor, "The secret branch: " + "dark " * 60, model=model, conversation_id=first.conversation_id)
    secret = turn
    while not await summaries(actor):
        turn = await ask(actor, "On and on: " + "more " * 60, model=model, conversation_id=first.conversation_id)
    assert next(iter(await summaries(actor))) != first.id

    sibling = await turns.resend(actor, secret.id, "Another way altogether.")
    await turns.wait(actor, sibling.id)
    final = sent_texts(provider)[-1]
    assert "The root question." in final
    assert "canteens" not in final
    assert "dark" not in final


async def test_a_summary_belongs_to_its_conversation_and_goes_with_it(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model(f"scripted?tokens=60&summary={SUMMARY}", **SMALL)
    last = await talk(actor, model, 8)
    assert await summaries(actor)
    assert not await summaries(other_actor)
    with pytest.raises(NotFound):
        await ask(other_actor, "And?", model=model, conversation_id=last.conversation_id)
    await ask(actor, "Something new.", model=model)
    assert "canteens" not in sent_texts(provider)[-1]


async def test_a_tenant_that_wants_nothing_left_out_refuses_before_anything_is_sent_or_charged(
    actor: Actor, other_actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=60", default=True, **SMALL)
    await put_route(actor, model, "refuse")
    fits = await ask(actor, "Short: " + "more " * 200)
    sent = len(provider.calls)
    refused = await ask(actor, "Too long: " + "more " * 1_800, conversation_id=fits.conversation_id)

    assert fits.status == TurnStatus.COMPLETED
    assert (refused.status, refused.error_code) == (TurnStatus.FAILED, "context_length_exceeded")
    assert "reads 800" in refused.error_message
    assert "shorter question" in refused.error_message
    assert (refused.cost_micro_usd, len(provider.calls)) == (0, sent)
    # What one tenant chose is no rule for another.
    assert (await ask(other_actor, "Short.")).status == TurnStatus.COMPLETED


async def test_a_conversation_that_fits_is_not_refused(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?tokens=20", default=True, max_input_tokens=100_000)
    await put_route(actor, model, "refuse")
    last = await talk(actor, model, 3)
    assert (last.status, last.finish_reason) == (TurnStatus.COMPLETED, "stop")
    assert (await traces.get(actor, last.id))["prompt"]["cut_turns"] == 0


async def test_a_question_too_long_for_the_first_model_goes_to_one_that_reads_more(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    small = await add_model("scripted?tokens=5", default=True, **SMALL)
    large = await add_model("scripted?tokens=6", max_input_tokens=50_000)
    async with transaction(actor) as tx:
        tx.session.add(RouteTable(tenant_id=actor.tenant_id, default_model=small, fallbacks=[large]))
    turn = await ask(actor, "Long: " + "more " * 2_500)
    assert (turn.status, turn.model) == (TurnStatus.COMPLETED, large)
    assert [call.model for call in provider.calls] == [large]


async def test_a_question_nobody_can_read_says_how_long_it_is(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted?tokens=5", **SMALL)
    turn = await ask(actor, "Long: " + "more " * 2_500, model=model)
    assert turn.error_code == "context_length_exceeded"
    assert "tokens" in turn.error_message


async def test_a_programs_own_instructions_are_never_cut(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?tokens=5", **SMALL)
    said = [{"role": role, "content": "blah " * 100} for _ in range(15) for role in ("user", "assistant")]
    messages = [{"role": "system", "content": "Speak like a pirate."}, *said]
    turn = await ask(actor, "And?", model=model, messages=messages, feature="api")
    sent = provider.calls[-1].body["messages"]
    assert turn.status == TurnStatus.COMPLETED
    assert sent[1] == messages[0]
    assert not sent_texts(provider, summary=True), "what a program brings along is not summed up at its cost"
    assert (await traces.get(actor, turn.id))["prompt"]["cut_turns"] > 0
