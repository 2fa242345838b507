from __future__ import annotations

import pytest

from chatapp.domain import Actor, Permission, Role
from chatapp.errors import InvalidInput, NotPermitted
from chatapp.services import audit, routes, traces, turns
from chatapp.services.routes import RouteSettings
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel

pytestmark = pytest.mark.usefixtures("parts")


async def _ask(actor: Actor, question: str, model: str = "auto") -> tuple[str, dict[str, object]]:
    turn = await turns.start(actor, question=question, model=model, collection_ids=[])
    ended = await turns.wait(actor, turn.id)
    return ended.model, await traces.get(actor, turn.id)


def _route(**values: object) -> RouteSettings:
    return RouteSettings.model_validate(values)


async def test_rules_choose_and_the_trace_says_why(actor: Actor, add_model: AddModel) -> None:
    usual, coder = await add_model("usual?tokens=2"), await add_model("coder?tokens=2")
    view = await routes.put(actor, _route(rules=[{"when": {"has_code": True}, "model": coder}], default=usual))
    assert view.version == 1

    assert (await _ask(actor, "How are you?"))[0] == usual
    model, trace = await _ask(actor, "Why?\n```\nx = 1;\n```")
    assert model == coder
    assert trace["route_reason"] == "rule 1: has_code"
    assert trace["route_version"] == 1


async def test_a_route_is_its_tenants_own(actor: Actor, other_actor: Actor, add_model: AddModel) -> None:
    usual, special = await add_model("usual?tokens=2", default=True), await add_model("special?tokens=2")
    await routes.put(actor, _route(default=special))
    assert (await _ask(actor, "Hello?"))[0] == special
    assert (await _ask(other_actor, "Hello?"))[0] == usual
    assert (await routes.get(other_actor)).version == 0


async def test_fallbacks_answer_where_the_first_fails(actor: Actor, add_model: AddModel) -> None:
    broken, healthy = await add_model("a?fault=unauthorized"), await add_model("b?tokens=3")
    await routes.put(actor, _route(default=broken, fallbacks=[healthy]))
    model, trace = await _ask(actor, "Count")
    assert model == healthy
    assert [(each["model"], each["outcome"]) for each in trace["attempts"]] == [  # pyright: ignore
        (broken, "failed"),
        (healthy, "answered"),
    ]


async def test_a_model_asked_for_by_name_goes_by_no_rule(actor: Actor, add_model: AddModel) -> None:
    usual, named = await add_model("usual?tokens=2"), await add_model("named?tokens=2")
    await routes.put(actor, _route(default=usual))
    assert (await _ask(actor, "Hello?", model=named))[0] == named


async def test_a_model_that_is_gone_is_passed_over(actor: Actor, add_model: AddModel) -> None:
    usual, other = await add_model("usual?tokens=2"), await add_model("other?tokens=2")
    await routes.put(actor, _route(default=usual, fallbacks=[other]))
    from sqlalchemy import delete
    from sqlmodel import col

    from chatapp.store.database import system_transaction
    from chatapp.store.tables import ModelTable

    async with system_transaction() as tx:
        await tx.session.execute(delete(ModelTable).where(col(ModelTable.name) == usual))
    assert (await _ask(actor, "Hello?"))[0] == other


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"default": "nobody"}, "default"),
        ({"default": "usual", "fallbacks": ["usual", "nobody"]}, "fallbacks.1"),
        ({"default": "usual", "rules": [{"when": {"feature": "api"}, "model": "nobody"}]}, "rules.0.model"),
    ],
)
async def test_models_that_are_not_in_use_are_refused_and_nothing_changes(
    values: dict[str, object], param: str, actor: Actor, add_model: AddModel
) -> None:
    await add_model("usual")
    with pytest.raises(InvalidInput) as raised:
        await routes.put(actor, _route(**values))
    assert raised.value.param == param
    assert (await routes.get(actor)).version == 0


async def test_a_change_stands_in_the_audit_log_with_before_and_after(actor: Actor, add_model: AddModel) -> None:
    one, two = await add_model("one"), await add_model("two")
    await routes.put(actor, _route(default=one))
    await routes.put(actor, _route(default=two))
    line = (await audit.list_entries(actor, actor.tenant_id, {"action": "route.changed"})).items[0]
    assert line.before is not None
    assert line.after is not None
    assert (line.before["default"], line.after["default"]) == (one, two)


async def test_a_dry_run_says_what_would_have_gone_where_and_asks_nobody(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    usual = await add_model("usual?tokens=2", default=True)
    cheap = await add_model("cheap?tokens=2", input_micro_usd_per_mtok=0, output_micro_usd_per_mtok=0)
    for question in ("short", "a much longer question than the other one"):
        await _ask(actor, question)
    await _ask(other_actor, "not to be seen")
    wanted = _route(rules=[{"when": {"characters": {"below": 10}}, "model": cheap}], default=usual)
    tried = await routes.dry_run(actor, wanted)
    assert [(each.question[:5], each.model_then, each.model_now) for each in tried] == [
        ("a muc", usual, usual),
        ("short", usual, cheap),
    ]
    assert [each.cost_now_micro_usd == each.cost_then_micro_usd for each in tried] == [True, False]
    assert (await routes.get(actor)).version == 0


async def test_members_and_auditors_change_nothing(actor: Actor, make_actor: MakeActor, add_model: AddModel) -> None:
    usual = await add_model("usual")
    for permissions in ([Permission.CHAT], [Permission.READ_ADMIN, Permission.READ_TRACES]):
        who = await make_actor(permissions, tenant=actor.tenant_id)
        with pytest.raises(NotPermitted):
            await routes.put(who, _route(default=usual))
        with pytest.raises(NotPermitted):
            await routes.dry_run(who, _route(default=usual))


async def test_a_rule_by_role_looks_at_who_asks(actor: Actor, make_actor: MakeActor, add_model: AddModel) -> None:
    usual, special = await add_model("usual?tokens=2"), await add_model("special?tokens=2")
    await routes.put(actor, _route(rules=[{"when": {"role": Role.ADMIN}, "model": special}], default=usual))
    member = await make_actor([Permission.CHAT, Permission.READ_DOCUMENTS], tenant=actor.tenant_id)
    assert (await _ask(actor, "Hello?"))[0] == special
    assert (await _ask(member, "Hello?"))[0] == usual
