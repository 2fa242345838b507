from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor
from chatapp.errors import NotFound
from chatapp.providers import public_catalog
from chatapp.providers.extractive import Extractive
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.services import catalog, model_catalog, routes
from chatapp.settings import Settings, get_settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import ProviderTable
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream


def settings_with(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return get_settings()


async def test_without_a_key_the_built_in_model_answers(actor: Actor, settings: Settings) -> None:
    await catalog.register_from_environment(settings)

    route = (await routes.without_rules(actor, "auto")).first
    assert isinstance(route.provider, Extractive)
    assert [view.name for view in await catalog.list_models(actor)] == ["auto", "extractive"]


async def test_a_server_in_the_environment_becomes_what_auto_means(
    actor: Actor, settings: Settings, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, OPENAI_API_KEY="sk-mine", OPENAI_BASE_URL=provider.url + "/")
    await catalog.register_from_environment(settings)
    await catalog.register_from_environment(settings)

    route = (await routes.without_rules(actor, "")).first
    assert isinstance(route.provider, OpenAICompatible)
    assert (route.model, route.provider.config.api_key) == ("scripted", "sk-mine")
    assert [view.name for view in await catalog.list_models(actor)] == ["auto", "scripted", "extractive"]
    async with system_transaction(readonly=True) as tx:
        rows = (await tx.session.execute(select(ProviderTable))).scalars().all()
    assert "sk-mine" not in repr(rows)


async def test_openais_own_model_has_the_price_the_public_catalogue_lists(
    actor: Actor, other_actor: Actor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, OPENAI_API_KEY="sk-mine", OPENAI_MODEL="gpt-4.1-mini")
    await catalog.register_from_environment(settings)
    entry = (await public_catalog.load())["gpt-4.1-mini"]
    for who in (actor, other_actor):
        first = (await routes.without_rules(who, "auto")).first
        assert first.input_micro_usd_per_mtok == entry.input_micro_usd_per_mtok
        assert first.cached_input_micro_usd_per_mtok == entry.cached_input_micro_usd_per_mtok
        assert first.max_input_tokens == entry.max_input_tokens
    assert await model_catalog.list_changes(actor) == []


async def test_a_server_that_only_speaks_like_openai_has_no_price_of_its_models(
    actor: Actor, settings: Settings, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, OPENAI_BASE_URL=provider.url, OPENAI_MODEL="gpt-4.1-mini")
    await catalog.register_from_environment(settings)
    assert (await routes.without_rules(actor, "auto")).first.input_micro_usd_per_mtok == 0


async def test_a_local_ollama_is_found(
    actor: Actor, settings: Settings, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, OLLAMA_HOST=f"0.0.0.0:{provider.port}")
    await catalog.register_from_environment(settings)

    assert (await routes.without_rules(actor, "auto")).first.provider_name == "ollama"


async def test_a_key_of_another_secret_is_not_used(
    actor: Actor, settings: Settings, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(monkeypatch, OPENAI_API_KEY="sk-mine", OPENAI_BASE_URL=provider.url)
    await catalog.register_from_environment(settings)
    settings_with(monkeypatch, CHATAPP_SECRET_KEY="another-secret-for-tests-9876543210")

    route = (await routes.without_rules(actor, "auto")).first
    assert isinstance(route.provider, OpenAICompatible)
    assert route.provider.config.api_key == ""


async def test_models_belong_to_every_tenant_and_unknown_ones_are_not_found(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    name = await add_model("scripted", default=True)
    assert (await routes.without_rules(other_actor, "auto")).first.model == name
    for who in (actor, other_actor):
        with pytest.raises(NotFound):
            await routes.without_rules(who, "gpt-99")


@pytest.mark.usefixtures("settings")
async def test_the_built_in_model_quotes_where_the_model_of_auto_fails(
    actor: Actor, add_model: AddModel, built_in_model: str
) -> None:
    name = await add_model("scripted", default=True)
    route = await routes.without_rules(actor, "auto")
    assert [deployment.model for deployment in route.deployments] == [name, built_in_model]
    by_name = await routes.without_rules(actor, name)
    assert [deployment.model for deployment in by_name.deployments] == [name, built_in_model]


@pytest.mark.usefixtures("settings")
async def test_an_empty_catalogue_has_no_auto(actor: Actor, database: AsyncEngine) -> None:
    assert await catalog.list_models(actor) == []
    with pytest.raises(NotFound):
        await routes.without_rules(actor, "auto")
