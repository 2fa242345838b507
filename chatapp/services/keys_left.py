"""What becomes of the keys of services that somebody made who goes, is kept out or is an admin no more.

Whoever made a key may still know it. So those with the scope `admin` end with their maker's right to make them; the
others go on working, for a service should not stop because a person left, unless whoever takes the right away says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.services import authentication
from chatapp.services.administration import acting_in
from chatapp.services.keys import facts_of
from chatapp.services.rights import PLATFORM_PERMISSIONS
from chatapp.store import admins, api_keys, audit
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import ApiKeyTable

KeysToEnd = Literal["admin", "all", "none"]
"""Which keys of services end with their maker's rights: those with the scope `admin`, all, or none."""
_REASON = "Whoever made it is an admin here no more."


@dataclass(frozen=True, slots=True)
class KeysLeft:
    """How many living keys of services some people made or rotated."""

    admin: int
    """With the scope `admin`."""
    others: int


async def count(actor: Actor, tenant_id: UUID, user_ids: Sequence[UUID]) -> KeysLeft:
    """Count the keys of services in a tenant that these people made, or that such keys made.

    Args:
        actor: who asks.
        tenant_id: the tenant in the address.
        user_ids: the people.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for the actor.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    async with transaction(there, readonly=True) as tx:
        rows = await api_keys.services_of(tx, user_ids, now=utc_now())
    admin = sum(_is_admins(row) for row in rows)
    return KeysLeft(admin, len(rows) - admin)


async def end(tx: Transaction, maker_id: UUID, which: KeysToEnd) -> None:
    """End a maker's keys of services in the transaction that takes their rights in the tenant away.

    Args:
        tx: the transaction of that change.
        maker_id: whose they are.
        which: those that end.
    """
    for row in await api_keys.services_of(tx, [maker_id], now=utc_now(), for_update=True):
        if which == "all" or (which == "admin" and _is_admins(row)):
            row.revoked_at = utc_now()
            row.previous_key_hash = row.previous_expires_at = None
            await audit.write(tx, "key.revoked", row.id, before=facts_of(row), reason=_REASON, name=row.name)


async def end_everywhere(actor: Actor, maker_id: UUID, which: KeysToEnd) -> None:
    """End a maker's keys of services in each tenant where they have no right (any more) to make them.

    Args:
        actor: a platform admin, who took the right away.
        maker_id: whose they are.
        which: those that end.

    Raises:
        NotPermitted: the actor is no platform admin.
    """
    actor.require(Permission.PLATFORM)
    async with system_transaction(readonly=True) as tx:
        tenant_ids = await api_keys.tenants_of_services_of(tx, maker_id)
    for tenant_id in tenant_ids:
        there = replace(actor, tenant_id=tenant_id, permissions=PLATFORM_PERMISSIONS, roles=())
        async with transaction(there) as tx:
            if not await admins.may_administer(tx, maker_id, tenant_id):
                await end(tx, maker_id, which)
    authentication.forget_cached_actors()


def _is_admins(row: ApiKeyTable) -> bool:
    return "admin" in row.scopes
