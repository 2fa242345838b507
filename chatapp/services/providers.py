"""Use cases of providers: who serves models to the installation. Platform admins change them; keys never come back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chatapp.domain import Actor, Permission, PromptMessage
from chatapp.errors import AppError, Conflict, InvalidInput, ProviderTimeout, ProviderUnavailable
from chatapp.outbound import check_reachable
from chatapp.providers import PROVIDER_KINDS, make_provider
from chatapp.providers.base import ProviderRequest
from chatapp.providers.connections import policy_of
from chatapp.providers.extractive import Extractive
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.services import provider_options
from chatapp.services.catalog import config_of, reach_of
from chatapp.services.list_page import ListPage
from chatapp.services.names import valid_name
from chatapp.settings import get_settings
from chatapp.store import audit, deployments, providers
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.encryption import encrypt
from chatapp.store.tables import ProviderTable

MAX_NAME_CHARACTERS = 80
MAX_KEY_CHARACTERS = 4_096
MAX_TIMEOUT_SECONDS = 600.0
MAX_CONCURRENT = 100_000
_WHAT = "the provider a name"
_SECRETS = {"api_key", "access_key_id", "secret_access_key"}
ProviderKind = Literal["openai_compatible", "litellm", "extractive"]


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider as admins see it."""

    id: UUID
    name: str
    kind: str
    base_url: str
    has_api_key: bool
    api_version: str
    """Azure's."""
    region: str
    """Bedrock's."""
    has_access_key: bool
    timeout_seconds: float | None
    """Longest silence; None: the installation's."""
    max_concurrent: int | None
    """Most requests at once; None: no limit."""
    is_operators: bool
    """Named in the environment, so it may be at a private address."""
    is_enabled: bool
    models: int
    created_at: datetime

    @classmethod
    def from_row(cls, row: ProviderTable, models: int) -> ProviderView:
        """The view of a row."""
        options = provider_options.options_of(row)
        return cls(
            id=row.id,
            name=row.name,
            kind=row.kind,
            base_url=row.base_url,
            has_api_key=bool(row.encrypted_api_key),
            api_version=options.get("api_version", ""),
            region=options.get("region", ""),
            has_access_key="secret_access_key" in options,
            timeout_seconds=row.timeout_seconds,
            max_concurrent=row.max_concurrent,
            is_operators=row.is_operators,
            is_enabled=row.is_enabled,
            models=models,
            created_at=row.created_at,
        )


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """What came of asking a provider."""

    is_working: bool
    message: str
    models: tuple[str, ...] = ()
    """What it says it serves, where its kind can tell."""
    milliseconds: int = 0
    """How long it took."""


@dataclass(frozen=True, slots=True)
class ProviderRemoval:
    """What hangs on a provider."""

    name: str
    models: tuple[str, ...]
    """What it serves. While there is any, the provider stays, and can only be switched off."""
    deployments: int
    """Further places of models that are served elsewhere too; they go with it."""
    routes: int
    """Routes, of every tenant, that name one of its models."""


async def list_providers(actor: Actor, wanted: Mapping[str, str]) -> ListPage[ProviderView]:
    """The installation's providers.

    Args:
        actor: who asks.
        wanted: filters, order and page as `store.listing` describes them.

    Raises:
        NotPermitted: the actor may not see the settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await providers.find_providers(tx, wanted), ProviderView.from_row)


async def get(actor: Actor, provider_id: UUID) -> ProviderView:
    """One provider.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: there is none.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, provider_id)


async def create(
    actor: Actor,
    *,
    name: str,
    kind: ProviderKind,
    base_url: str = "",
    api_key: str = "",
    timeout_seconds: float | None = None,
    max_concurrent: int | None = None,
    **options: str,
) -> ProviderView:
    """Add a provider. Its models are added by `services.models_served`.

    Args:
        actor: a platform admin.
        name: unique.
        kind: one of `PROVIDER_KINDS`.
        base_url: with the version, `https://api.example.com/v1`; needed for `openai_compatible`.
        api_key: kept encrypted and never given back; empty where none is needed.
        timeout_seconds: longest silence, more than 0 and at most 600; None: the installation's.
        max_concurrent: most requests at once, 1 or more; None: no limit.
        **options: of `provider_options.NAMES`, for a cloud; the secrets among them are never given back.

    Raises:
        NotPermitted: the actor is no platform admin.
        InvalidInput: a field is not valid, or the address leads where it may not.
        Conflict: there is one of that name.
    """
    actor.require(Permission.PLATFORM)
    row = ProviderTable(
        name=valid_name(name, what=_WHAT, max_characters=MAX_NAME_CHARACTERS),
        kind=_valid_kind(kind),
        timeout_seconds=_valid_timeout(timeout_seconds),
    )
    row.max_concurrent = _valid_concurrency(max_concurrent)
    row.base_url = await _valid_url(row, base_url)
    row.encrypted_api_key = _encrypted(api_key)
    provider_options.set_options(row, options)
    async with transaction(actor) as tx:
        await _require_free(tx, row.name)
        tx.session.add(row)
        await audit.write(tx, "provider.created", row.id, after=_as_json(row))
    return ProviderView.from_row(row, 0)


async def change(actor: Actor, provider_id: UUID, wanted: Mapping[str, Any]) -> ProviderView:
    """Change a provider; the next question goes by it.

    Args:
        actor: a platform admin.
        provider_id: which.
        wanted: any of `name`, `base_url`, `api_key`, `timeout_seconds`, `max_concurrent`, `is_enabled` and
            `provider_options.NAMES`; what is left out stays.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
        InvalidInput: a field is not valid, or the address leads where it may not.
        Conflict: another one has that name.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor, readonly=True) as tx:
        found = await providers.get_provider(tx, provider_id)
    base_url = await _valid_url(_as_wished(found, wanted), wanted["base_url"]) if "base_url" in wanted else None
    async with transaction(actor) as tx:
        row = await providers.get_provider(tx, provider_id)
        before = _as_json(row)
        if "name" in wanted:
            row.name = valid_name(wanted["name"], what=_WHAT, max_characters=MAX_NAME_CHARACTERS)
            await _require_free(tx, row.name, except_id=row.id)
        if base_url is not None:
            _keep_key_at_home(row, base_url, wanted)
            _as_wished(row, wanted).base_url = base_url
        _set_plain(row, wanted)
        provider_options.set_options(row, wanted)
        after = _as_json(row)
        await audit.write(
            tx, "provider.changed", row.id, before=before, after=after, is_api_key_new=not _SECRETS.isdisjoint(wanted)
        )
        return await _view(tx, provider_id)


async def removal_of(actor: Actor, provider_id: UUID) -> ProviderRemoval:
    """What hangs on a provider, over all tenants: what is hit where it goes or is switched off.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
    """
    actor.require(Permission.PLATFORM)
    async with system_transaction(readonly=True) as tx:
        row = await providers.get_provider(tx, provider_id)
        names = await providers.models_of(tx, provider_id)
        routes = await providers.count_routes_naming(tx, set(names)) if names else 0
        return ProviderRemoval(row.name, tuple(names), await deployments.count_at(tx, provider_id), routes)


async def delete(actor: Actor, provider_id: UUID) -> None:
    """Remove a provider that serves no models any more.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
        Conflict: it has models.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        row = await providers.get_provider(tx, provider_id)
        if names := await providers.models_of(tx, provider_id):
            raise Conflict(f"It serves {', '.join(names[:5])}. Remove its models first, or switch it off.")
        await tx.session.delete(row)
        await audit.write(tx, "provider.deleted", provider_id, before=_as_json(row))


async def check_connection(actor: Actor, provider_id: UUID, *, model: str = "") -> ConnectionTest:
    """Ask a provider for what it serves, or a model for one word, and say what came of it.

    Args:
        actor: a platform admin.
        provider_id: which.
        model: the provider's own name of a model to ask; where its kind lists none and none is given, the oldest it
            serves here.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such provider.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor, readonly=True) as tx:
        row = await providers.get_provider(tx, provider_id)
        if not model and row.kind != OpenAICompatible.kind:
            model = await providers.first_model_of(tx, provider_id)
    began = time.perf_counter()
    try:
        tested = await _asked(row, model)
    except AppError as error:
        tested = ConnectionTest(False, _advice(error))
    return replace(tested, milliseconds=round((time.perf_counter() - began) * 1000))


def _advice(error: AppError) -> str:
    """What an admin can do about it: people who ask are told to try again, which helps nobody here."""
    message = error.message.removesuffix(" Try again.")
    if isinstance(error, ProviderTimeout):
        return f"{message} Check the address, or allow a longer silence."
    if type(error) is ProviderUnavailable and "Check" not in message:
        return f"{message} Check the address, and that the server runs."
    return message


async def _asked(row: ProviderTable, model: str) -> ConnectionTest:
    config = config_of(row)
    if row.kind == Extractive.kind:
        return ConnectionTest(True, "The built-in model needs no connection.")
    if row.kind == OpenAICompatible.kind and not model:
        names = await OpenAICompatible(config).list_models()
        listed = "1 model" if len(names) == 1 else f"{len(names)} models"
        return ConnectionTest(True, f"It answers and lists {listed}.", tuple(names[:200]))
    if not model:
        return ConnectionTest(False, "Add a model first: this kind of provider lists none, so one has to be asked.")
    said = PromptMessage("user", "Answer with the word ok.")
    request = ProviderRequest(model, (said,), {"max_tokens": 5})
    async with aclosing(make_provider(row.kind, config).stream(request)) as stream:
        async for _ in stream:
            break
    return ConnectionTest(True, f"{model} answers.")


async def _view(tx: Transaction, provider_id: UUID) -> ProviderView:
    row = await providers.get_provider(tx, provider_id)
    return ProviderView.from_row(row, len(await providers.models_of(tx, provider_id)))


async def _require_free(tx: Transaction, name: str, *, except_id: UUID | None = None) -> None:
    other = await providers.provider_named(tx, name)
    if other is not None and other.id != except_id:
        raise Conflict(f"There is a provider named “{other.name}” already. Choose another name.", param="name")


def _valid_kind(kind: str) -> str:
    known = [each.kind for each in PROVIDER_KINDS]
    if kind not in known:
        raise InvalidInput(f"There is no provider kind “{kind}”. There are: {', '.join(known)}.", param="kind")
    return kind


def _valid_timeout(seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise InvalidInput(f"More than 0 and at most {MAX_TIMEOUT_SECONDS:.0f} seconds.", param="timeout_seconds")
    return seconds


def _valid_concurrency(count: int | None) -> int | None:
    if count is not None and not 1 <= count <= MAX_CONCURRENT:
        raise InvalidInput(f"A whole number from 1 to {MAX_CONCURRENT:,}.", param="max_concurrent")
    return count


def _set_plain(row: ProviderTable, wanted: Mapping[str, Any]) -> None:
    if "timeout_seconds" in wanted:
        row.timeout_seconds = _valid_timeout(wanted["timeout_seconds"])
    if "max_concurrent" in wanted:
        row.max_concurrent = _valid_concurrency(wanted["max_concurrent"])
    if "is_enabled" in wanted:
        row.is_enabled = bool(wanted["is_enabled"])
    if "api_key" in wanted:
        row.encrypted_api_key = _encrypted(wanted["api_key"])


def _as_wished(row: ProviderTable, wanted: Mapping[str, Any]) -> ProviderTable:
    """The row, no longer the operator's once it is to have another address than they gave it."""
    row.is_operators = row.is_operators and wanted["base_url"].strip().rstrip("/") == row.base_url
    return row


async def _valid_url(row: ProviderTable, base_url: str) -> str:
    base_url = base_url.strip().rstrip("/")
    if not base_url:
        if row.kind == OpenAICompatible.kind:
            raise InvalidInput("Give the address with its version, as in https://api.example.com/v1.", param="base_url")
        return ""
    try:
        await check_reachable(base_url, policy_of(reach_of(row, get_settings())))
    except InvalidInput as error:
        raise InvalidInput(error.message, param="base_url") from error
    return base_url


def _encrypted(api_key: str) -> str:
    if len(api_key) > MAX_KEY_CHARACTERS or any(ord(character) < 0x21 for character in api_key):
        raise InvalidInput(
            f"A key has at most {MAX_KEY_CHARACTERS} characters and no spaces or line breaks.", param="api_key"
        )
    return encrypt(get_settings().effective_secret_key, api_key)


def _keep_key_at_home(row: ProviderTable, base_url: str, wanted: Mapping[str, Any]) -> None:
    # Who may change the address must not get the key sent to a server of their own.
    if base_url != row.base_url and row.encrypted_api_key and "api_key" not in wanted:
        raise InvalidInput("Give the key again with a new address: the one kept is for the old one.", param="api_key")
    if base_url != row.base_url and "secret_access_key" in provider_options.options_of(row).keys() - wanted.keys():
        raise InvalidInput(
            "Give the access key again with a new address: the one kept is for the old one.", param="secret_access_key"
        )


def _as_json(row: ProviderTable) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "base_url": row.base_url,
        "has_api_key": bool(row.encrypted_api_key),
        **{name: value for name, value in provider_options.options_of(row).items() if name not in _SECRETS},
        "timeout_seconds": row.timeout_seconds,
        "max_concurrent": row.max_concurrent,
        "is_enabled": row.is_enabled,
    }
