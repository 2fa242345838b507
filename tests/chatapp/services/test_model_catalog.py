from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.providers import public_catalog
from chatapp.providers.public_catalog import CatalogEntry
from chatapp.services import audit, model_catalog, models_served, price_list, providers, routes
from chatapp.services.models_served import ServedModelView
from chatapp.store.database import system_transaction
from chatapp.store.tables import ModelTable
from chatapp.store.tables.providers import CAPABILITIES
from tests.fixtures.people import MakeActor

INPUT, OUTPUT = "input_micro_usd_per_mtok", "output_micro_usd_per_mtok"
NAME = "gpt-4.1-mini"


@pytest.fixture
async def platform(make_actor: MakeActor) -> Actor:
    return await make_actor(list(Permission))


@pytest.fixture
async def model(platform: Actor) -> ServedModelView:
    await providers.create(platform, name="built-in", kind="extractive")
    return await models_served.create(platform, provider="built-in", wanted={"catalog_name": NAME})


async def _accepted_before(model_id: UUID, **said: Any) -> None:
    """What the catalogue said when somebody last looked."""
    async with system_transaction() as tx:
        row = await tx.session.get(ModelTable, model_id)
        assert row is not None
        row.catalog_entry = {**(row.catalog_entry or {}), **said}


async def _now() -> CatalogEntry:
    return (await public_catalog.load())[NAME]


def _priced(view: ServedModelView) -> tuple[int, int]:
    return view.input_micro_usd_per_mtok, view.output_micro_usd_per_mtok


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("GPT-4.1-Mini", "gpt-4.1-mini"),
        ("openai gpt-4.1-mini", "gpt-4.1-mini"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("anthropic sonnet-4-5", "claude-sonnet-4-5"),
    ],
)
async def test_the_model_meant_comes_first(words: str, first: str, actor: Actor) -> None:
    assert (await model_catalog.search(actor, words))[0].name == first


async def test_every_word_has_to_be_there(actor: Actor, other_actor: Actor) -> None:
    found = await model_catalog.search(actor, "gemini pro", limit=100)
    assert found
    assert all("gemini" in f"{each.provider} {each.name}" and "pro" in each.name for each in found)
    assert await model_catalog.search(other_actor, "gemini pro", limit=100) == found
    assert await model_catalog.search(actor, "no such model anywhere") == []
    assert len(await model_catalog.search(actor, "", limit=5)) == 5


async def test_capabilities_are_those_we_know(actor: Actor) -> None:
    entries = (await public_catalog.load()).values()
    assert {each for entry in entries for each in entry.capabilities} == set(CAPABILITIES)
    assert set((await model_catalog.find(actor, NAME)).capabilities) >= {"streaming", "json", "tools"}


@pytest.mark.parametrize(
    ("name", "openai_compatible", "litellm"),
    [
        ("gpt-4.1-mini", "gpt-4.1-mini", "openai/gpt-4.1-mini"),
        ("gemini/gemini-2.5-pro", "gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("azure/gpt-4o", "gpt-4o", "azure/gpt-4o"),
        ("ollama/llama3.1", "llama3.1", "ollama/llama3.1"),
    ],
)
async def test_a_model_has_the_name_that_its_provider_wants(
    name: str, openai_compatible: str, litellm: str, actor: Actor
) -> None:
    names = (await model_catalog.find(actor, name)).provider_models
    assert names == {"openai_compatible": openai_compatible, "litellm": litellm}


async def test_what_is_left_out_comes_from_the_catalogue(platform: Actor, model: ServedModelView) -> None:
    entry = await _now()
    assert (model.name, model.provider_model, model.catalog_name) == (NAME, NAME, NAME)
    assert _priced(model) == (entry.input_micro_usd_per_mtok, entry.output_micro_usd_per_mtok)
    assert (model.max_input_tokens, model.capabilities) == (entry.max_input_tokens, entry.capabilities)
    given = {"catalog_name": NAME, "name": "small", INPUT: 1, "capabilities": ["json"]}
    own = await models_served.create(platform, provider="built-in", wanted=given)
    assert (own.name, own.input_micro_usd_per_mtok, own.capabilities) == ("small", 1, ("json",))
    assert own.output_micro_usd_per_mtok == entry.output_micro_usd_per_mtok


async def test_a_name_the_catalogue_does_not_have_is_refused(platform: Actor, model: ServedModelView) -> None:
    for attempt in (
        models_served.create(platform, provider="built-in", wanted={"catalog_name": "gpt-99"}),
        models_served.change(platform, model.id, {"catalog_name": "gpt-99"}),
    ):
        with pytest.raises(InvalidInput) as raised:
            await attempt
        assert raised.value.param == "catalog_name"
    with pytest.raises(InvalidInput) as raised:
        await models_served.create(platform, provider="built-in", wanted={"provider_model": "x"})
    assert raised.value.param == "name"
    with pytest.raises(NotFound):
        await model_catalog.find(platform, "gpt-99")


async def test_nothing_is_told_while_the_catalogue_says_the_same(platform: Actor, model: ServedModelView) -> None:
    await models_served.change(platform, model.id, {INPUT: 1})
    assert await model_catalog.list_changes(platform) == []
    for attempt in (model_catalog.accept(platform, model.id), model_catalog.dismiss(platform, model.id)):
        with pytest.raises(Conflict):
            await attempt


async def test_another_price_upstream_is_told_and_taken_over_from_now_on(
    platform: Actor, other_actor: Actor, model: ServedModelView
) -> None:
    entry = await _now()
    await models_served.change(platform, model.id, {INPUT: 1, OUTPUT: 2, "max_input_tokens": 5})
    await _accepted_before(model.id, **{INPUT: 77, "max_input_tokens": 6})
    (change,) = await model_catalog.list_changes(other_actor)
    told = {field.field: (field.before, field.now, field.ours) for field in change.fields}
    assert told == {
        INPUT: (77, entry.input_micro_usd_per_mtok, 1),
        "max_input_tokens": (6, entry.max_input_tokens, 5),
    }
    assert (await routes.without_rules(platform, NAME)).first.input_micro_usd_per_mtok == 1
    await model_catalog.accept(platform, model.id)
    assert await model_catalog.list_changes(platform) == []
    seen = await models_served.get(platform, model.id)
    assert _priced(seen) == (entry.input_micro_usd_per_mtok, entry.output_micro_usd_per_mtok)
    assert seen.max_input_tokens == entry.max_input_tokens


async def test_a_price_taken_over_begins_now_and_leaves_the_one_before_standing(
    platform: Actor, model: ServedModelView
) -> None:
    await price_list.add(platform, model.id, {INPUT: 1, OUTPUT: 2})
    await _accepted_before(model.id, **{INPUT: 77})
    await model_catalog.accept(platform, model.id)
    prices = await price_list.list_prices(platform, model.id)
    assert [price.state for price in prices] == ["past", "past", "in_force"]
    assert prices[1].input_micro_usd_per_mtok == 1


async def test_a_change_put_aside_is_not_told_again_and_changes_nothing(
    platform: Actor, model: ServedModelView
) -> None:
    before = await models_served.change(platform, model.id, {INPUT: 1})
    await _accepted_before(model.id, **{INPUT: 77, "capabilities": []})
    await model_catalog.dismiss(platform, model.id)
    assert await model_catalog.list_changes(platform) == []
    assert await models_served.get(platform, model.id) == before
    await _accepted_before(model.id, retired_on="2001-01-01")
    assert [field.field for field in (await model_catalog.list_changes(platform))[0].fields] == ["retired_on"]
    actions = [entry.action for entry in (await audit.list_entries(platform, platform.tenant_id, {})).items]
    assert actions.count("model.catalog_dismissed") == 1


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_a_model_that_the_catalogue_dropped_is_told_once(
    is_accepted: bool, platform: Actor, model: ServedModelView
) -> None:
    async with system_transaction() as tx:
        row = await tx.session.get(ModelTable, model.id)
        assert row is not None
        row.catalog_name = "gone-1"
    (change,) = await model_catalog.list_changes(platform)
    assert (change.is_gone, change.fields) == (True, ())
    await (model_catalog.accept if is_accepted else model_catalog.dismiss)(platform, model.id)
    assert await model_catalog.list_changes(platform) == []
    assert (await models_served.get(platform, model.id)).catalog_name == ("" if is_accepted else "gone-1")


async def test_admins_of_a_tenant_look_and_change_nothing(
    other_actor: Actor, make_actor: MakeActor, model: ServedModelView
) -> None:
    await _accepted_before(model.id, **{INPUT: 77})
    for attempt in (model_catalog.accept(other_actor, model.id), model_catalog.dismiss(other_actor, model.id)):
        with pytest.raises(NotPermitted):
            await attempt
    assert len(await model_catalog.list_changes(other_actor)) == 1
    member = await make_actor([Permission.CHAT])
    refused: Mapping[str, Any] = {
        "search": model_catalog.search(member, "gpt"),
        "find": model_catalog.find(member, NAME),
        "list_changes": model_catalog.list_changes(member),
    }
    for attempt in refused.values():
        with pytest.raises(NotPermitted):
            await attempt
