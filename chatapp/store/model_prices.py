"""Prices of models with the day they begin. Before the first of them the model's own columns hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from chatapp.domain import utc_now
from chatapp.errors import NotFound
from chatapp.store.catalog import PRICES
from chatapp.store.database import Transaction
from chatapp.store.tables import ModelPriceTable, ModelTable


async def list_of(tx: Transaction, model_id: UUID) -> Sequence[ModelPriceTable]:
    """Every dated price of a model, the oldest first."""
    query = (
        select(ModelPriceTable)
        .where(col(ModelPriceTable.model_id) == model_id)
        .order_by(col(ModelPriceTable.valid_from))
    )
    return (await tx.session.execute(query)).scalars().all()


async def get(tx: Transaction, model_id: UUID, price_id: UUID) -> ModelPriceTable:
    """One dated price of a model.

    Raises:
        NotFound: the model has none of that id.
    """
    row = await tx.session.get(ModelPriceTable, price_id)
    if row is None or row.model_id != model_id:
        raise NotFound("There is no such price.", param="price_id")
    return row


async def find_at(tx: Transaction, model_id: UUID, valid_from: datetime) -> ModelPriceTable | None:
    """The price that begins at just that moment."""
    query = select(ModelPriceTable).where(
        col(ModelPriceTable.model_id) == model_id, col(ModelPriceTable.valid_from) == valid_from
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def in_force(tx: Transaction, model_id: UUID) -> ModelPriceTable | None:
    """The dated price that holds now; None: the model's own columns do."""
    query = (
        select(ModelPriceTable)
        .where(col(ModelPriceTable.model_id) == model_id, col(ModelPriceTable.valid_from) <= utc_now())
        .order_by(col(ModelPriceTable.valid_from).desc())
        .limit(1)
    )
    return (await tx.session.execute(query)).scalar_one_or_none()


async def set_from_now(tx: Transaction, model: ModelTable, prices: Mapping[str, int | None]) -> None:
    """Have a model cost this from now on: in its own columns, or dated where a dated price has replaced those.

    Args:
        tx: the open transaction.
        model: its row, in the session.
        prices: any of `PRICES`; what is left out stays.
    """
    dated = await in_force(tx, model.id)
    if dated is None:
        for name, value in prices.items():
            setattr(model, name, value)
        return
    wanted: dict[str, Any] = {name: getattr(dated, name) for name in PRICES} | dict(prices)
    if any(getattr(dated, name) != value for name, value in wanted.items()):
        tx.session.add(ModelPriceTable(model_id=model.id, valid_from=utc_now(), **wanted))
