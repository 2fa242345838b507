"""Use cases of limits: how much a tenant may have in the making at once, and changing that."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import NotPermitted
from chatapp.settings import get_settings
from chatapp.store import audit, tenant_limits
from chatapp.store.database import transaction
from chatapp.store.tables import TenantLimitsTable

MAX_CONCURRENT_TURNS = 100_000
_KEEP_SECONDS = 5.0
"""How long a process goes by a limit that another one has changed."""


class Limits(BaseModel):
    """A tenant's limits as an admin writes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrent_turns: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CONCURRENT_TURNS,
        description="Answers in the making at once, over all processes; more wait. Null: the installation's.",
    )


@dataclass(frozen=True, slots=True)
class LimitsView:
    """A tenant's limits."""

    concurrent_turns: int | None
    """None: the installation's holds."""
    concurrent_turns_in_force: int
    updated_at: datetime | None


class _Known:
    """What this process read of late: each question asks for it."""

    places: dict[UUID, tuple[float, int]] = {}  # noqa: RUF012  # one register a process is what this is


async def get(actor: Actor) -> LimitsView:
    """The limits of the actor's tenant.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return _view(await tenant_limits.find(tx))


async def put(actor: Actor, wanted: Limits, *, reason: str = "") -> LimitsView:
    """Give the actor's tenant these limits; other processes go by them within five seconds.

    More than the installation gives every tenant is for platform admins to give: it is taken from the others.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, or not give it so much.
    """
    actor.require(Permission.ADMIN)
    usual = get_settings().tenant_concurrent_turns
    if (wanted.concurrent_turns or 0) > usual and not actor.may(Permission.PLATFORM):
        raise NotPermitted(f"More than {usual:,} answers at once are for a platform admin to give.")
    async with transaction(actor) as tx:
        row = await tenant_limits.find(tx, for_update=True)
        before = None if row is None else _as_json(row)
        if row is None:
            row = TenantLimitsTable(tenant_id=actor.tenant_id)
            tx.session.add(row)
        row.concurrent_turns, row.updated_at = wanted.concurrent_turns, utc_now()
        await audit.write(tx, "limits.changed", actor.tenant_id, before=before, after=_as_json(row), reason=reason)
        view = _view(row)
    _Known.places.pop(actor.tenant_id, None)
    return view


async def places_of(actor: Actor) -> int:
    """How many answers the actor's tenant may have in the making at once."""
    now = time.monotonic()
    read_at, places = _Known.places.get(actor.tenant_id, (-_KEEP_SECONDS, 0))
    if now - read_at >= _KEEP_SECONDS:
        async with transaction(actor, readonly=True) as tx:
            places = _view(await tenant_limits.find(tx)).concurrent_turns_in_force
        _Known.places[actor.tenant_id] = now, places
    return places


def forget_limits() -> None:
    """Read everything anew: when the lifespan begins, and in tests."""
    _Known.places.clear()


def _as_json(row: TenantLimitsTable) -> dict[str, int | None]:
    return {"concurrent_turns": row.concurrent_turns}


def _view(row: TenantLimitsTable | None) -> LimitsView:
    usual = get_settings().tenant_concurrent_turns
    own = None if row is None else row.concurrent_turns
    return LimitsView(own, own or usual, None if row is None else row.updated_at)
