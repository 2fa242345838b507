"""The people of a tenant, as its admins see and change them.

Admins act on places in the tenant, not on the people: somebody who is in two tenants is one person, and what one
tenant's admin does leaves the other tenant alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission, Role
from chatapp.errors import Conflict, InvalidInput, NotPermitted
from chatapp.services import authentication, keys_left
from chatapp.services.administration import acting_in
from chatapp.services.keys_left import KeysToEnd
from chatapp.services.list_page import ListPage
from chatapp.services.sign_ins import SignInView, sign_ins_of
from chatapp.store import admins, audit, listing, memberships, one_time_links, sessions, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import MembershipTable, UserTable

MAX_NAME_CHARACTERS = 200
LAST_ADMIN = "This is the only admin who can sign in here. Make somebody else an admin first."


@dataclass(frozen=True, slots=True)
class UserView:
    """A person of a tenant as lists show them."""

    id: UUID
    email: str
    name: str
    """Empty until they have joined."""
    status: str
    """`invited`, `active` or `disabled`."""
    roles: tuple[str, ...]
    is_managed: bool
    """The roles come from the identity provider."""
    is_platform_admin: bool
    is_locked: bool
    """A platform admin keeps them out of every tenant."""
    last_seen_at: datetime | None
    """When they last used the product in this tenant, to the minute; None: not yet."""
    created_at: datetime
    """When they were invited or added."""
    accepted_at: datetime | None
    """When they joined."""

    @classmethod
    def of(cls, last_seen: Mapping[UUID, datetime], *values: Any) -> UserView:
        """The view of a row of `store.memberships.LISTING`, and when each person was seen last."""
        user_id, email, name, status, roles, is_managed, is_platform_admin, is_locked, created_at, accepted_at = values
        return cls(
            id=user_id,
            email=email,
            name=name,
            status=status,
            roles=tuple(roles),
            is_managed=is_managed,
            is_platform_admin=is_platform_admin,
            is_locked=is_locked,
            last_seen_at=last_seen.get(user_id),
            created_at=created_at,
            accepted_at=accepted_at,
        )


@dataclass(frozen=True, slots=True)
class GroupName:
    """A group the person is in."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class UserDetail:
    """A person of a tenant with what belongs to their place in it."""

    user: UserView
    groups: tuple[GroupName, ...]
    sign_ins: tuple[SignInView, ...]
    """Open ones, in this tenant."""
    key_count: int
    invitation_expires_at: datetime | None
    """When the open invitation runs out; None: there is none."""


async def list_users(actor: Actor, tenant_id: UUID, wanted: Mapping[str, str]) -> ListPage[UserView]:
    """A page of the people of a tenant.

    Args:
        actor: who asks.
        tenant_id: the tenant in the address.
        wanted: filters and order, see `store.listing`; fields of `store.memberships.LISTING`.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for the actor.
        InvalidInput: an unknown field or a value that does not fit.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    async with transaction(there, readonly=True) as tx:
        found = await listing.find(tx, memberships.LISTING, wanted)
        seen = await memberships.last_seen(tx, [row[0] for row in found.rows])
    return ListPage.of(found, partial(UserView.of, seen))


async def get_user(actor: Actor, tenant_id: UUID, user_id: UUID) -> UserDetail:
    """A person of a tenant.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for the actor, or the person has no place in it.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    async with transaction(there, readonly=True) as tx:
        return await _detail(tx, user_id)


async def _detail(tx: Transaction, user_id: UUID) -> UserDetail:
    await memberships.get(tx, user_id)
    found = await listing.find(tx, memberships.LISTING, {"id": str(user_id)}, is_counted=False)
    return UserDetail(
        user=UserView.of(await memberships.last_seen(tx, [user_id]), *found.rows[0]),
        groups=tuple(GroupName(*group) for group in await memberships.groups_of(tx, user_id)),
        sign_ins=tuple(await sign_ins_of(tx, user_id, tenant_id=tx.tenant_id)),
        key_count=await memberships.count_keys(tx, user_id),
        invitation_expires_at=await one_time_links.expiry(tx, user_id, tx.tenant_id),
    )


async def update_user(
    actor: Actor,
    tenant_id: UUID,
    user_id: UUID,
    *,
    roles: Iterable[str] | None = None,
    name: str | None = None,
    is_disabled: bool | None = None,
    keys: KeysToEnd = "admin",
) -> UserDetail:
    """Change a person's place in a tenant. Their sign-ins in it end when their roles change or they are disabled.

    Args:
        actor: who changes.
        tenant_id: the tenant in the address.
        user_id: the person.
        roles: all the roles they have from now on; None: as they were.
        name: what they are called; None: as it was.
        is_disabled: whether they are kept out of this tenant; None: as it was.
        keys: which keys of services they made end, where they are an admin no more or kept out.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, the person is the actor, or the name is
            another tenant's too.
        NotFound: no such tenant for the actor, or the person has no place in it.
        InvalidInput: a role or the name is not valid.
        Conflict: the person is the tenant's last admin, or their roles come from the identity provider.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    wanted: dict[str, Any] = {}
    if roles is not None:
        wanted["roles"] = valid_roles(roles)
    if name is not None:
        wanted["name"] = valid_name(name)
    if is_disabled is not None:
        wanted["is_disabled"] = is_disabled
    is_elsewhere = await _is_elsewhere(user_id, tenant_id) if name is not None else False
    async with transaction(there) as tx:
        user, place = await memberships.get(tx, user_id)
        before = _state(user, place)
        changed = {field: value for field, value in wanted.items() if before[field] != value}
        _refuse_own(there, user_id, changed)
        _refuse_foreign_name(there, user, place, changed, is_elsewhere=is_elsewhere)
        await _apply(tx, user, place, changed)
        if changed.get("is_disabled") or (Role.ADMIN in before["roles"] and Role.ADMIN not in place.roles):
            await _end_keys(tx, user, keys)
        if changed:
            after = {field: _state(user, place)[field] for field in changed}
            await audit.write(
                tx,
                "user.changed",
                user_id,
                before={field: before[field] for field in changed},
                after=after,
                email=user.email,
            )
        detail = await _detail(tx, user_id)
    authentication.forget_cached_actors()
    return detail


def _state(user: UserTable, place: MembershipTable) -> dict[str, Any]:
    return {"roles": list(place.roles), "name": user.name, "is_disabled": place.is_disabled}


def _refuse_own(there: Actor, user_id: UUID, changed: Mapping[str, Any]) -> None:
    if user_id == there.user_id and changed.keys() & {"roles", "is_disabled"}:
        raise NotPermitted("Nobody changes their own roles or keeps themselves out. Ask another admin.")


def _refuse_foreign_name(
    there: Actor, user: UserTable, place: MembershipTable, changed: Mapping[str, Any], *, is_elsewhere: bool
) -> None:
    is_theirs_alone = place.accepted_at is not None and not is_elsewhere and not user.is_platform_admin
    if "name" in changed and not is_theirs_alone and not there.may(Permission.PLATFORM):
        raise NotPermitted("This person is not only yours to name: they change their name in their own account.")


async def _apply(tx: Transaction, user: UserTable, place: MembershipTable, changed: Mapping[str, Any]) -> None:
    if "name" in changed:
        user.name = changed["name"]
    if not changed.keys() & {"roles", "is_disabled"}:
        return
    if "roles" in changed and place.is_managed:
        raise Conflict(
            "This person's roles come from the identity provider. Change its mapping in the sign-in settings.",
            param="roles",
        )
    roles = changed.get("roles", place.roles)
    if changed.get("is_disabled") or Role.ADMIN not in roles:
        await _keep_an_admin(tx, user.id)
    place.roles, place.is_disabled = roles, changed.get("is_disabled", place.is_disabled)
    await tx.session.flush()
    await sessions.revoke_in_tenant(tx, user.id, tx.tenant_id)


async def _keep_an_admin(tx: Transaction, user_id: UUID) -> None:
    await memberships.lock_tenant(tx)
    if await admins.is_last_admin(tx, user_id, tx.tenant_id):
        raise Conflict(LAST_ADMIN)


async def _is_elsewhere(user_id: UUID, tenant_id: UUID) -> bool:
    async with system_transaction(readonly=True) as tx:
        return await users.is_elsewhere(tx, user_id, tenant_id)


async def _end_keys(tx: Transaction, user: UserTable, keys: KeysToEnd) -> None:
    # A platform admin may make keys here without a place.
    if not user.is_platform_admin or user.is_disabled:
        await keys_left.end(tx, user.id, keys)


async def remove_user(actor: Actor, tenant_id: UUID, user_id: UUID, *, keys: KeysToEnd = "admin") -> None:
    """Take a person out of a tenant, or an invitation back.

    Their sign-ins, keys, groups and grants there end. What they asked and uploaded stays: it is the tenant's.

    Args:
        actor: who removes them.
        tenant_id: the tenant in the address.
        user_id: the person.
        keys: which keys of services they made end too.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, or the person is the actor.
        NotFound: no such tenant for the actor, or the person has no place in it.
        Conflict: the person is the tenant's last admin.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    async with transaction(there) as tx:
        user, place = await memberships.get(tx, user_id)
        if user_id == there.user_id:
            raise NotPermitted("Nobody removes themselves. Ask another admin.")
        await _keep_an_admin(tx, user_id)
        before = {"email": user.email, "roles": list(place.roles)}
        action = "invitation.withdrawn" if place.accepted_at is None else "user.removed"
        await memberships.remove(tx, user, place)
        await sessions.revoke_in_tenant(tx, user_id, tenant_id)
        await _end_keys(tx, user, keys)
        await audit.write(tx, action, user_id, before=before)
    async with system_transaction() as tx:
        await memberships.delete_if_nobody(tx, user_id)
    authentication.forget_cached_actors()


async def sign_out_user(actor: Actor, tenant_id: UUID, user_id: UUID) -> int:
    """End every sign-in of a person in a tenant.

    Returns:
        how many ended.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: no such tenant for the actor, or the person has no place in it.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    async with transaction(there) as tx:
        user, _ = await memberships.get(tx, user_id)
        ended = await sessions.revoke_in_tenant(tx, user_id, tenant_id)
        await audit.write(tx, "user.signed_out", user_id, email=user.email, sessions=ended)
    authentication.forget_cached_actors()
    return ended


def valid_roles(names: Iterable[str]) -> list[str]:
    """Roles in their order, each once.

    Raises:
        InvalidInput: none is given, or one is unknown.
    """
    given = set(names)
    known = [role.value for role in Role]
    if unknown := sorted(given - set(known)):
        raise InvalidInput(f"There is no role {', '.join(unknown)}. There are: {', '.join(known)}.", param="roles")
    if not given:
        raise InvalidInput("Choose at least one role.", param="roles")
    return [role for role in known if role in given]


def valid_name(name: str) -> str:
    """A person's name without blanks around it.

    Raises:
        InvalidInput: it is empty, too long, or holds characters that are not printed.
    """
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"A name has 1 to {MAX_NAME_CHARACTERS} characters.", param="name")
    return name
