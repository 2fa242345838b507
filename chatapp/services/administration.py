"""In whose name an admin's call runs: the tenant in the address against the actor's own."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services.rights import PLATFORM_PERMISSIONS
from chatapp.store.database import transaction
from chatapp.store.tables import TenantTable


async def acting_in(actor: Actor, tenant_id: UUID, permission: Permission) -> Actor:
    """The actor as they act in the tenant an address names; everything below runs with what this returns.

    In their own tenant actors are what they are. A platform admin may administer every other tenant, and read
    nothing that its people asked or keep there: they have `PLATFORM_PERMISSIONS` in it, and no role.

    Args:
        actor: who calls.
        tenant_id: the tenant in the address.
        permission: what the call needs, most often `READ_ADMIN` or `ADMIN`.

    Returns:
        an actor whose `tenant_id` is the one asked for.

    Raises:
        NotPermitted: it is the actor's tenant, or they may look at any, and they do not have the permission there.
        NotFound: there is no such tenant, or it is not the actor's.
    """
    if tenant_id == actor.tenant_id:
        actor.require(permission)
        return actor
    if not actor.may(Permission.PLATFORM):
        raise NotFound
    there = replace(actor, tenant_id=tenant_id, permissions=PLATFORM_PERMISSIONS, roles=())
    async with transaction(there, readonly=True) as tx:
        if await tx.session.get(TenantTable, tenant_id) is None:
            raise NotFound
    there.require(permission)
    return there
