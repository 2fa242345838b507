from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotPermitted
from chatapp.services import audit, models_served, price_list, providers, routes, turns
from chatapp.services.catalog import config_of
from chatapp.services.routes import RouteSettings
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.encryption import decrypt
from chatapp.store.tables import ProviderTable
from tests.fixtures.people import MakeActor
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")
MODEL = {"name": "counter", "provider_model": "scripted?tokens=3", "input_micro_usd_per_mtok": 1_000_000}


@pytest.fixture(autouse=True)
def _private_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATAPP_ALLOW_PRIVATE_PROVIDERS", "1")


@pytest.fixture
async def platform(make_actor: MakeActor) -> Actor:
    return await make_actor(list(Permission))


async def _add(platform: Actor, provider: Upstream, **values: Any) -> providers.ProviderView:
    given: dict[str, Any] = {
        "name": "scripted",
        "kind": "openai_compatible",
        "base_url": provider.url,
        "api_key": "sk-one",
        **values,
    }
    return await providers.create(platform, **given)


async def test_a_provider_and_a_model_that_were_added_answer(
    platform: Actor, other_actor: Actor, provider: Upstream
) -> None:
    view = await _add(platform, provider)
    assert view.has_api_key
    model = await models_served.create(platform, provider="Scripted", wanted=MODEL)
    assert (model.provider, model.max_input_tokens) == ("scripted", 8_192)
    turn = await turns.start(other_actor, question="Count", model="counter", collection_ids=[])
    ended = await turns.wait(other_actor, turn.id)
    assert ended.answer == "word1 word2 word3 "
    assert ended.cost_micro_usd > 0
    assert provider.calls[-1].headers["authorization"] == "Bearer sk-one"


async def test_what_was_answered_keeps_its_cost_and_the_next_answer_has_the_new_price(
    platform: Actor, other_actor: Actor, provider: Upstream
) -> None:
    await _add(platform, provider)
    model = await models_served.create(platform, provider="scripted", wanted=MODEL)

    async def ask() -> UUID:
        turn = await turns.start(other_actor, question="Count", model="counter", collection_ids=[])
        await turns.wait(other_actor, turn.id)
        return turn.id

    before = await ask()
    cost = (await turns.wait(other_actor, before)).cost_micro_usd
    prices = {"input_micro_usd_per_mtok": 7_000_000, "output_micro_usd_per_mtok": 0}
    await price_list.add(platform, model.id, prices)
    after = await ask()
    assert (await turns.wait(other_actor, before)).cost_micro_usd == cost
    assert (await turns.wait(other_actor, after)).cost_micro_usd == 7 * cost


async def test_a_key_is_kept_encrypted_and_stands_in_no_view_and_no_log(platform: Actor, provider: Upstream) -> None:
    view = await _add(platform, provider)
    async with system_transaction(readonly=True) as tx:
        row = await tx.session.get(ProviderTable, view.id)
    assert row is not None
    assert "sk-one" not in row.encrypted_api_key
    assert decrypt(get_settings().effective_secret_key, row.encrypted_api_key) == "sk-one"
    await providers.change(platform, view.id, {"api_key": "sk-two"})
    shown = repr(
        [await providers.list_providers(platform, {}), await audit.list_entries(platform, platform.tenant_id, {})]
    )
    assert "sk-one" not in shown
    assert "sk-two" not in shown


async def test_a_new_address_does_not_get_the_old_key(platform: Actor, provider: Upstream) -> None:
    view = await _add(platform, provider)
    with pytest.raises(InvalidInput) as raised:
        await providers.change(platform, view.id, {"base_url": provider.url + "/other"})
    assert raised.value.param == "api_key"
    changed = await providers.change(platform, view.id, {"base_url": provider.url + "/other", "api_key": ""})
    assert not changed.has_api_key


async def test_a_private_address_needs_the_operators_leave(
    platform: Actor, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHATAPP_ALLOW_PRIVATE_PROVIDERS")
    get_settings.cache_clear()
    with pytest.raises(InvalidInput, match="CHATAPP_ALLOW_PRIVATE_PROVIDERS") as raised:
        await _add(platform, provider)
    assert raised.value.param == "base_url"
    assert (await providers.list_providers(platform, {})).items == []


CLOUD = {"kind": "litellm", "base_url": "", "api_version": "2024-10-21", "region": "eu-central-1"}
ACCESS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "sealed-and-kept"}


async def test_what_a_cloud_wants_is_kept_as_the_key_is_and_used(
    platform: Actor, other_actor: Actor, provider: Upstream
) -> None:
    view = await _add(platform, provider, **{**CLOUD, **ACCESS})
    assert (view.api_version, view.region, view.has_access_key) == ("2024-10-21", "eu-central-1", True)
    async with system_transaction(readonly=True) as tx:
        row = await tx.session.get(ProviderTable, view.id)
    assert row is not None
    assert "sealed-and-kept" not in row.encrypted_options
    assert config_of(row).options == {"api_version": "2024-10-21", "region": "eu-central-1", **ACCESS}
    assert not set(ACCESS.values()) & set(repr(config_of(row)).split("'"))
    changed = await providers.change(platform, view.id, {"region": "us-east-1", "api_version": ""})
    assert (changed.api_version, changed.region, changed.has_access_key) == ("", "us-east-1", True)
    with pytest.raises(InvalidInput) as raised:
        await providers.change(platform, view.id, {"base_url": provider.url, "api_key": "sk-two"})
    assert raised.value.param == "secret_access_key"
    gone = await providers.change(platform, view.id, dict.fromkeys(ACCESS, ""))
    assert not gone.has_access_key
    entries = await audit.list_entries(platform, platform.tenant_id, {})
    shown = repr([await providers.list_providers(platform, {}), entries])
    assert not [secret for secret in ACCESS.values() if secret in shown]
    with pytest.raises(NotPermitted):
        await providers.change(other_actor, view.id, {"region": "eu-west-1"})


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::UserWarning:pydantic")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_azure_that_was_added_answers(platform: Actor, other_actor: Actor, provider: Upstream) -> None:
    address = provider.url.removesuffix("/v1")
    await _add(platform, provider, kind="litellm", base_url=address, api_version="2024-10-21")
    await models_served.create(
        platform, provider="scripted", wanted={"name": "cloud", "provider_model": "azure/scripted?tokens=3"}
    )
    turn = await turns.start(other_actor, question="Count", model="cloud", collection_ids=[])
    assert (await turns.wait(other_actor, turn.id)).answer == "word1 word2 word3 "
    assert provider.calls[-1].headers["api-key"] == "sk-one"
    assert provider.calls[-1].path.endswith("api-version=2024-10-21")


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({**CLOUD, "region": "eu-central-1.example.org/"}, "region"),
        ({**CLOUD, "api_version": "2024 10"}, "api_version"),
        ({**CLOUD, "access_key_id": "AKIDEXAMPLE"}, "secret_access_key"),
        ({**CLOUD, "secret_access_key": "sealed"}, "access_key_id"),
        ({**CLOUD, **ACCESS, "secret_access_key": "two words"}, "secret_access_key"),
        ({"region": "eu-central-1"}, "region"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "scripted\u200b"}, "name"),
        ({"kind": "fax"}, "kind"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"api_key": "two words"}, "api_key"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"timeout_seconds": 601.0}, "timeout_seconds"),
    ],
)
async def test_bad_fields_are_named_and_nothing_is_kept(
    values: dict[str, Any], param: str, platform: Actor, provider: Upstream
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await _add(platform, provider, **values)
    assert raised.value.param == param
    assert (await providers.list_providers(platform, {})).items == []


async def test_names_are_taken_once(platform: Actor, provider: Upstream) -> None:
    await _add(platform, provider)
    with pytest.raises(Conflict):
        await _add(platform, provider, name="SCRIPTED")
    await models_served.create(platform, provider="scripted", wanted=MODEL)
    with pytest.raises(Conflict):
        await models_served.create(platform, provider="scripted", wanted={**MODEL, "name": "Counter"})


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"name": "auto"}, "name"),
        ({"name": "counter\u2060"}, "name"),
        ({"provider_model": ""}, "provider_model"),
        ({"input_micro_usd_per_mtok": -1}, "input_micro_usd_per_mtok"),
        ({"max_input_tokens": 0}, "max_input_tokens"),
        ({"max_output_tokens": 2**40}, "max_output_tokens"),
        ({"capabilities": ["telepathy"]}, "capabilities"),
    ],
)
async def test_bad_model_fields_are_named(
    values: dict[str, object], param: str, platform: Actor, provider: Upstream
) -> None:
    await _add(platform, provider)
    with pytest.raises(InvalidInput) as raised:
        await models_served.create(platform, provider="scripted", wanted={**MODEL, **values})
    assert raised.value.param == param


async def test_a_model_needs_a_provider_that_is_there(platform: Actor) -> None:
    with pytest.raises(InvalidInput) as raised:
        await models_served.create(platform, provider="nobody", wanted=MODEL)
    assert raised.value.param == "provider"


async def test_one_model_is_the_default(platform: Actor, provider: Upstream) -> None:
    await _add(platform, provider)
    for name in ("one", "two"):
        await models_served.create(platform, provider="scripted", wanted={**MODEL, "name": name, "is_default": True})
    found = {view.name: view.is_default for view in (await models_served.list_served(platform, {})).items}
    assert found == {"one": False, "two": True}


async def test_a_provider_with_models_is_not_removed_by_accident(platform: Actor, provider: Upstream) -> None:
    view = await _add(platform, provider)
    model = await models_served.create(platform, provider="scripted", wanted=MODEL)
    with pytest.raises(Conflict, match="counter"):
        await providers.delete(platform, view.id)
    await models_served.delete(platform, model.id)
    await providers.delete(platform, view.id)
    assert (await providers.list_providers(platform, {})).items == []


async def test_a_connection_is_tried_and_what_came_of_it_is_said(platform: Actor, provider: Upstream) -> None:
    view = await _add(platform, provider)
    listed = await providers.check_connection(platform, view.id)
    assert (listed.is_working, listed.models) == (True, ("scripted",))
    asked = await providers.check_connection(platform, view.id, model="scripted?tokens=1")
    assert asked.is_working
    refused = await providers.check_connection(platform, view.id, model="scripted?fault=unauthorized")
    assert not refused.is_working
    assert "key" in refused.message
    await provider.close()
    silent = await providers.check_connection(platform, view.id)
    assert (silent.is_working, "Check the address" in silent.message) == (False, True)
    assert "Try again" not in silent.message


async def test_a_provider_that_lists_no_models_is_tested_with_the_oldest_it_serves(
    platform: Actor, provider: Upstream
) -> None:
    row = ProviderTable(name="elsewhere", kind="litellm", base_url=provider.url)
    async with system_transaction() as tx:
        tx.session.add(row)
    nothing = await providers.check_connection(platform, row.id)
    assert (nothing.is_working, "Add a model first" in nothing.message) == (False, True)
    quoting = await providers.create(platform, name="built-in", kind="extractive")
    assert (await providers.check_connection(platform, quoting.id)).is_working


async def test_how_many_at_once_is_kept_and_can_be_taken_back(platform: Actor, provider: Upstream) -> None:
    view = await _add(platform, provider, max_concurrent=4)
    assert view.max_concurrent == 4
    assert (await providers.change(platform, view.id, {"name": "other"})).max_concurrent == 4
    assert (await providers.change(platform, view.id, {"max_concurrent": None})).max_concurrent is None


async def test_what_hangs_on_a_provider_and_its_models_is_counted_over_all_tenants(
    platform: Actor, actor: Actor, other_actor: Actor, provider: Upstream
) -> None:
    view = await _add(platform, provider)
    model = await models_served.create(platform, provider="scripted", wanted=MODEL | {"is_default": True})
    other = await models_served.create(platform, provider="scripted", wanted=MODEL | {"name": "other"})
    for who, fallbacks in ((actor, ["counter"]), (other_actor, [])):
        await routes.put(who, RouteSettings(default="other", fallbacks=fallbacks))
    hit = await providers.removal_of(platform, view.id)
    assert (hit.models, hit.routes, hit.deployments) == (("counter", "other"), 2, 0)
    of_model = await models_served.removal_of(platform, [model.id])
    assert (of_model.names, of_model.routes, of_model.is_default) == (("counter",), 1, True)
    assert (await models_served.removal_of(platform, [model.id, other.id])).routes == 2
    for attempt in (providers.removal_of(actor, view.id), models_served.removal_of(actor, [model.id])):
        with pytest.raises(NotPermitted):
            await attempt


async def test_only_platform_admins_change_what_belongs_to_the_installation(
    platform: Actor, actor: Actor, make_actor: MakeActor, provider: Upstream
) -> None:
    view = await _add(platform, provider)
    model = await models_served.create(platform, provider="scripted", wanted=MODEL)
    with pytest.raises(NotPermitted):
        await _add(actor, provider, name="mine")
    for attempt in (
        providers.change(actor, view.id, {"name": "mine"}),
        providers.delete(actor, view.id),
        providers.check_connection(actor, view.id),
        models_served.create(actor, provider="scripted", wanted={**MODEL, "name": "mine"}),
        models_served.change(actor, model.id, {"input_micro_usd_per_mtok": 0}),
        models_served.delete(actor, model.id),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    assert (await providers.get(actor, view.id)).name == "scripted"
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await providers.list_providers(member, {})


async def test_another_address_than_the_operators_is_somebody_elses_wish(
    platform: Actor, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHATAPP_ALLOW_PRIVATE_PROVIDERS")
    get_settings.cache_clear()
    row = ProviderTable(name="ollama", kind="openai_compatible", base_url=provider.url, is_operators=True)
    async with system_transaction() as tx:
        tx.session.add(row)

    same = await providers.change(platform, row.id, {"base_url": provider.url + "/", "name": "Ollama"})
    with pytest.raises(InvalidInput, match="CHATAPP_ALLOW_PRIVATE_PROVIDERS"):
        await providers.change(platform, row.id, {"base_url": "http://127.0.0.1:6379"})
    still = (await providers.list_providers(platform, {"id": str(row.id)})).items[0]
    monkeypatch.setenv("CHATAPP_ALLOW_PRIVATE_PROVIDERS", "1")
    get_settings.cache_clear()
    other = await providers.change(platform, row.id, {"base_url": provider.url + "/other"})

    assert (same.is_operators, still.is_operators, other.is_operators) == (True, True, False)
