"""Use cases of the catalogue: which models there are, who serves them, and what `auto` means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from chatapp.domain import Actor, Permission, Usage
from chatapp.errors import UpstreamError
from chatapp.outbound import Reach
from chatapp.providers import make_provider, public_catalog
from chatapp.providers.base import ProviderConfig
from chatapp.providers.extractive import Extractive
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.routing.balance import Balance
from chatapp.routing.choice import ServedModel
from chatapp.routing.route import Deployment, price_micro_usd
from chatapp.services.provider_options import options_of
from chatapp.settings import Settings, get_settings
from chatapp.store import catalog, deployments
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.encryption import CannotDecrypt, decrypt, encrypt
from chatapp.store.tables import DeploymentTable, ModelTable, ProviderTable

_log = structlog.get_logger(__name__)

AUTO = "auto"
_OPENAI_URL = "https://api.openai.com/v1"
_PREFERRED = ("gpt-4.1-mini", "gpt-4o-mini")
"""What to take of OpenAI's list when the operator names no model: small, quick and good at keeping to sources."""
_MAX_LISTED = 20
_LISTING_SECONDS = 3.0
_OPENAI_TOKENS = (128_000, 16_384)
_SERVER_TOKENS = (8_192, 1_024)
_OLLAMA_TOKENS = (4_096, 1_024)
"""Longest input and answer. Ollama cuts a longer prompt silently: https://docs.ollama.com/context-length"""


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model as people and programs see it."""

    name: str
    provider: str
    kind: str
    """The provider's kind; `route` for `auto`."""
    created_at: datetime
    is_default: bool
    max_input_tokens: int
    max_output_tokens: int
    answered_by: str
    """The model's own name; for `auto` what it stands for now."""


async def list_models(actor: Actor) -> list[ModelView]:
    """The models the actor may ask, `auto` first.

    Raises:
        NotPermitted: the actor may not chat.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor, readonly=True) as tx:
        found = await catalog.list_models(tx)
    views = [_view(model, provider) for model, provider in found]
    if not views:
        return []
    first = views[0]
    auto = ModelView(
        AUTO, "", "route", first.created_at, True, first.max_input_tokens, first.max_output_tokens, first.name
    )
    return [auto, *views]


def _view(model: ModelTable, provider: ProviderTable) -> ModelView:
    return ModelView(
        name=model.name,
        provider=provider.name,
        kind=provider.kind,
        created_at=model.created_at,
        is_default=model.is_default,
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        answered_by=model.name,
    )


@dataclass(frozen=True, slots=True)
class InUse:
    """The models in use, and where each of them is served."""

    models: dict[str, tuple[ModelTable, ProviderTable]]
    """By name, the default first."""
    further: dict[UUID, list[tuple[DeploymentTable, ProviderTable]]]
    """Places beside a model's own, by the model's id."""
    _made: dict[str, ServedModel] = field(default_factory=dict, repr=False, compare=False)
    """Those that were asked for already: each is made ready once."""

    @classmethod
    async def read(cls, tx: Transaction) -> InUse:
        """As it is now, at the price in force."""
        found = await catalog.list_models(tx)
        further = await deployments.list_in_use(tx, [model.id for model, _ in found])
        return cls({model.name: (model, provider) for model, provider in found}, further)

    @property
    def default(self) -> str:
        """What `auto` means without a route; empty where nothing is in use."""
        return next(iter(self.models), "")

    @property
    def last_resort(self) -> str:
        """The oldest model that quotes, which stands behind every route; empty where there is none."""
        quoting = [model for model, provider in self.models.values() if provider.kind == Extractive.kind]
        return min(quoting, key=lambda model: (model.created_at, model.id)).name if quoting else ""

    def served(self, names: Iterable[str]) -> dict[str, ServedModel]:
        """Those of the models that are in use, ready to be asked.

        Raises:
            ProviderRejected: a provider is of a kind this installation does not have.
        """
        return {name: self._served(name) for name in names if name in self.models}

    def _served(self, name: str) -> ServedModel:
        if (made := self._made.get(name)) is not None:
            return made
        model, provider = self.models[name]
        own = _deployment(model, provider, model.provider_model, model.weight)
        others = (
            _deployment(model, place, row.provider_model, row.weight) for row, place in self.further.get(model.id, ())
        )
        self._made[name] = made = ServedModel(name, (own, *others), Balance(model.balance))
        return made


def price_of(model: ModelTable, input_tokens: int, output_tokens: int) -> int:
    """What so many tokens cost at a model's price of now, in micro-dollars, rounded up."""
    return price_micro_usd(
        Usage(input_tokens, output_tokens),
        input_micro_usd_per_mtok=model.input_micro_usd_per_mtok,
        output_micro_usd_per_mtok=model.output_micro_usd_per_mtok,
        cached_input_micro_usd_per_mtok=None,
    )


def _deployment(model: ModelTable, provider: ProviderTable, provider_model: str, weight: int) -> Deployment:
    return Deployment(
        provider=make_provider(provider.kind, config_of(provider)),
        provider_name=provider.name,
        model=model.name,
        provider_model=provider_model,
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        input_micro_usd_per_mtok=model.input_micro_usd_per_mtok,
        output_micro_usd_per_mtok=model.output_micro_usd_per_mtok,
        cached_input_micro_usd_per_mtok=model.cached_input_micro_usd_per_mtok,
        weight=weight,
        max_concurrent=provider.max_concurrent,
    )


def config_of(provider: ProviderTable) -> ProviderConfig:
    """Where a provider is, with its key, and how long to wait for it."""
    settings = get_settings()
    return ProviderConfig(
        base_url=provider.base_url,
        api_key=_key_of(provider, settings),
        connect_timeout_seconds=settings.connect_timeout_seconds,
        idle_timeout_seconds=provider.timeout_seconds or settings.first_token_timeout_seconds,
        reach=reach_of(provider, settings),
        options=options_of(provider),
    )


def reach_of(provider: ProviderTable, settings: Settings) -> Reach:
    """How far in a provider's address may lead."""
    if provider.is_operators:
        return Reach.ANY
    return Reach.PRIVATE if settings.allow_private_providers else Reach.PUBLIC


def _key_of(provider: ProviderTable, settings: Settings) -> str:
    if not provider.encrypted_api_key:
        return ""
    try:
        return decrypt(
            settings.effective_secret_key, provider.encrypted_api_key, previous=settings.previous_secret_keys
        )
    except CannotDecrypt:
        # The provider will refuse the call, and the refusal says what an admin has to do.
        _log.error("provider.key_unreadable", provider=provider.name)
        return ""


async def register_from_environment(settings: Settings) -> None:
    """Make providers of what the environment offers; for the first start.

    OpenAI's key or address, an Ollama that answers, and always the built-in model; the first of them is what `auto`
    means. A provider of the same name that is there already stays as it is.
    """
    offers = [*await _openai(settings), *await _ollama(settings), _built_in()]
    async with system_transaction() as tx:
        known = {provider.name for provider in await catalog.list_providers(tx)}
        has_default = await catalog.find_default(tx) is not None
        for provider, models in offers:
            if provider.name in known:
                continue
            tx.session.add(provider)
            await tx.session.flush()
            for model in models:
                model.is_default, has_default = not has_default, True
                tx.session.add(model)
            _log.info("provider.registered", provider=provider.name, models=[model.name for model in models])


_Offer = tuple[ProviderTable, list[ModelTable]]


async def _openai(settings: Settings) -> list[_Offer]:
    key = settings.openai_api_key.get_secret_value()
    url = settings.openai_base_url.rstrip("/")
    if not key and not url:
        return []
    is_openai = not url or url == _OPENAI_URL
    config = ProviderConfig(url or _OPENAI_URL, key, _LISTING_SECONDS, _LISTING_SECONDS, Reach.ANY)
    names = [settings.openai_model] if settings.openai_model else await _listed(config)
    if is_openai and not settings.openai_model:
        names = [next((name for name in _PREFERRED if name in names), _PREFERRED[0])]
    if not names:
        _log.warning("provider.without_models", url=config.base_url, advice="set OPENAI_MODEL")
        return []
    provider = ProviderTable(
        name="openai",
        kind=OpenAICompatible.kind,
        base_url=config.base_url,
        is_operators=True,
        encrypted_api_key=encrypt(settings.effective_secret_key, key),
    )
    models = _models(provider, names, _OPENAI_TOKENS if is_openai else _SERVER_TOKENS)
    if is_openai:
        await _fill_from_catalog(models)
    return [(provider, models)]


async def _fill_from_catalog(models: list[ModelTable]) -> None:
    """Give OpenAI's own models the prices, lengths and abilities that the public catalogue lists."""
    listed = await public_catalog.load()
    for model in models:
        entry = listed.get(model.name)
        if entry is not None:
            model.catalog_name, model.catalog_entry = entry.name, entry.as_json()
            for name, value in entry.columns().items():
                setattr(model, name, value)


async def _ollama(settings: Settings) -> list[_Offer]:
    address = settings.ollama_url.rstrip("/")
    if "://" not in address:
        address = f"http://{address}"
    # Servers are told to listen everywhere by this address; as a destination it means nothing.
    config = ProviderConfig(f"{address.replace('//0.0.0.0', '//127.0.0.1')}/v1", "", 0.5, _LISTING_SECONDS, Reach.ANY)
    names = await _listed(config)
    if not names:
        return []
    provider = ProviderTable(name="ollama", kind=OpenAICompatible.kind, base_url=config.base_url, is_operators=True)
    return [(provider, _models(provider, names, _OLLAMA_TOKENS))]


def _built_in() -> _Offer:
    provider = ProviderTable(name="built-in", kind="extractive")
    return provider, _models(provider, ["extractive"], _SERVER_TOKENS)


async def _listed(config: ProviderConfig) -> list[str]:
    try:
        return (await OpenAICompatible(config).list_models())[:_MAX_LISTED]
    except UpstreamError:
        return []


def _models(provider: ProviderTable, names: list[str], tokens: tuple[int, int]) -> list[ModelTable]:
    return [
        ModelTable(
            name=name,
            provider_id=provider.id,
            provider_model=name,
            max_input_tokens=tokens[0],
            max_output_tokens=tokens[1],
        )
        for name in names
    ]
