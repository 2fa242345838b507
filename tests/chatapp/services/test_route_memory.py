from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import event, update
from sqlmodel import col

from chatapp.domain import Actor, Permission
from chatapp.services import models_served, route_memory, routes, turns
from chatapp.services.routes import RouteSettings
from chatapp.store.database import engine, system_transaction
from chatapp.store.tables import ModelTable
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel

pytestmark = pytest.mark.usefixtures("parts")
ONE, TWO = "scripted?tokens=1", "scripted?tokens=2"


async def _answer(actor: Actor, model: str = "auto") -> str:
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    return (await turns.wait(actor, turn.id)).answer


async def test_nothing_is_read_again_while_nothing_changes(actor: Actor, add_model: AddModel) -> None:
    await add_model(ONE, default=True)
    first = await route_memory.recall(actor)
    asked: list[str] = []

    def note(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(engine().sync_engine, "before_cursor_execute", note)
    assert await route_memory.recall(actor) is first
    event.remove(engine().sync_engine, "before_cursor_execute", note)
    assert not any("models" in each for each in asked)


async def test_what_is_changed_here_holds_for_the_next_question(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, add_model: AddModel
) -> None:
    platform = await make_actor(list(Permission))
    await add_model(ONE, default=True)
    assert await _answer(actor) == "word1 "
    await add_model(TWO)
    assert await _answer(actor, TWO) == "word1 word2 "
    await routes.put(actor, RouteSettings(default=TWO))
    assert [await _answer(each) for each in (actor, other_actor)] == ["word1 word2 ", "word1 "]
    found = {view.name: view for view in (await models_served.list_served(platform, {})).items}
    await models_served.change(platform, found[ONE].id, {"provider_model": "scripted?tokens=3"})
    assert await _answer(other_actor) == "word1 word2 word3 "


async def test_a_statement_over_many_rows_counts_as_a_change(actor: Actor, add_model: AddModel) -> None:
    await add_model(ONE, default=True)
    assert await _answer(actor) == "word1 "
    async with system_transaction() as tx:
        await tx.session.execute(update(ModelTable).where(col(ModelTable.name) == ONE).values(provider_model=TWO))
    assert await _answer(actor) == "word1 word2 "


async def test_what_was_rolled_back_is_no_change(actor: Actor, add_model: AddModel) -> None:
    await add_model(ONE, default=True)
    first = await route_memory.recall(actor)
    with pytest.raises(RuntimeError):
        await _change_and_fail()
    assert await route_memory.recall(actor) is first


async def _change_and_fail() -> None:
    async with system_transaction() as tx:
        await tx.session.execute(update(ModelTable).values(provider_model=TWO))
        raise RuntimeError


async def test_another_processs_changes_are_seen_a_moment_later(
    actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_model(ONE, default=True)
    first = await route_memory.recall(actor)
    monkeypatch.setattr(route_memory, "_KEPT_SECONDS", 0.0)
    assert await route_memory.recall(actor) is not first


async def test_a_model_that_is_not_among_those_kept_is_looked_for_once_more(
    actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_model(ONE, default=True)
    first = await route_memory.recall(actor)
    monkeypatch.setattr(route_memory, "_KEPT_SECONDS", 3_600.0)
    assert await route_memory.recall(actor, needs=ONE) is first
    assert await route_memory.recall(actor, needs="nobody") is not first


async def test_what_is_asked_for_all_the_time_is_read_again_before_it_has_grown_old(
    actor: Actor, other_actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_model(ONE, default=True)
    monkeypatch.setattr(route_memory, "_KEPT_SECONDS", 3_600.0)
    first, others = await route_memory.recall(actor), await route_memory.recall(other_actor)
    # As if it had been read so long ago.
    route_memory._Memory.by_tenant[actor.tenant_id] = old = replace(first, read_at=first.read_at - 3_000)

    assert await route_memory.recall(actor) is old
    while route_memory._Memory.looks.is_under_way((actor.tenant_id, old.changes)):
        await asyncio.sleep(0.001)

    assert (await route_memory.recall(actor)).read_at > old.read_at
    assert await route_memory.recall(other_actor) is others


async def test_many_who_come_at_once_look_once(actor: Actor, other_actor: Actor, add_model: AddModel) -> None:
    await add_model(ONE, default=True)
    route_memory.forget()

    found = await asyncio.gather(*(route_memory.recall(actor, needs=ONE) for _ in range(5)))
    missing = await asyncio.gather(*(route_memory.recall(other_actor, needs="nowhere") for _ in range(3)))

    assert len({id(each) for each in found}) == 1
    assert all("nowhere" not in each.models.models for each in missing)
