"""Use cases of models: what the providers serve, what it costs, and what it can do. Platform admins change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput
from chatapp.services.catalog import AUTO
from chatapp.services.list_page import ListPage
from chatapp.store import audit, providers
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import ModelTable

MAX_NAME_CHARACTERS = 120
MAX_PRICE = 2_000_000_000
"""Two thousand dollars a million tokens: more is a slip of the keyboard."""
MAX_TOKENS = 100_000_000
CAPABILITIES = ("streaming", "json", "tools", "vision", "reasoning", "prompt_caching")
_PRICES = ("input_micro_usd_per_mtok", "output_micro_usd_per_mtok", "cached_input_micro_usd_per_mtok")
_TOKENS = ("max_input_tokens", "max_output_tokens")
FIELDS = ("name", "provider_model", *_PRICES, *_TOKENS, "capabilities", "is_enabled", "is_default")
"""What `create` takes beside the provider, and `change` changes."""


@dataclass(frozen=True, slots=True)
class ServedModelView:
    """A model as admins see it."""

    id: UUID
    name: str
    provider: str
    provider_model: str
    input_micro_usd_per_mtok: int
    output_micro_usd_per_mtok: int
    cached_input_micro_usd_per_mtok: int | None
    """None: that of any other input."""
    max_input_tokens: int
    max_output_tokens: int
    capabilities: tuple[str, ...]
    is_default: bool
    """What `auto` means where a tenant has no route of its own."""
    is_enabled: bool
    created_at: datetime

    @classmethod
    def from_row(cls, row: ModelTable, provider: str) -> ServedModelView:
        """The view of a row."""
        values = {name: getattr(row, name) for name in (*_PRICES, *_TOKENS, "is_default", "is_enabled", "created_at")}
        return cls(
            id=row.id,
            name=row.name,
            provider=provider,
            provider_model=row.provider_model,
            capabilities=tuple(row.capabilities),
            **values,
        )


async def list_served(actor: Actor, wanted: Mapping[str, str]) -> ListPage[ServedModelView]:
    """Every model of the installation, in use or not.

    Args:
        actor: who asks.
        wanted: filters, order and page as `store.listing` describes them.

    Raises:
        NotPermitted: the actor may not see the settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await providers.find_models(tx, wanted), ServedModelView.from_row)


async def get(actor: Actor, model_id: UUID) -> ServedModelView:
    """One model.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: there is none.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, model_id)


async def create(actor: Actor, *, provider: str, wanted: Mapping[str, Any]) -> ServedModelView:
    """Add a model.

    Args:
        actor: a platform admin.
        provider: name or id of who serves it.
        wanted: `FIELDS`; `name` and `provider_model` are needed. Prices are micro-dollars for a million tokens.

    Raises:
        NotPermitted: the actor is no platform admin.
        InvalidInput: a field is not valid, or there is no such provider.
        Conflict: there is a model of that name.
    """
    actor.require(Permission.PLATFORM)
    valid = _valid(wanted)
    async with transaction(actor) as tx:
        row = ModelTable(provider_id=await _provider_id(tx, provider), **{**valid, "is_default": False})
        await _require_free(tx, row.name)
        tx.session.add(row)
        await tx.session.flush()
        await _settle_default(tx, row, valid)
        await audit.write(tx, "model.created", row.id, after=_as_json(row))
        return await _view(tx, row.id)


async def change(actor: Actor, model_id: UUID, wanted: Mapping[str, Any]) -> ServedModelView:
    """Change a model; the next question goes by it, and what was answered keeps its price.

    Args:
        actor: a platform admin.
        model_id: which.
        wanted: any of `FIELDS`; what is left out stays.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
        InvalidInput: a field is not valid.
        Conflict: another one has that name.
    """
    actor.require(Permission.PLATFORM)
    valid = _valid(wanted)
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        before = _as_json(row)
        if "name" in valid:
            await _require_free(tx, valid["name"], except_id=model_id)
        for name, value in valid.items():
            if name != "is_default":
                setattr(row, name, value)
        await tx.session.flush()
        await _settle_default(tx, row, valid)
        await audit.write(tx, "model.changed", row.id, before=before, after=_as_json(row))
        return await _view(tx, model_id)


async def delete(actor: Actor, model_id: UUID) -> None:
    """Remove a model. Answers it gave keep its name; routes that name it go on to the next.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        await audit.write(tx, "model.deleted", model_id, before=_as_json(row))
        await tx.session.delete(row)


async def _settle_default(tx: Transaction, row: ModelTable, valid: Mapping[str, Any]) -> None:
    if valid.get("is_default"):
        await providers.make_default(tx, row.id)
    elif "is_default" in valid:
        row.is_default = False
        await tx.session.flush()
    await tx.session.refresh(row)


async def _provider_id(tx: Transaction, name_or_id: str) -> UUID:
    row = await providers.provider_named(tx, name_or_id)
    if row is not None:
        return row.id
    try:
        return (await providers.get_provider(tx, UUID(name_or_id))).id
    except ValueError as error:
        raise InvalidInput(f"There is no provider named “{name_or_id[:80]}”.", param="provider") from error


async def _require_free(tx: Transaction, name: str, *, except_id: UUID | None = None) -> None:
    other = await providers.model_named(tx, name)
    if other is not None and other.id != except_id:
        raise Conflict(f"There is a model named “{other.name}” already. Choose another name.", param="name")


def _valid(wanted: Mapping[str, Any]) -> dict[str, Any]:
    valid = {name: wanted[name] for name in FIELDS if name in wanted}
    for name in ("name", "provider_model"):
        if name in valid:
            valid[name] = _valid_text(valid[name], name)
    if valid.get("name", "").lower() == AUTO:
        raise InvalidInput("“auto” stands for the route. Choose another name.", param="name")
    for names, least, most in ((_PRICES, 0, MAX_PRICE), (_TOKENS, 1, MAX_TOKENS)):
        for name in names:
            if valid.get(name) is not None and not least <= valid[name] <= most:
                raise InvalidInput(f"A whole number from {least} to {most:,}.", param=name)
    if unknown := sorted(set(valid.get("capabilities", ())) - set(CAPABILITIES)):
        known = ", ".join(CAPABILITIES)
        raise InvalidInput(f"Unknown capability {unknown[0]}. There are: {known}.", param="capabilities")
    if "capabilities" in valid:
        valid["capabilities"] = list(dict.fromkeys(valid["capabilities"]))
    return valid


def _valid_text(text: str, param: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_NAME_CHARACTERS:
        raise InvalidInput(f"1 to {MAX_NAME_CHARACTERS} characters.", param=param)
    return text


async def _view(tx: Transaction, model_id: UUID) -> ServedModelView:
    row = await providers.get_model(tx, model_id)
    return ServedModelView.from_row(row, (await providers.get_provider(tx, row.provider_id)).name)


def _as_json(row: ModelTable) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}
