"""Use cases of models: what the providers serve, what it costs, and what it can do. Platform admins change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput
from chatapp.providers import public_catalog
from chatapp.services.list_page import ListPage
from chatapp.services.model_catalog import fields_from
from chatapp.services.model_fields import FIELDS, TOKENS, valid_fields
from chatapp.store import audit, model_prices, providers
from chatapp.store.catalog import PRICES
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import ModelPriceTable, ModelTable, ProviderTable

_PLAIN = (
    *("id", "name", "provider_model", *TOKENS, "is_default", "is_enabled"),
    *("balance", "weight", "catalog_name", "created_at"),
)
"""What a view takes from the row as it is."""


@dataclass(frozen=True, slots=True)
class ServedModelView:
    """A model as admins see it."""

    id: UUID
    name: str
    provider: str
    provider_model: str
    input_micro_usd_per_mtok: int
    """The prices are those in force now."""
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
    next_price_at: datetime | None
    """When the next price begins; None: none is set down."""
    deployments: int
    """Places where it is served, its own among them."""
    balance: str
    """How they share the work."""
    weight: int
    """Of its own place, where the work is shared by weight."""
    catalog_name: str
    """What the public catalogue calls it; empty: it was not taken from there."""

    @classmethod
    def from_row(
        cls,
        row: ModelTable,
        provider: ProviderTable,
        price: ModelPriceTable | None,
        next_price_at: datetime | None,
        further: int,
    ) -> ServedModelView:
        """The view of a row of `store.providers.find_models`."""
        values = {name: getattr(row, name) for name in _PLAIN}
        values |= {name: getattr(price or row, name) for name in PRICES}
        return cls(
            provider=provider.name,
            capabilities=tuple(row.capabilities),
            next_price_at=next_price_at,
            deployments=further + 1,
            **values,
        )


@dataclass(frozen=True, slots=True)
class ModelRemoval:
    """What is hit when models go, or are switched off."""

    names: tuple[str, ...]
    routes: int
    """Routes, of every tenant, that name one of them; they go on to the next model they name."""
    is_default: bool
    """One of them is what `auto` means."""


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
        wanted: `FIELDS`. With `catalog_name`, what is left out is taken from the public catalogue; without, `name` and
            `provider_model` are needed. Prices are micro-dollars for a million tokens.

    Raises:
        NotPermitted: the actor is no platform admin.
        InvalidInput: a field is not valid, or there is no such provider or no such model in the catalogue.
        Conflict: there is a model of that name.
    """
    actor.require(Permission.PLATFORM)
    entry = await _entry(wanted.get("catalog_name", ""))
    async with transaction(actor) as tx:
        serving = await providers.provider_of(tx, provider)
        given = {} if entry is None else fields_from(entry, serving.kind)
        valid = valid_fields(given | dict(wanted))
        _require_given(valid)
        await _require_free(tx, valid["name"])
        row = ModelTable(provider_id=serving.id, **{**valid, "is_default": False})
        row.catalog_entry = None if entry is None else entry.as_json()
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
        wanted: any of `FIELDS`; what is left out stays. A price holds from now on. Another `catalog_name` is compared
            with the catalogue as it is now; what the model has stays.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
        InvalidInput: a field is not valid, or there is no such model in the catalogue.
        Conflict: another one has that name.
    """
    actor.require(Permission.PLATFORM)
    valid = valid_fields(wanted)
    entry = await _entry(valid.get("catalog_name", ""))
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        before = await _as_priced_json(tx, row)
        if "name" in valid:
            await _require_free(tx, valid["name"], except_id=model_id)
        if valid.get("catalog_name", row.catalog_name) != row.catalog_name:
            row.catalog_entry = None if entry is None else entry.as_json()
        for name, value in valid.items():
            if name != "is_default" and name not in PRICES:
                setattr(row, name, value)
        await model_prices.set_from_now(tx, row, {name: valid[name] for name in PRICES if name in valid})
        await tx.session.flush()
        await _settle_default(tx, row, valid)
        await audit.write(tx, "model.changed", row.id, before=before, after=await _as_priced_json(tx, row))
        return await _view(tx, model_id)


async def removal_of(actor: Actor, model_ids: list[UUID]) -> ModelRemoval:
    """What would be hit if these models were removed or switched off, over all tenants.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: one of them is not there.
    """
    actor.require(Permission.PLATFORM)
    async with system_transaction(readonly=True) as tx:
        rows = [await providers.get_model(tx, model_id) for model_id in model_ids]
        names = tuple(row.name for row in rows)
        routes = await providers.count_routes_naming(tx, set(names))
    return ModelRemoval(names, routes, any(row.is_default for row in rows))


async def delete(actor: Actor, model_id: UUID) -> None:
    """Remove a model. Answers it gave keep its name; routes that name it go on to the next.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is none.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        await audit.write(tx, "model.deleted", model_id, before=await _as_priced_json(tx, row))
        await tx.session.delete(row)


async def _entry(catalog_name: Any) -> public_catalog.CatalogEntry | None:
    if not catalog_name:
        return None
    entry = (await public_catalog.load()).get(str(catalog_name))
    if entry is None:
        raise InvalidInput(
            "The catalogue has no model of this name. `GET /v1/admin/catalog?q=` finds them.", param="catalog_name"
        )
    return entry


async def _settle_default(tx: Transaction, row: ModelTable, valid: Mapping[str, Any]) -> None:
    if valid.get("is_default"):
        await providers.make_default(tx, row.id)
    elif "is_default" in valid:
        row.is_default = False
        await tx.session.flush()
    await tx.session.refresh(row)


def _require_given(valid: Mapping[str, Any]) -> None:
    for name in ("name", "provider_model"):
        if name not in valid:
            raise InvalidInput("Give it, or the name the catalogue has for the model.", param=name)


async def _require_free(tx: Transaction, name: str, *, except_id: UUID | None = None) -> None:
    other = await providers.model_named(tx, name)
    if other is not None and other.id != except_id:
        raise Conflict(f"There is a model named “{other.name}” already. Choose another name.", param="name")


async def _view(tx: Transaction, model_id: UUID) -> ServedModelView:
    await providers.get_model(tx, model_id)
    found = await providers.find_models(tx, {"id": str(model_id)})
    return ServedModelView.from_row(*found.rows[0])


async def _as_priced_json(tx: Transaction, row: ModelTable) -> dict[str, Any]:
    price = await model_prices.in_force(tx, row.id)
    return _as_json(row) | {name: getattr(price or row, name) for name in PRICES}


def _as_json(row: ModelTable) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}
