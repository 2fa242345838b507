from __future__ import annotations

from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import audit, intents, routes
from chatapp.services.intents import ExamplesAdded, NewExample
from chatapp.services.routes import RouteSettings
from chatapp.store import routes as route_rows
from chatapp.store.database import transaction
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel

pytestmark = pytest.mark.usefixtures("database", "embedder")

REFUNDS = ["How do I get my money back?", "When will my refund arrive?"]


def _examples(intent: str, *texts: str) -> list[NewExample]:
    return [NewExample(intent=intent, text=text) for text in texts]


async def _version(actor: Actor) -> int:
    async with transaction(actor, readonly=True) as tx:
        row = await route_rows.find(tx)
    return row.intents_version if row else -1


async def test_examples_are_added_listed_changed_and_deleted_and_the_audit_log_says_so(actor: Actor) -> None:
    assert await intents.add(actor, _examples("refunds", *REFUNDS, f"  {REFUNDS[0]}  ")) == ExamplesAdded(2, 0)
    assert await intents.add(actor, _examples("refunds", REFUNDS[0], "Pay me back")) == ExamplesAdded(1, 1)
    page = await intents.list_examples(actor, {"q": "money"})
    (view,) = page.items
    assert (view.intent, view.text) == ("refunds", REFUNDS[0])

    changed = await intents.change(actor, view.id, intent="returns", text="I send it back")
    assert (changed.intent, changed.text) == ("returns", "I send it back")
    assert await intents.list_names(actor) == ["refunds", "returns"]
    assert await intents.delete(actor, [view.id]) == 1
    with pytest.raises(NotFound):
        await intents.get(actor, view.id)

    lines = {line.action: line for line in (await audit.list_entries(actor, actor.tenant_id, {})).items}
    assert lines["intent_examples.added"].after is not None
    assert lines["intent_example.changed"].before == {"intent": "refunds", "text": REFUNDS[0]}
    assert lines["intent_examples.deleted"].before == {"examples": {"returns": 1}, "texts": ["I send it back"]}


async def test_another_tenants_examples_are_not_there(actor: Actor, other_actor: Actor) -> None:
    await intents.add(actor, _examples("refunds", *REFUNDS))
    (view, _) = (await intents.list_examples(actor, {})).items
    assert (await intents.list_examples(other_actor, {})).items == []
    assert (await intents.try_sentence(other_actor, REFUNDS[0])).intent == ""
    for act in (intents.get(other_actor, view.id), intents.change(other_actor, view.id, intent="x")):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(NotFound):
        await intents.delete(other_actor, [view.id])
    # The same words may be an example in both.
    assert (await intents.add(other_actor, _examples("other", REFUNDS[0]))).added == 1
    assert (await intents.get(actor, view.id)).intent == "refunds"


async def test_a_sentence_is_told_with_its_score_and_those_of_the_others(actor: Actor) -> None:
    await intents.add(actor, [*_examples("refunds", *REFUNDS), *_examples("holidays", "How many vacation days?")])
    found = await intents.try_sentence(actor, "when do I get the refund")
    assert found.intent == "refunds"
    assert found.score >= found.min_score
    assert [each.intent for each in found.scores] == ["refunds", "holidays"]
    assert (await intents.try_sentence(actor, "Who built the bridge?")).intent == ""


async def test_each_change_counts_up_the_version_that_processes_look_at(actor: Actor, add_model: AddModel) -> None:
    await intents.add(actor, _examples("refunds", REFUNDS[0]))
    assert await _version(actor) == -1
    await routes.put(actor, RouteSettings(default=await add_model("usual")))
    first = await _version(actor)
    seen = [first]
    await intents.add(actor, _examples("refunds", REFUNDS[1]))
    seen.append(await _version(actor))
    (one, two) = (await intents.list_examples(actor, {})).items
    await intents.change(actor, one.id, intent="money")
    seen.append(await _version(actor))
    await intents.change(actor, one.id, intent="money")
    await intents.add(actor, _examples("refunds", two.text))
    assert seen == [first, first + 1, first + 2]
    assert await _version(actor) == first + 2, "nothing was changed"
    await intents.delete(actor, [one.id, two.id])
    assert await _version(actor) == first + 3


async def test_kept_examples_are_those_of_the_version_asked_for(actor: Actor, other_actor: Actor) -> None:
    await intents.add(actor, _examples("refunds", REFUNDS[0]))
    first = await intents.examples_of(actor, 1)
    await intents.add(actor, _examples("refunds", REFUNDS[1]))
    assert await intents.examples_of(actor, 1) is first
    assert len((await intents.examples_of(actor, 2)).intents) == 2
    assert (await intents.examples_of(other_actor, 2)).intents == ()


@pytest.mark.parametrize(
    ("examples", "param"),
    [
        ([], "examples"),
        ([("a", "same words"), ("b", "same  words")], "examples.1.intent"),
        ([("a", "fine"), ("a", " \x00 ")], "examples.1.text"),
        ([(" ", "fine")], "examples.0.intent"),
    ],
)
async def test_what_cannot_be_an_example_is_refused_whole(
    examples: list[tuple[str, str]], param: str, actor: Actor
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await intents.add(actor, [NewExample(intent=intent, text=text) for intent, text in examples])
    assert raised.value.param == param
    assert (await intents.list_examples(actor, {})).items == []


async def test_two_examples_cannot_have_the_same_words(actor: Actor) -> None:
    await intents.add(actor, _examples("refunds", *REFUNDS))
    (one, two) = (await intents.list_examples(actor, {})).items
    with pytest.raises(Conflict):
        await intents.change(actor, one.id, text=two.text)
    with pytest.raises(NotFound):
        await intents.change(actor, uuid4(), text="new")


async def test_a_tenant_has_only_so_many(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "MAX_EXAMPLES", 2)
    await intents.add(actor, _examples("refunds", *REFUNDS))
    with pytest.raises(InvalidInput):
        await intents.add(actor, _examples("refunds", "one more"))


async def test_members_see_nothing_and_auditors_change_nothing(actor: Actor, make_actor: MakeActor) -> None:
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    auditor = await make_actor([Permission.READ_ADMIN], tenant=actor.tenant_id)
    for act in (intents.list_examples(member, {}), intents.try_sentence(member, "x"), intents.list_names(member)):
        with pytest.raises(NotPermitted):
            await act
    for act in (
        intents.add(auditor, _examples("a", "b")),
        intents.change(auditor, uuid4(), text="b"),
        intents.delete(auditor, [uuid4()]),
    ):
        with pytest.raises(NotPermitted):
            await act
