"""Use cases of prices: what a model costs, from which day on. Platform admins change them.

A price is never changed once it holds, and none begins in the past: what was answered keeps the cost it had, and an
account that was read once must read the same later. So a wrong price is put right by another that begins now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import Conflict, InvalidInput
from chatapp.services.model_fields import valid_prices
from chatapp.store import audit, model_prices, providers
from chatapp.store.catalog import PRICES
from chatapp.store.database import transaction
from chatapp.store.tables import ModelPriceTable, ModelTable

MAX_AHEAD = timedelta(days=3_650)
"""Further ahead is a slip of the keyboard."""
MAX_PRICES = 200
"""Of one model."""
_CLOCKS_DIFFER = timedelta(minutes=1)
"""A moment so little ago is meant to be now."""


@dataclass(frozen=True, slots=True)
class PriceView:
    """What a model costs over a span of time, in micro-dollars for a million tokens."""

    id: UUID | None
    """None: the price it began with, which is part of the model itself."""
    valid_from: datetime | None
    """None: from the beginning."""
    valid_until: datetime | None
    """The first moment it no longer holds; None: until another is added."""
    input_micro_usd_per_mtok: int
    output_micro_usd_per_mtok: int
    cached_input_micro_usd_per_mtok: int | None
    """None: that of any other input."""
    state: str
    """`past`, `in_force` or `ahead`."""


async def list_prices(actor: Actor, model_id: UUID) -> list[PriceView]:
    """What a model cost, costs and will cost, the oldest first.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: there is no such model.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        model = await providers.get_model(tx, model_id)
        return _views(model, list(await model_prices.list_of(tx, model_id)))


async def add(actor: Actor, model_id: UUID, wanted: Mapping[str, Any]) -> list[PriceView]:
    """Have a model cost something else from a day on.

    Args:
        actor: a platform admin.
        model_id: which.
        wanted: input and output price in micro-dollars for a million tokens, `cached_input_micro_usd_per_mtok` where it
            is another, and `valid_from`, a moment with its time zone; left out or None: from now on.

    Returns:
        every price of the model, as `list_prices` gives them.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model.
        InvalidInput: a price is out of range, or the day is past or too far ahead.
        Conflict: another price begins at that moment already, or the model has too many.
    """
    actor.require(Permission.PLATFORM)
    prices: dict[str, Any] = valid_prices({name: wanted.get(name) for name in PRICES})
    valid_from = _valid_from(wanted.get("valid_from"))
    async with transaction(actor) as tx:
        model = await providers.get_model(tx, model_id)
        if await model_prices.find_at(tx, model_id, valid_from) is not None:
            raise Conflict("Another price begins then already. Take it away first.", param="valid_from")
        if len(await model_prices.list_of(tx, model_id)) >= MAX_PRICES:
            raise Conflict(f"A model has at most {MAX_PRICES} prices.")
        row = ModelPriceTable(model_id=model_id, valid_from=valid_from, **prices)
        tx.session.add(row)
        await tx.session.flush()
        await audit.write(tx, "model_price.added", row.id, after=_as_json(row), model=model.name)
        return _views(model, list(await model_prices.list_of(tx, model_id)))


async def remove(actor: Actor, model_id: UUID, price_id: UUID) -> None:
    """Take back a price that does not hold yet.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model, or it has no such price.
        Conflict: it holds, or held.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        model = await providers.get_model(tx, model_id)
        row = await model_prices.get(tx, model_id, price_id)
        if row.valid_from <= utc_now():
            raise Conflict("Answers were paid for at this price, so it stays. Add one that holds from now on.")
        await audit.write(tx, "model_price.removed", row.id, before=_as_json(row), model=model.name)
        await tx.session.delete(row)


def _valid_from(moment: datetime | None) -> datetime:
    now = utc_now()
    if moment is None:
        return now
    if moment.tzinfo is None:
        raise InvalidInput("Give the moment with its time zone, as in 2027-01-01T00:00:00Z.", param="valid_from")
    if moment < now - _CLOCKS_DIFFER:
        raise InvalidInput(
            "This is past, and what was answered keeps its cost. Leave it out for a price from now on.",
            param="valid_from",
        )
    if moment > now + MAX_AHEAD:
        raise InvalidInput("At most ten years ahead.", param="valid_from")
    return max(moment, now)


def _views(model: ModelTable, dated: list[ModelPriceTable]) -> list[PriceView]:
    now = utc_now()
    begun: list[tuple[UUID | None, datetime | None, Any]] = [(None, None, model)]
    begun += [(row.id, row.valid_from, row) for row in dated]
    ends = [later[1] for _, later in pairwise(begun)] + [None]
    return [
        PriceView(
            id=price_id,
            valid_from=valid_from,
            valid_until=until,
            state=_state(valid_from, until, now),
            **{name: getattr(row, name) for name in PRICES},
        )
        for (price_id, valid_from, row), until in zip(begun, ends, strict=True)
    ]


def _state(valid_from: datetime | None, until: datetime | None, now: datetime) -> str:
    if valid_from is not None and valid_from > now:
        return "ahead"
    return "in_force" if until is None or until > now else "past"


def _as_json(row: ModelPriceTable) -> dict[str, Any]:
    return {"valid_from": row.valid_from.isoformat(), **{name: getattr(row, name) for name in PRICES}}
