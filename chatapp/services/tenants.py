"""Use cases of tenants: list, make, rename, suspend, resume, delete. `services.erasure` does the deleting."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission, Role
from chatapp.errors import Conflict, InvalidInput, NotFound, RedisUnavailable
from chatapp.services import authentication, invitations, turn_runner
from chatapp.services.administration import acting_in
from chatapp.services.invitations import Invited
from chatapp.services.list_page import ListPage
from chatapp.services.names import valid_name
from chatapp.services.users import valid_email
from chatapp.store import audit, deletions, job_queue, tenants, turns
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import TenantDeletionTable, TenantTable
from chatapp.store.tenants import TenantCounts

MAX_NAME_CHARACTERS = 120
MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant as admins see it."""

    id: UUID
    name: str
    state: str
    """`active`, `suspended` or `being_deleted`."""
    reason: str
    """Why it is suspended; empty while it is not."""
    users: int
    documents: int
    conversations: int
    created_at: datetime
    deletion_progress: float | None
    """0 to 1 of what there was to remove; None: it is not being deleted."""
    fingerprint: str
    """What the audit log of another tenant calls this one, and still does when it is gone."""

    @classmethod
    def from_row(cls, row: TenantTable, deletion: TenantDeletionTable | None, counts: TenantCounts) -> TenantView:
        """The view of a row."""
        return cls(
            id=row.id,
            name=row.name,
            state="being_deleted" if deletion else "suspended" if row.is_suspended else "active",
            reason=row.suspension_reason,
            users=counts.users,
            documents=counts.documents,
            conversations=counts.conversations,
            created_at=row.created_at,
            deletion_progress=_progress(deletion) if deletion else None,
            fingerprint=fingerprint(row.id),
        )


def fingerprint(tenant_id: UUID) -> str:
    """12 hexadecimal digits that tell tenants apart and lead back to none."""
    return hashlib.sha256(str(tenant_id).encode()).hexdigest()[:12]


def _progress(deletion: TenantDeletionTable) -> float:
    # Cascades and late rows make the count an estimate; the last part is vectors and files.
    return min(0.99, deletion.removed_rows / deletion.total_rows) if deletion.total_rows else 0.0


async def list_tenants(actor: Actor, wanted: Mapping[str, str]) -> ListPage[TenantView]:
    """The tenants the actor may look at: every one for a platform admin, their own for others.

    Args:
        actor: who asks.
        wanted: filters, order and page as `store.listing` describes them; without order by name.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    only = None if actor.may(Permission.PLATFORM) else actor.tenant_id
    async with system_transaction(readonly=True) as tx:
        found = await tenants.find_page(tx, wanted, only=only)
        counts = await tenants.count(tx, [row.id for row, _ in found.rows])
    return ListPage.of(found, lambda row, deletion: TenantView.from_row(row, deletion, counts[row.id]))


async def get(actor: Actor, tenant_id: UUID) -> TenantView:
    """One tenant.

    Raises:
        NotPermitted: it is the actor's and they may not see its settings.
        NotFound: there is none, or it is not the actor's to look at.
    """
    await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return await _view(tenant_id)


async def find(actor: Actor, name_or_id: str) -> UUID:
    """The id of a tenant by its id or its name, for the command line.

    Raises:
        NotPermitted: the actor may not look at every tenant.
        NotFound: there is none.
        Conflict: several have the name.
    """
    actor.require(Permission.PLATFORM)
    async with system_transaction(readonly=True) as tx:
        try:
            return (await tenants.get(tx, UUID(name_or_id))).id
        except ValueError:
            named = await tenants.list_named(tx, name_or_id)
    if not named:
        raise NotFound(f"There is no tenant named “{name_or_id}”. `admin tenant list` lists them.")
    if len(named) > 1:
        ids = ", ".join(str(row.id) for row in named)
        raise Conflict(f"Several tenants are named “{name_or_id}”. Give one of their ids instead: {ids}")
    return named[0].id


async def create(actor: Actor, *, name: str) -> TenantView:
    """Make an empty tenant. Its first person comes with `services.users`.

    Raises:
        NotPermitted: the actor is no platform admin.
        InvalidInput: the name is empty or too long.
    """
    actor.require(Permission.PLATFORM)
    row = TenantTable(name=_valid_name(name))
    async with transaction(actor) as tx:
        tx.session.add(row)
        await audit.write(tx, "tenant.created", tenant=fingerprint(row.id))
    # The name stands in the tenant's own log only, and goes with it.
    there = await acting_in(actor, row.id, Permission.ADMIN)
    async with transaction(there) as tx:
        await audit.write(tx, "tenant.created", row.id, after={"name": row.name})
    return await _view(row.id)


async def create_with_admin(actor: Actor, *, name: str, email: str) -> tuple[TenantView, Invited | None]:
    """Make a tenant and invite its first admin.

    Args:
        actor: a platform admin.
        name: the tenant's.
        email: the first admin's address; empty: nobody is invited.

    Raises:
        NotPermitted: the actor is no platform admin.
        InvalidInput: the name or the address is not valid; nothing was made.
    """
    actor.require(Permission.PLATFORM)
    address = valid_email(email) if email else ""
    made = await create(actor, name=name)
    if not address:
        return made, None
    invited = await invitations.invite(actor, made.id, email=address, roles=[Role.ADMIN])
    return await _view(made.id), invited


async def rename(actor: Actor, tenant_id: UUID, *, name: str) -> TenantView:
    """Give a tenant another name.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: there is none, or it is not the actor's.
        InvalidInput: the name is empty or too long.
        Conflict: it is being deleted.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    name = _valid_name(name)
    async with transaction(there) as tx:
        row = await _to_change(tx)
        if row.name != name:
            await audit.write(tx, "tenant.renamed", row.id, before={"name": row.name}, after={"name": name})
            row.name = name
    return await _view(tenant_id)


async def suspend(actor: Actor, tenant_id: UUID, *, reason: str) -> TenantView:
    """Let nobody use a tenant: no sign-in, no key, no answer; all of it stays. Answers being written are stopped.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such tenant.
        InvalidInput: there is no reason, or it is too long.
        Conflict: the actor is looking at it, or it is being deleted.
    """
    there = await _platform(actor, tenant_id)
    reason = _valid_reason(reason)
    _require_elsewhere(actor, tenant_id)
    async with transaction(there) as tx:
        row = await _to_change(tx)
        before = {"is_suspended": row.is_suspended, "reason": row.suspension_reason}
        row.is_suspended, row.suspension_reason = True, reason
        after = {"is_suspended": True, "reason": reason}
        await audit.write(tx, "tenant.suspended", row.id, before=before, after=after, reason=reason)
    await _note(actor, "tenant.suspended", tenant_id)
    await _end_work(tenant_id)
    return await _view(tenant_id)


async def resume(actor: Actor, tenant_id: UUID) -> TenantView:
    """Let people use a suspended tenant again; sessions and keys that have not run out open again.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such tenant.
        Conflict: it is being deleted.
    """
    there = await _platform(actor, tenant_id)
    async with transaction(there) as tx:
        row = await _to_change(tx)
        if row.is_suspended:
            before = {"is_suspended": True, "reason": row.suspension_reason}
            row.is_suspended, row.suspension_reason = False, ""
            await audit.write(tx, "tenant.resumed", row.id, before=before, after={"is_suspended": False, "reason": ""})
    await _note(actor, "tenant.resumed", tenant_id)
    authentication.forget_cached_actors()
    # Documents that waited are taken up at once.
    await job_queue.wake("sweep")
    return await _view(tenant_id)


async def delete(actor: Actor, tenant_id: UUID, *, name: str) -> TenantView:
    """Begin to delete a tenant with everything in it; from now on nobody can use it, and there is no way back.

    A worker does it, step by step; `get` shows how far it is, and finds nothing when it is done.

    Args:
        actor: who asks.
        tenant_id: which.
        name: its name, typed again.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such tenant.
        InvalidInput: the name is not the tenant's.
        Conflict: the actor is looking at it, so it might be the last one; or a platform admin would be left without
            any tenant.
    """
    await _platform(actor, tenant_id)
    _require_elsewhere(actor, tenant_id)
    if await _begin_deletion(tenant_id, name):
        view = await _view(tenant_id)
        counts = {"users": view.users, "documents": view.documents, "conversations": view.conversations}
        await _note(actor, "tenant.deleted", tenant_id, **counts)
        await _end_work(tenant_id)
    view = await _view(tenant_id)
    await job_queue.wake("erase")
    return view


async def _begin_deletion(tenant_id: UUID, name: str) -> bool:
    """Write the wish down; False when somebody has already."""
    async with system_transaction(readonly=True) as tx:
        stranded = await tenants.platform_admins_only_in(tx, tenant_id)
    async with transaction(_nobody(tenant_id)) as tx:
        row = await tenants.get(tx, tenant_id, for_update=True)
        if " ".join(name.split()) != row.name:
            raise InvalidInput("This is not the tenant's name. Type it as it stands in the list.", param="name")
        if await tenants.find_deletion(tx, row.id) is not None:
            return False
        if stranded:
            who = ", ".join(stranded)
            raise Conflict(f"{who} would be a platform admin without a tenant. Give them a place in another one first.")
        row.is_suspended = True
        await deletions.begin(tx)
    return True


async def _platform(actor: Actor, tenant_id: UUID) -> Actor:
    """The platform admin as they act in the tenant."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    there.require(Permission.PLATFORM)
    return there


def _require_elsewhere(actor: Actor, tenant_id: UUID) -> None:
    # Whoever acts in a tenant has that one left, so the last tenant can be neither deleted nor suspended.
    if actor.tenant_id == tenant_id:
        raise Conflict("You are looking at this tenant. Switch to another one first.")


async def _to_change(tx: Transaction) -> TenantTable:
    row = await tenants.get(tx, tx.tenant_id, for_update=True)
    if await tenants.find_deletion(tx, row.id) is not None:
        raise Conflict("This tenant is being deleted.")
    return row


async def _view(tenant_id: UUID) -> TenantView:
    # In nobody's name: what there is is counted whoever may read it.
    async with system_transaction(readonly=True) as tx:
        row = await tenants.get(tx, tenant_id)
        counts = await tenants.count(tx, [tenant_id])
        return TenantView.from_row(row, await tenants.find_deletion(tx, tenant_id), counts[tenant_id])


async def _note(actor: Actor, action: str, tenant_id: UUID, **counts: Any) -> None:
    """A line in the log of the tenant the platform admin looks at, which says nothing that would outlive the other."""
    async with transaction(actor) as tx:
        await audit.write(tx, action, tenant=fingerprint(tenant_id), **counts)


def _nobody(tenant_id: UUID) -> Actor:
    """Who does what concerns all of a tenant, whatever its people may read."""
    return Actor(tenant_id=tenant_id, user_id=None, permissions=frozenset(), is_system=True)


async def _end_work(tenant_id: UUID) -> None:
    """Stop what is being answered in a tenant, here and in other processes, and believe nobody's rights any more."""
    authentication.forget_cached_actors()
    async with transaction(_nobody(tenant_id)) as tx:
        turn_ids = await turns.request_stop_of_all(tx)
    try:
        for turn_id in turn_ids:
            await turn_runner.stop_anywhere(turn_id)
    except RedisUnavailable:
        # on_failure="allow": the rows say it too, and are read with every renewal of a lease.
        return


def _valid_name(name: str) -> str:
    return valid_name(name, what="the tenant a name", max_characters=MAX_NAME_CHARACTERS)


def _valid_reason(reason: str) -> str:
    reason = reason.replace("\x00", "").strip()
    if not reason:
        raise InvalidInput("Say why the tenant is suspended: its people's admins will ask.", param="reason")
    if len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidInput(f"The reason is longer than {MAX_REASON_CHARACTERS} characters.", param="reason")
    return reason
