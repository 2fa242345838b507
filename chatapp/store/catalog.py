"""Queries about providers and models in use. They belong to the installation, not to a tenant.

The price columns of a model that comes from here hold the price in force now (`ModelPriceTable`), asked for in the same
statement. Such a row is nobody's to change: it is cut off from the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import col

from chatapp.domain import utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import ModelPriceTable, ModelTable, ProviderTable

PRICES = ("input_micro_usd_per_mtok", "output_micro_usd_per_mtok", "cached_input_micro_usd_per_mtok")
"""The columns that a model and a dated price share."""


async def list_models(tx: Transaction) -> Sequence[tuple[ModelTable, ProviderTable]]:
    """Every model in use with its provider, the default first, then by name."""
    query = _in_use().order_by(col(ModelTable.is_default).desc(), col(ModelTable.created_at), col(ModelTable.name))
    return await _priced(tx, query)


async def find_model(tx: Transaction, name: str) -> tuple[ModelTable, ProviderTable] | None:
    """A model in use, by our name of it."""
    found = await _priced(tx, _in_use().where(col(ModelTable.name) == name))
    return found[0] if found else None


async def find_default(tx: Transaction) -> tuple[ModelTable, ProviderTable] | None:
    """The model `auto` stands for; None where nothing is in use."""
    query = _in_use().order_by(col(ModelTable.is_default).desc(), col(ModelTable.created_at), col(ModelTable.name))
    found = await _priced(tx, query.limit(1))
    return found[0] if found else None


async def list_providers(tx: Transaction) -> Sequence[ProviderTable]:
    """Every provider, in use or not, oldest first."""
    return (await tx.session.execute(select(ProviderTable).order_by(col(ProviderTable.created_at)))).scalars().all()


def price_in_force(price: Any = ModelPriceTable) -> Any:
    """Condition that joins a model with the one dated price that holds for it now.

    Args:
        price: the table of dated prices, or an alias of it where the statement asks for prices elsewhere too.
    """
    latest = (
        select(col(ModelPriceTable.id))
        .where(col(ModelPriceTable.model_id) == col(ModelTable.id), col(ModelPriceTable.valid_from) <= utc_now())
        .order_by(col(ModelPriceTable.valid_from).desc())
        .limit(1)
        .correlate(ModelTable)
        .scalar_subquery()
    )
    return price.id == latest


async def _priced(tx: Transaction, query: Select[Any]) -> list[tuple[ModelTable, ProviderTable]]:
    found: list[tuple[ModelTable, ProviderTable]] = []
    for row in (await tx.session.execute(query)).all():
        model, provider, price = tuple(row)
        if price is not None:
            tx.session.expunge(model)
            for name in PRICES:
                setattr(model, name, getattr(price, name))
        found.append((model, provider))
    return found


def _in_use() -> Select[Any]:
    query: Select[Any] = select(ModelTable, ProviderTable, ModelPriceTable)  # pyright: ignore[reportAssignmentType]
    return (
        query.join(ProviderTable, col(ProviderTable.id) == col(ModelTable.provider_id))
        .outerjoin(ModelPriceTable, price_in_force())
        .where(col(ModelTable.is_enabled), col(ProviderTable.is_enabled))
    )
