"""Lists and changes of providers and models as platform admins make them. They belong to the installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import aliased
from sqlmodel import col

from chatapp.domain import utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.store.catalog import price_in_force
from chatapp.store.database import Transaction
from chatapp.store.listing import Found, ListField, Listing
from chatapp.store.listing import find as list_page
from chatapp.store.tables import DeploymentTable, ModelPriceTable, ModelTable, ProviderTable, RouteTable
from chatapp.store.tables.providers import CAPABILITIES


async def get_provider(tx: Transaction, provider_id: UUID) -> ProviderTable:
    """One provider.

    Raises:
        NotFound: there is none of that id.
    """
    row = await tx.session.get(ProviderTable, provider_id)
    if row is None:
        raise NotFound("There is no such provider.", param="provider_id")
    return row


async def provider_named(tx: Transaction, name: str) -> ProviderTable | None:
    """The provider of that name, upper and lower case alike."""
    query = select(ProviderTable).where(func.lower(col(ProviderTable.name)) == name.lower()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def provider_of(tx: Transaction, name_or_id: str) -> ProviderTable:
    """The provider of that name, or else of that id.

    Raises:
        InvalidInput: there is none.
        NotFound: there is none of that id.
    """
    row = await provider_named(tx, name_or_id)
    if row is not None:
        return row
    try:
        return await get_provider(tx, UUID(name_or_id))
    except ValueError as error:
        raise InvalidInput(f"There is no provider named “{name_or_id[:80]}”.", param="provider") from error


async def get_model(tx: Transaction, model_id: UUID) -> ModelTable:
    """One model.

    Raises:
        NotFound: there is none of that id.
    """
    row = await tx.session.get(ModelTable, model_id)
    if row is None:
        raise NotFound("There is no such model.", param="model_id")
    return row


async def model_named(tx: Transaction, name: str) -> ModelTable | None:
    """The model of that name, upper and lower case alike."""
    query = select(ModelTable).where(func.lower(col(ModelTable.name)) == name.lower()).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def models_of(tx: Transaction, provider_id: UUID) -> list[str]:
    """Names of what a provider serves."""
    query = (
        select(col(ModelTable.name)).where(col(ModelTable.provider_id) == provider_id).order_by(col(ModelTable.name))
    )
    return list((await tx.session.execute(query)).scalars())


async def first_model_of(tx: Transaction, provider_id: UUID) -> str:
    """The provider's own name of the oldest model it serves; empty: it serves none."""
    query = (
        select(col(ModelTable.provider_model))
        .where(col(ModelTable.provider_id) == provider_id)
        .order_by(col(ModelTable.created_at), col(ModelTable.name))
        .limit(1)
    )
    return (await tx.session.execute(query)).scalar_one_or_none() or ""


async def followed_models(tx: Transaction) -> list[ModelTable]:
    """Models that were taken from the public catalogue, by name."""
    query = select(ModelTable).where(col(ModelTable.catalog_name) != "").order_by(col(ModelTable.name))
    return list((await tx.session.execute(query)).scalars())


async def count_routes_naming(tx: Transaction, names: set[str]) -> int:
    """How many tenants' routes name one of these models; in a system transaction, those of every tenant."""
    routes = (await tx.session.execute(select(RouteTable))).scalars()
    return sum(not names.isdisjoint(_named_by(route)) for route in routes)


def _named_by(route: RouteTable) -> set[str]:
    ruled = {str(rule.get("model", "")) for rule in route.rules if isinstance(rule, dict)}
    return {route.default_model, *route.fallbacks, *route.ladder, *ruled}


async def make_default(tx: Transaction, model_id: UUID) -> None:
    """Have `auto` stand for this model where a tenant has no route of its own."""
    await tx.session.execute(update(ModelTable).values(is_default=col(ModelTable.id) == model_id))


async def find_providers(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """A page of providers; each row is `(provider, number of its models)`."""
    models = (
        select(func.count())
        .select_from(ModelTable)
        .where(col(ModelTable.provider_id) == col(ProviderTable.id))
        .correlate(ProviderTable)
        .scalar_subquery()
    )
    statement: Select[Any] = select(ProviderTable, models)  # pyright: ignore[reportAssignmentType]
    return await list_page(tx, Listing(statement, col(ProviderTable.id), _PROVIDER_FIELDS), wanted)


async def find_models(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """A page of models; each row is `(model, provider, price in force, next change, further deployments)`.

    The price in force is None where the model's own columns hold, the next change None where none is set down.
    """
    moments = select(func.min(col(ModelPriceTable.valid_from))).where(
        col(ModelPriceTable.model_id) == col(ModelTable.id), col(ModelPriceTable.valid_from) > utc_now()
    )
    deployments = select(func.count()).where(col(DeploymentTable.model_id) == col(ModelTable.id))
    statement: Select[Any] = (
        select(  # pyright: ignore[reportAssignmentType]
            ModelTable,
            ProviderTable,
            _DatedPrice,
            moments.correlate(ModelTable).scalar_subquery(),
            deployments.correlate(ModelTable).scalar_subquery(),
        )
        .join(ProviderTable, col(ProviderTable.id) == col(ModelTable.provider_id))
        .outerjoin(_DatedPrice, price_in_force(_DatedPrice))
    )
    return await list_page(tx, Listing(statement, col(ModelTable.id), _MODEL_FIELDS, order="name"), wanted)


_DatedPrice = aliased(ModelPriceTable)


def _price(name: str) -> ListField:
    return ListField(name, func.coalesce(getattr(_DatedPrice, name), getattr(ModelTable, name)), "number")


_PROVIDER_FIELDS = (
    ListField("id", col(ProviderTable.id), "id", is_sorted=False),
    ListField("name", col(ProviderTable.name), is_searched=True),
    ListField("kind", col(ProviderTable.kind), "choice", choices=("openai_compatible", "litellm", "extractive")),
    ListField("base_url", col(ProviderTable.base_url), is_searched=True),
    ListField("is_enabled", col(ProviderTable.is_enabled), "yes_no"),
    ListField("created_at", col(ProviderTable.created_at), "moment"),
)
_MODEL_FIELDS = (
    ListField("id", col(ModelTable.id), "id", is_sorted=False),
    ListField("name", col(ModelTable.name), is_searched=True),
    ListField("provider", col(ProviderTable.name), is_searched=True),
    ListField("provider_model", col(ModelTable.provider_model), is_searched=True),
    _price("input_micro_usd_per_mtok"),
    _price("output_micro_usd_per_mtok"),
    ListField("capabilities", col(ModelTable.capabilities), "choices", choices=CAPABILITIES, is_sorted=False),
    ListField("max_input_tokens", col(ModelTable.max_input_tokens), "number"),
    ListField("is_default", col(ModelTable.is_default), "yes_no"),
    ListField("is_enabled", col(ModelTable.is_enabled), "yes_no"),
    ListField("created_at", col(ModelTable.created_at), "moment"),
)
