from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotPermitted
from chatapp.services import intents, route_trials, routes, turns
from chatapp.services.intents import NewExample
from chatapp.services.routes import RouteSettings
from chatapp.store.database import transaction
from chatapp.store.tables import TraceTable
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel

pytestmark = pytest.mark.usefixtures("parts")


async def _ask(actor: Actor, question: str, model: str = "auto") -> None:
    turn = await turns.start(actor, question=question, model=model, collection_ids=[])
    await turns.wait(actor, turn.id)


def _route(**values: object) -> RouteSettings:
    return RouteSettings.model_validate(values)


async def _older_trace(actor: Actor, question: str, model: str, **body: Any) -> None:
    """As versions wrote it that kept no facts."""
    values = {"model": model, "input_tokens": 1_000, "output_tokens": 500, "cost_micro_usd": 40}
    async with transaction(actor) as tx:
        row = TraceTable(id=uuid4(), tenant_id=actor.tenant_id, **values, body={"question": question, **body})
        tx.session.add(row)


async def test_it_says_what_would_have_gone_where_and_what_it_would_have_cost_and_asks_nobody(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    usual = await add_model("usual?tokens=2", default=True)
    cheap = await add_model("cheap?tokens=2", input_micro_usd_per_mtok=0, output_micro_usd_per_mtok=0)
    for question in ("short", "a much longer question than the other one"):
        await _ask(actor, question)
    await _ask(other_actor, "not to be seen")
    trial = await route_trials.dry_run(
        actor, _route(rules=[{"when": {"characters": {"below": 10}}, "model": cheap}], default=usual)
    )
    assert [(each.question[:5], each.model_then, each.model_now) for each in trial.tried] == [
        ("a muc", usual, usual),
        ("short", usual, cheap),
    ]
    assert [each.cost_now_micro_usd == each.cost_then_micro_usd for each in trial.tried] == [True, False]
    assert (trial.moved, trial.uncertain) == (1, 0)
    assert {each.model: (each.then, each.now) for each in trial.models} == {usual: (2, 1), cheap: (0, 1)}
    assert trial.cost_now_micro_usd == trial.tried[0].cost_then_micro_usd
    assert trial.cost_then_micro_usd > trial.cost_now_micro_usd
    assert (await routes.get(actor)).version == 0


async def test_what_was_decided_is_decided_again_by_the_same_rules(actor: Actor, add_model: AddModel) -> None:
    usual, special = await add_model("usual?tokens=2"), await add_model("special?tokens=2")
    named = await add_model("named?tokens=2")
    wanted = _route(
        rules=[
            {"when": {"role": "admin", "language": ["de"]}, "model": special},
            {"when": {"intent": "refunds", "sources": {"below": 1}}, "model": special},
        ],
        default=usual,
    )
    await intents.add(actor, [NewExample(intent="refunds", text="How do I get my money back?")])
    await routes.put(actor, wanted)
    for question in ("Wie geht es Ihnen heute?", "how can I get my money back", "How are you today?"):
        await _ask(actor, question)
    await _ask(actor, "Wie geht es Ihnen heute?", model=named)
    trial = await route_trials.dry_run(actor, wanted)
    assert [each.model_now for each in trial.tried] == [named, usual, special, special]
    assert (trial.moved, trial.uncertain) == (0, 0)
    assert trial.tried[2].reason.startswith("rule 2: sources, intent refunds (0.")


async def test_what_an_older_trace_does_not_tell_is_named(actor: Actor, add_model: AddModel) -> None:
    usual, special = await add_model("usual"), await add_model("special")
    await _older_trace(actor, "Why?", "gone", retrieval=[{}, {}], is_relevant=True, best_cosine=0.7)
    await _older_trace(actor, "Why?", "gone", route_reason="asked for by name", attempts=[{"model": "gone"}])
    rules = [
        {"when": {"role": "admin"}, "model": special},
        {"when": {"sources": {"at_least": 2}, "best_score": {"at_least": 0.5}}, "model": special},
    ]
    trial = await route_trials.dry_run(actor, _route(rules=rules, default=usual))
    found = {each.model_now: each for each in trial.tried}
    assert found[special].unknown == ["role"]
    assert found[special].reason == "rule 2: sources, best_score"
    # Who asked for a model by name is led nowhere by these rules; where it is gone, the cost stays what it was.
    assert (found["gone"].unknown, found["gone"].cost_now_micro_usd) == ([], 40)
    assert (trial.uncertain, trial.moved) == (1, 1)


async def test_a_route_that_could_not_be_gone_by_is_not_tried(actor: Actor, add_model: AddModel) -> None:
    usual = await add_model("usual")
    for wanted, last, param in (
        (_route(default="nobody"), 10, "default"),
        (_route(default=usual), 0, "last"),
        (_route(default=usual), 501, "last"),
        (_route(default=usual, rules=[{"when": {"language": ["xx"]}, "model": usual}]), 10, "rules.0.when.language"),
    ):
        with pytest.raises(InvalidInput) as raised:
            await route_trials.dry_run(actor, wanted, last=last)
        assert raised.value.param == param


async def test_who_may_not_change_routes_or_not_read_questions_tries_nothing(
    actor: Actor, make_actor: MakeActor, add_model: AddModel
) -> None:
    usual = await add_model("usual")
    for permissions in ([Permission.CHAT], [Permission.READ_ADMIN, Permission.READ_TRACES], [Permission.ADMIN]):
        who = await make_actor(permissions, tenant=actor.tenant_id)
        with pytest.raises(NotPermitted):
            await route_trials.dry_run(who, _route(default=usual))
