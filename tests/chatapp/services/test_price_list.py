from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, Permission, Usage, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import audit, models_served, price_list, providers, routes
from chatapp.services.models_served import ServedModelView
from chatapp.store.database import system_transaction
from chatapp.store.tables import ModelPriceTable
from tests.fixtures.people import MakeActor

INPUT, OUTPUT, CACHED = "input_micro_usd_per_mtok", "output_micro_usd_per_mtok", "cached_input_micro_usd_per_mtok"
PRICE = {INPUT: 300, OUTPUT: 600}


@pytest.fixture
async def platform(make_actor: MakeActor) -> Actor:
    return await make_actor(list(Permission))


@pytest.fixture
async def model(platform: Actor) -> ServedModelView:
    await providers.create(platform, name="built-in", kind="extractive")
    wanted = {"name": "quoting", "provider_model": "extractive", INPUT: 100, OUTPUT: 200, CACHED: 10}
    return await models_served.create(platform, provider="built-in", wanted=wanted)


async def _dated(model: ServedModelView, *, days: float, **values: Any) -> None:
    async with system_transaction() as tx:
        tx.session.add(ModelPriceTable(model_id=model.id, valid_from=utc_now() + timedelta(days=days), **values))


async def test_a_price_from_now_on_is_what_the_next_answer_costs(
    platform: Actor, other_actor: Actor, model: ServedModelView
) -> None:
    before = (await routes.without_rules(other_actor, "quoting")).first
    prices = await price_list.add(platform, model.id, PRICE)
    after = (await routes.without_rules(other_actor, "quoting")).first
    assert [price.state for price in prices] == ["past", "in_force"]
    assert prices[0].valid_until == prices[1].valid_from
    assert before.cost_micro_usd(Usage(1_000_000, 1_000_000)) == 300
    assert after.cost_micro_usd(Usage(1_000_000, 1_000_000)) == 900
    assert after.cached_input_micro_usd_per_mtok is None


async def test_a_price_of_a_later_day_changes_nothing_yet(
    platform: Actor, other_actor: Actor, model: ServedModelView
) -> None:
    later = utc_now() + timedelta(days=2)
    prices = await price_list.add(platform, model.id, {**PRICE, "valid_from": later})
    assert [price.state for price in prices] == ["in_force", "ahead"]
    assert (await routes.without_rules(other_actor, "quoting")).first.input_micro_usd_per_mtok == 100
    seen = await models_served.get(other_actor, model.id)
    assert (seen.input_micro_usd_per_mtok, seen.next_price_at) == (100, prices[1].valid_from)


async def test_of_several_prices_the_latest_that_began_holds(platform: Actor, model: ServedModelView) -> None:
    for days, price in ((-3, 1), (-1, 2), (1, 3)):
        await _dated(model, days=days, input_micro_usd_per_mtok=price)
    assert (await routes.without_rules(platform, "quoting")).first.input_micro_usd_per_mtok == 2
    shown = (await models_served.list_served(platform, {"input_micro_usd_per_mtok.from": "2"})).items
    assert [(each.name, each.input_micro_usd_per_mtok) for each in shown] == [("quoting", 2)]
    assert [each.state for each in await price_list.list_prices(platform, model.id)] == [
        *("past", "past", "in_force", "ahead")
    ]


async def test_the_price_is_found_in_the_statement_that_finds_the_model(
    platform: Actor, model: ServedModelView, database: AsyncEngine
) -> None:
    for number in range(3):
        wanted = {"name": f"more {number}", "provider_model": "extractive"}
        await models_served.create(platform, provider="built-in", wanted=wanted)
    await _dated(model, days=-1, input_micro_usd_per_mtok=7)
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.sync_engine, "before_cursor_execute", count)
    await routes.without_rules(platform, "quoting")
    event.remove(database.sync_engine, "before_cursor_execute", count)
    assert sum("FROM model_prices" in statement for statement in statements) <= 2


async def test_a_changed_price_of_a_model_holds_though_a_dated_one_replaced_its_own(
    platform: Actor, model: ServedModelView
) -> None:
    await models_served.change(platform, model.id, {INPUT: 150})
    assert len(await price_list.list_prices(platform, model.id)) == 1
    await _dated(model, days=-1, input_micro_usd_per_mtok=7, output_micro_usd_per_mtok=8)
    changed = await models_served.change(platform, model.id, {INPUT: 9})
    assert (changed.input_micro_usd_per_mtok, changed.output_micro_usd_per_mtok) == (9, 8)
    assert [each.input_micro_usd_per_mtok for each in await price_list.list_prices(platform, model.id)] == [150, 7, 9]
    await models_served.change(platform, model.id, {INPUT: 9})
    assert len(await price_list.list_prices(platform, model.id)) == 3


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"valid_from": datetime(2020, 1, 1, tzinfo=UTC)}, "valid_from"),
        ({"valid_from": datetime(2200, 1, 1, tzinfo=UTC)}, "valid_from"),
        ({"valid_from": datetime(2100, 1, 1)}, "valid_from"),  # the zone is what is missing
        ({INPUT: -1}, INPUT),
        ({INPUT: None}, INPUT),
        ({OUTPUT: 2_000_000_001}, OUTPUT),
        ({CACHED: -1}, CACHED),
    ],
)
async def test_what_cannot_be_a_price_is_named_and_not_kept(
    values: dict[str, Any], param: str, platform: Actor, model: ServedModelView
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await price_list.add(platform, model.id, {**PRICE, **values})
    assert raised.value.param == param
    assert len(await price_list.list_prices(platform, model.id)) == 1


async def test_a_clock_a_little_behind_means_now(platform: Actor, model: ServedModelView) -> None:
    prices = await price_list.add(platform, model.id, {**PRICE, "valid_from": utc_now() - timedelta(seconds=20)})
    assert prices[-1].state == "in_force"


async def test_two_prices_cannot_begin_at_once(platform: Actor, model: ServedModelView) -> None:
    later = utc_now() + timedelta(days=2)
    await price_list.add(platform, model.id, {**PRICE, "valid_from": later})
    with pytest.raises(Conflict):
        await price_list.add(platform, model.id, {**PRICE, "valid_from": later})


async def test_only_a_price_that_does_not_hold_yet_is_taken_back(platform: Actor, model: ServedModelView) -> None:
    held = (await price_list.add(platform, model.id, PRICE))[-1].id
    ahead = (await price_list.add(platform, model.id, {**PRICE, "valid_from": utc_now() + timedelta(days=2)}))[-1].id
    assert held is not None
    assert ahead is not None
    with pytest.raises(Conflict):
        await price_list.remove(platform, model.id, held)
    await price_list.remove(platform, model.id, ahead)
    assert [each.id for each in await price_list.list_prices(platform, model.id)] == [None, held]
    actions = [entry.action for entry in (await audit.list_entries(platform, platform.tenant_id, {})).items]
    assert [actions.count(f"model_price.{verb}") for verb in ("added", "removed")] == [2, 1]


async def test_a_price_is_looked_for_in_its_own_model(platform: Actor, model: ServedModelView) -> None:
    wanted = {"name": "other", "provider_model": "extractive"}
    other = await models_served.create(platform, provider="built-in", wanted=wanted)
    ahead = (await price_list.add(platform, model.id, {**PRICE, "valid_from": utc_now() + timedelta(days=2)}))[-1].id
    assert ahead is not None
    with pytest.raises(NotFound):
        await price_list.remove(platform, other.id, ahead)
    assert len(await price_list.list_prices(platform, model.id)) == 2


async def test_admins_of_a_tenant_read_prices_and_change_none(
    platform: Actor, other_actor: Actor, make_actor: MakeActor, model: ServedModelView
) -> None:
    ahead = (await price_list.add(platform, model.id, {**PRICE, "valid_from": utc_now() + timedelta(days=2)}))[-1].id
    assert ahead is not None
    assert len(await price_list.list_prices(other_actor, model.id)) == 2
    for attempt in (
        price_list.add(other_actor, model.id, PRICE),
        price_list.remove(other_actor, model.id, ahead),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    with pytest.raises(NotPermitted):
        await price_list.list_prices(await make_actor([Permission.CHAT]), model.id)
