from __future__ import annotations

import pytest
from sqlalchemy import delete, select
from sqlmodel import col

from chatapp.domain import Actor, Permission, Role
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import audit, routes, traces, turns
from chatapp.services.routes import RouteSettings
from chatapp.store.database import system_transaction
from chatapp.store.tables import DeploymentTable, ModelTable
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


async def test_a_model_asked_for_by_name_that_fails_is_stood_in_for_as_its_tenant_chose(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    broken, spare = await add_model("a?fault=unauthorized"), await add_model("b?tokens=3")
    usual = await add_model("c?tokens=4", default=True)
    await routes.put(actor, _route(default=usual, fallbacks=[spare]))
    model, trace = await _ask(actor, "Count", broken)
    assert (model, trace["route_reason"], trace["route_version"]) == (spare, "asked for by name", 1)
    assert [each["model"] for each in trace["attempts"]] == [broken, spare]  # pyright: ignore
    assert trace["facts"]["requested_model"] == broken  # pyright: ignore
    # Without a route of its own a tenant has the installation's default behind every name.
    assert (await _ask(other_actor, "Count", broken))[0] == usual

    await routes.put(actor, _route(default=usual, fallbacks=[spare], when_named_fails="say_so"))
    turn = await turns.start(actor, question="Count", model=broken, collection_ids=[])
    ended = await turns.wait(actor, turn.id)
    assert (ended.status, ended.error_code) == ("failed", "provider_rejected")
    assert (await _ask(other_actor, "Count", broken))[0] == usual


async def test_another_model_goes_on_where_the_one_asked_for_by_name_breaks_off(
    actor: Actor, add_model: AddModel
) -> None:
    broken, usual = await add_model("a?tokens=9&fault=close&after=3"), await add_model("b?tokens=9", default=True)
    turn = await turns.start(actor, question="Count", model=broken, collection_ids=[])
    ended = await turns.wait(actor, turn.id)
    assert ended.answer == "".join(f"word{number} " for number in range(1, 10))
    assert [part["model"] for part in (await traces.get(actor, turn.id))["parts"]] == [broken, usual]


async def test_a_model_asked_for_by_name_that_cannot_answer_in_the_form_wanted_is_refused_though_others_could(
    actor: Actor, add_model: AddModel, built_in_model: str
) -> None:
    await add_model("usual", default=True)
    with pytest.raises(InvalidInput) as raised:
        await turns.start(
            actor, question="?", model=built_in_model, parameters={"response_format": {"type": "json_object"}}
        )
    assert raised.value.param == "response_format"


async def test_a_model_asked_for_by_name_goes_by_no_rule(actor: Actor, add_model: AddModel) -> None:
    usual, named = await add_model("usual?tokens=2"), await add_model("named?tokens=2")
    await routes.put(actor, _route(default=usual))
    assert (await _ask(actor, "Hello?", model=named))[0] == named


async def test_a_model_that_is_gone_is_passed_over(actor: Actor, add_model: AddModel) -> None:
    usual, other = await add_model("usual?tokens=2"), await add_model("other?tokens=2")
    await routes.put(actor, _route(default=usual, fallbacks=[other]))
    async with system_transaction() as tx:
        await tx.session.execute(delete(ModelTable).where(col(ModelTable.name) == usual))
    assert (await _ask(actor, "Hello?"))[0] == other


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"default": "nobody"}, "default"),
        ({"default": "usual", "fallbacks": ["usual", "nobody"]}, "fallbacks.1"),
        ({"default": "usual", "rules": [{"when": {"feature": "api"}, "model": "nobody"}]}, "rules.0.model"),
        ({"default": "usual", "rules": [{"when": {"language": ["xx"]}, "model": "usual"}]}, "rules.0.when.language"),
        ({"default": "usual", "ladder": ["usual", "nobody"], "escalate_on": ["low_support"]}, "ladder.1"),
        ({"default": "usual", "ladder": ["usual", "usual"], "escalate_on": ["low_support"]}, "ladder"),
        ({"default": "usual", "escalate_on": ["low_support"]}, "ladder"),
        ({"default": "usual", "ladder": ["usual"]}, "escalate_on"),
    ],
)
async def test_what_cannot_be_gone_by_is_refused_and_nothing_changes(
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


async def test_members_and_auditors_change_nothing(actor: Actor, make_actor: MakeActor, add_model: AddModel) -> None:
    usual = await add_model("usual")
    for permissions in ([Permission.CHAT], [Permission.READ_ADMIN, Permission.READ_TRACES]):
        who = await make_actor(permissions, tenant=actor.tenant_id)
        with pytest.raises(NotPermitted):
            await routes.put(who, _route(default=usual))


async def test_a_rule_by_role_looks_at_who_asks(actor: Actor, make_actor: MakeActor, add_model: AddModel) -> None:
    usual, special = await add_model("usual?tokens=2"), await add_model("special?tokens=2")
    await routes.put(actor, _route(rules=[{"when": {"role": Role.ADMIN}, "model": special}], default=usual))
    member = await make_actor([Permission.CHAT, Permission.READ_DOCUMENTS], tenant=actor.tenant_id)
    assert (await _ask(actor, "Hello?"))[0] == special
    assert (await _ask(member, "Hello?"))[0] == usual


async def test_a_name_that_is_gone_is_led_to_another_model_by_a_rule_about_it(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    usual, new = await add_model("usual?tokens=2"), await add_model("new?tokens=2")
    rule = {"when": {"requested_model": "gpt-3"}, "model": new}
    await routes.put(actor, _route(rules=[rule], default=usual))
    model, trace = await _ask(actor, "Hello?", model="gpt-3")
    assert (model, trace["route_reason"]) == (new, "rule 1: requested_model")
    for who, name in ((actor, "gpt-4"), (other_actor, "gpt-3")):
        with pytest.raises(NotFound):
            await turns.start(who, question="Hello?", model=name, collection_ids=[])


async def test_a_question_in_another_language_goes_where_its_rule_says(actor: Actor, add_model: AddModel) -> None:
    usual, german = await add_model("usual?tokens=2"), await add_model("german?tokens=2")
    await routes.put(actor, _route(rules=[{"when": {"language": ["de", "nl"]}, "model": german}], default=usual))
    assert (await _ask(actor, "How are refunds paid?"))[0] == usual
    model, trace = await _ask(actor, "Wie werden Erstattungen bezahlt?")
    assert (model, trace["route_reason"]) == (german, "rule 1: language de")


async def test_who_cannot_answer_in_the_form_asked_for_is_passed_over(
    actor: Actor, add_model: AddModel, built_in_model: str
) -> None:
    usual = await add_model("usual?answer={}")
    rule = {"when": {"feature": "chat"}, "model": built_in_model}
    await routes.put(actor, _route(rules=[rule], default=usual))
    wanted = {"response_format": {"type": "json_object"}}
    turn = await turns.start(actor, question="Hello?", collection_ids=[], parameters=wanted)
    assert (await turns.wait(actor, turn.id)).model == usual
    await routes.put(actor, _route(default=built_in_model))
    with pytest.raises(InvalidInput) as raised:
        await turns.start(actor, question="Hello?", collection_ids=[], parameters=wanted)
    assert raised.value.param == "response_format"


async def test_equal_places_of_a_model_follow_each_other_before_other_models(actor: Actor, add_model: AddModel) -> None:
    broken, spare = await add_model("usual?fault=unauthorized"), await add_model("spare?tokens=2")
    async with system_transaction() as tx:
        model = (await tx.session.execute(select(ModelTable).where(col(ModelTable.name) == broken))).scalar_one()
        place = DeploymentTable(model_id=model.id, provider_id=model.provider_id, provider_model="healthy?tokens=2")
        tx.session.add(place)
    await routes.put(actor, _route(default=broken, fallbacks=[spare]))
    model_name, trace = await _ask(actor, "Hello?")
    assert model_name == broken
    assert [(each["model"], each["outcome"]) for each in trace["attempts"]] == [  # pyright: ignore
        (broken, "failed"),
        (broken, "answered"),
    ]


async def test_a_route_that_is_removed_leaves_the_choice_to_the_installation(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, add_model: AddModel
) -> None:
    usual, special = await add_model("usual?tokens=2", default=True), await add_model("special?tokens=2")
    for each in (actor, other_actor):
        await routes.put(each, _route(default=special))
    auditor = await make_actor([Permission.READ_ADMIN], tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await routes.remove(auditor)
    await routes.remove(actor, reason="No longer needed")
    assert (await _ask(actor, "Hello?"))[0] == usual
    assert (await _ask(other_actor, "Hello?"))[0] == special
    with pytest.raises(NotFound):
        await routes.remove(actor)
    line = (await audit.list_entries(actor, actor.tenant_id, {"action": "route.removed"})).items[0]
    assert line.before is not None
    assert (line.before["default"], line.after, line.reason) == (special, None, "No longer needed")


async def test_a_change_of_a_route_that_somebody_else_changed_meanwhile_is_refused(
    actor: Actor, add_model: AddModel
) -> None:
    one, two = await add_model("one"), await add_model("two")
    await routes.put(actor, _route(default=one), seen_version=0)
    await routes.put(actor, _route(default=two), seen_version=1)
    with pytest.raises(Conflict):
        await routes.put(actor, _route(default=one), seen_version=1)
    assert (await routes.get(actor)).default == two
