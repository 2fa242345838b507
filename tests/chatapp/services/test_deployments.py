from __future__ import annotations

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import audit, deployments, models_served, providers
from chatapp.services.models_served import ServedModelView
from chatapp.store import deployments as deployment_rows
from chatapp.store.database import system_transaction
from tests.fixtures.people import MakeActor


@pytest.fixture
async def platform(make_actor: MakeActor) -> Actor:
    return await make_actor(list(Permission))


@pytest.fixture
async def model(platform: Actor) -> ServedModelView:
    for name in ("first", "second"):
        await providers.create(platform, name=name, kind="extractive")
    wanted = {"name": "quoting", "provider_model": "extractive", "weight": 3, "balance": "weighted"}
    return await models_served.create(platform, provider="first", wanted=wanted)


async def test_a_model_is_served_at_more_places_in_the_order_they_were_added(
    platform: Actor, other_actor: Actor, model: ServedModelView
) -> None:
    await deployments.add(platform, model.id, provider="second", provider_model="extractive", weight=2)
    await deployments.add(platform, model.id, provider="first", provider_model="another")
    found = await deployments.list_deployments(other_actor, model.id)
    assert [(each.provider, each.provider_model, each.weight) for each in found] == [
        ("first", "extractive", 3),
        ("second", "extractive", 2),
        ("first", "another", 1),
    ]
    assert [each.id is None for each in found] == [True, False, False]
    assert (await models_served.get(platform, model.id)).deployments == 3


async def test_a_place_is_named_once(platform: Actor, model: ServedModelView) -> None:
    await deployments.add(platform, model.id, provider="second", provider_model="extractive")
    for provider in ("first", "SECOND"):
        with pytest.raises(Conflict):
            await deployments.add(platform, model.id, provider=provider, provider_model="extractive")


async def test_a_deployment_is_weighed_switched_off_and_removed(platform: Actor, model: ServedModelView) -> None:
    added = (await deployments.add(platform, model.id, provider="second", provider_model="x"))[-1].id
    assert added is not None
    changed = await deployments.change(platform, model.id, added, {"weight": 0, "is_enabled": False})
    assert (changed[-1].weight, changed[-1].is_enabled) == (0, False)
    async with system_transaction(readonly=True) as tx:
        assert await deployment_rows.list_in_use(tx, [model.id]) == {}
    await deployments.remove(platform, model.id, added)
    assert len(await deployments.list_deployments(platform, model.id)) == 1
    actions = [entry.action for entry in (await audit.list_entries(platform, platform.tenant_id, {})).items]
    assert [actions.count(f"deployment.{verb}") for verb in ("added", "changed", "removed")] == [1, 1, 1]


async def test_places_of_a_provider_that_is_off_are_not_in_use(platform: Actor, model: ServedModelView) -> None:
    at = (await deployments.add(platform, model.id, provider="second", provider_model="x"))[-1]
    async with system_transaction(readonly=True) as tx:
        assert list(await deployment_rows.list_in_use(tx, [model.id])) == [model.id]
    await providers.change(platform, at.provider_id, {"is_enabled": False})
    async with system_transaction(readonly=True) as tx:
        assert await deployment_rows.list_in_use(tx, [model.id]) == {}
    assert not (await deployments.list_deployments(platform, model.id))[-1].is_provider_enabled


async def test_what_is_not_valid_is_named(platform: Actor, model: ServedModelView) -> None:
    for values, param in (
        ({"provider": "nobody"}, "provider"),
        ({"provider_model": " "}, "provider_model"),
        ({"weight": 1_001}, "weight"),
    ):
        with pytest.raises(InvalidInput) as raised:
            await deployments.add(platform, model.id, **{"provider": "second", "provider_model": "x", **values})
        assert raised.value.param == param
    with pytest.raises(InvalidInput):
        await models_served.change(platform, model.id, {"balance": "by_moonlight"})


async def test_a_deployment_is_looked_for_in_its_own_model(platform: Actor, model: ServedModelView) -> None:
    other = await models_served.create(
        platform, provider="first", wanted={"name": "other", "provider_model": "extractive"}
    )
    added = (await deployments.add(platform, model.id, provider="second", provider_model="x"))[-1].id
    assert added is not None
    with pytest.raises(NotFound):
        await deployments.change(platform, other.id, added, {"weight": 5})
    with pytest.raises(NotFound):
        await deployments.remove(platform, other.id, added)
    assert (await deployments.list_deployments(platform, model.id))[-1].weight == 1


async def test_removing_a_provider_takes_its_further_places_along(platform: Actor, model: ServedModelView) -> None:
    at = (await deployments.add(platform, model.id, provider="second", provider_model="x"))[-1]
    hit = await providers.removal_of(platform, at.provider_id)
    assert (hit.models, hit.deployments) == ((), 1)
    await providers.delete(platform, at.provider_id)
    assert len(await deployments.list_deployments(platform, model.id)) == 1


async def test_admins_of_a_tenant_read_deployments_and_change_none(
    platform: Actor, other_actor: Actor, make_actor: MakeActor, model: ServedModelView
) -> None:
    added = (await deployments.add(platform, model.id, provider="second", provider_model="x"))[-1].id
    assert added is not None
    for attempt in (
        deployments.add(other_actor, model.id, provider="second", provider_model="y"),
        deployments.change(other_actor, model.id, added, {"weight": 9}),
        deployments.remove(other_actor, model.id, added),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    assert (await deployments.list_deployments(other_actor, model.id))[-1].weight == 1
    with pytest.raises(NotPermitted):
        await deployments.list_deployments(await make_actor([Permission.CHAT]), model.id)
