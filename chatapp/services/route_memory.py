"""What routes are chosen by, kept for a moment: nearly every question goes by what held for the one before.

What this process changes holds for its next question. What another one changes is seen a moment later.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from chatapp.domain import Actor
from chatapp.services.catalog import InUse
from chatapp.services.shared_looks import SharedLooks
from chatapp.store import catalog_changes, routes
from chatapp.store.database import transaction
from chatapp.store.tables import RouteTable

_KEPT_SECONDS = 0.25
_AHEAD = 0.75
"""Of that time, what has passed when it is read again for whoever comes next."""
_MAX_TENANTS = 1_000


@dataclass(frozen=True, slots=True)
class RouteSources:
    """A tenant's route and the models in use; nobody's to change."""

    row: RouteTable | None
    models: InUse
    changes: int
    """As `catalog_changes` counted them before this was read."""
    read_at: float


class _Memory:
    """What this process keeps, by tenant; the one used last at the end."""

    by_tenant: OrderedDict[UUID, RouteSources] = OrderedDict()  # noqa: RUF012  # one memory a process is what this is
    looks: SharedLooks[RouteSources] = SharedLooks()
    """By tenant and the changes there had been when they began."""


async def recall(actor: Actor, *, needs: str = "") -> RouteSources:
    """The tenant's route and the models in use, a quarter of a second old at most.

    Args:
        actor: whose tenant.
        needs: name of a model that is looked for once more where it is not among those kept; empty: none.
    """
    kept = _Memory.by_tenant.get(actor.tenant_id)
    changes, now = catalog_changes.count(), time.monotonic()
    key = (actor.tenant_id, changes)
    is_fresh = kept is not None and kept.changes == changes and now - kept.read_at < _KEPT_SECONDS
    if kept is not None and is_fresh and (not needs or needs in kept.models.models):
        if now - kept.read_at > _KEPT_SECONDS * _AHEAD:
            # Where much is asked nobody waits for the next look.
            _Memory.looks.look_ahead(key, lambda: _read(actor, changes, now))
        return kept
    if needs and _Memory.looks.is_under_way(key):
        found = await _Memory.looks.look(key, lambda: _read(actor, changes, now))
        if needs in found.models.models:
            return found
    return await _Memory.looks.look(key, lambda: _read(actor, changes, now))


async def _read(actor: Actor, changes: int, now: float) -> RouteSources:
    async with transaction(actor, readonly=True) as tx:
        found = RouteSources(await routes.find(tx), await InUse.read(tx), changes, now)
    _Memory.by_tenant[actor.tenant_id] = found
    _Memory.by_tenant.move_to_end(actor.tenant_id)
    while len(_Memory.by_tenant) > _MAX_TENANTS:
        _Memory.by_tenant.popitem(last=False)
    return found


def forget() -> None:
    """Keep nothing: when the lifespan begins."""
    _Memory.by_tenant.clear()
    _Memory.looks.forget()
