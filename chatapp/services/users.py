"""People of the whole installation: admins made on the command line and at set-up, and what platform admins change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission, Role, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import authentication, keys_left, one_time_links, passwords, rights
from chatapp.services.keys_left import KeysToEnd
from chatapp.settings import Settings
from chatapp.store import admins, audit, sessions, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import MembershipTable, TenantTable, UserTable


async def create_or_reset_admin(
    settings: Settings, email: str, *, password: str | None = None
) -> tuple[Actor, str | None]:
    """Make an admin of the first tenant, or give an existing person the role and a new password.

    Sessions of an existing person end.

    Args:
        settings: for the public address in the link.
        email: the person's address.
        password: the new one; None: a one-time link is made with which the person sets it.

    Returns:
        The admin, and the link where no password was given.

    Raises:
        InvalidInput: the address or the password is not valid.
    """
    email = valid_email(email)
    password_hash = await passwords.hash_password(password) if password is not None else None
    async with system_transaction() as tx:
        await users.lock_first_admin(tx)
        tenant = await users.first_tenant(tx)
        if tenant is None:
            tenant = TenantTable(name="Default")
            tx.session.add(tenant)
            await tx.session.flush()
        user = await _admin_to_be(tx, email, tenant.id)
        if user is None:
            user = UserTable(email=email, name=email.partition("@")[0], is_platform_admin=True)
            tx.session.add(user)
            await tx.session.flush()
        user.is_disabled = False
        user.password_hash = password_hash
        place = await users.place_in(tx, user.id, tenant.id)
        if place is None:
            place = MembershipTable(tenant_id=tenant.id, user_id=user.id)
            tx.session.add(place)
        place.accepted_at, place.is_disabled = place.accepted_at or utc_now(), False
        place.roles = sorted({*place.roles, Role.ADMIN.value})
        await sessions.revoke_all(tx, user.id)
        actor = rights.person(user, place, tenant_id=tenant.id)
    authentication.forget_cached_actors()
    async with transaction(actor) as tx:
        await audit.write(tx, "user.made_admin", actor.user_id, email=email)
    return actor, (await new_sign_in_link(settings, user.id) if password is None else None)


async def _admin_to_be(tx: Transaction, email: str, tenant_id: UUID) -> UserTable | None:
    # An address may be somebody else's elsewhere: of the first tenant, or a platform admin's, and nobody's otherwise.
    user, _ = await users.in_tenant(tx, email, tenant_id)
    found = await users.with_email(tx, email)
    return found[0] if found and found[0].is_platform_admin else user


async def admin_actor(email: str | None = None) -> Actor:
    """The person in whose name a command runs: the one with this address, or the installation's first admin.

    Raises:
        NotFound: there is no such person.
    """
    async with system_transaction(readonly=True) as tx:
        found = await users.with_email(tx, email) if email else [await users.first_admin(tx)]
        places = [(user, place) for user in found if user for place in await users.memberships(tx, user.id)]
    if not places:
        raise NotFound("There is nobody with this address." if email else "There is no admin yet.")
    user, place = places[0]
    return rights.person(user, place, tenant_id=place.tenant_id)


def valid_email(email: str) -> str:
    """An address in lower case.

    Raises:
        InvalidInput: it is none.
    """
    email = email.strip().lower()
    name, _, host = email.partition("@")
    if not name or not host or len(email) > 254 or not email.isprintable() or " " in email or "@" in host:
        raise InvalidInput("This is not an e-mail address.", param="email")
    return email


async def new_sign_in_link(settings: Settings, user_id: UUID) -> str:
    """Make a one-time link with which the person sets a password; resets made before stop working.

    Args:
        settings: for the address the link begins with.
        user_id: whose password it sets.
    """
    async with system_transaction() as tx:
        return await one_time_links.add(tx, settings, user_id, "reset", tenant_id=None, created_by=None)


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A tenant a person is in."""

    tenant_id: UUID
    tenant_name: str
    roles: tuple[str, ...]
    status: str
    """`invited`, `active` or `disabled`."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person of the installation, as platform admins see them."""

    id: UUID
    email: str
    name: str
    is_platform_admin: bool
    is_disabled: bool
    created_at: datetime
    tenants: tuple[PlaceView, ...]


async def get(actor: Actor, user_id: UUID) -> PersonView:
    """A person of the installation.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such person.
    """
    actor.require(Permission.PLATFORM)
    async with system_transaction(readonly=True) as tx:
        return await _view(tx, await _existing(tx, user_id))


async def _existing(tx: Transaction, user_id: UUID) -> UserTable:
    user = await users.by_id(tx, user_id)
    if user is None:
        raise NotFound("There is no such person.", param="user_id")
    return user


async def _view(tx: Transaction, user: UserTable) -> PersonView:
    places = tuple(
        PlaceView(place.tenant_id, name, tuple(place.roles), users.status_of(user, place))
        for place, name in await users.all_places(tx, user.id)
    )
    return PersonView(user.id, user.email, user.name, user.is_platform_admin, user.is_disabled, user.created_at, places)


async def update(
    actor: Actor,
    user_id: UUID,
    *,
    is_disabled: bool | None = None,
    is_platform_admin: bool | None = None,
    keys: KeysToEnd = "admin",
) -> PersonView:
    """Let a person into the installation or keep them out of all of it, or make them a platform admin.

    Their sign-ins end, in every tenant.

    Args:
        actor: a platform admin.
        user_id: the person.
        is_disabled: whether they are kept out; None: as it was.
        is_platform_admin: whether they administer every tenant; None: as it was.
        keys: which keys of services they made end, in tenants where they may make none any more.

    Raises:
        NotPermitted: the actor is no platform admin, or the person is the actor.
        NotFound: there is no such person.
        Conflict: nobody else is platform admin, or admin of one of their tenants; or an admin chose the password of
            who is to be a platform admin.
    """
    actor.require(Permission.PLATFORM)
    if user_id == actor.user_id:
        raise NotPermitted("Nobody does this to themselves. Ask another platform admin.")
    given = {"is_disabled": is_disabled, "is_platform_admin": is_platform_admin}
    async with transaction(actor) as tx:
        user = await _existing(tx, user_id)
        if is_disabled:
            # Those who could take the other admins away wait for these locks; the tenants come before the people.
            await admins.lock_tenants_of(tx, user_id)
            _refuse_deserting(await admins.only_admin_in(tx, user_id))
        platform_admins = await admins.lock_platform_admins(tx)
        changed = {name: value for name, value in given.items() if value is not None and getattr(user, name) != value}
        if (changed.get("is_disabled") or changed.get("is_platform_admin") is False) and platform_admins == [user_id]:
            raise Conflict("This is the only platform admin who can sign in. Make somebody else one first.")
        if changed.get("is_platform_admin") and user.is_password_given:
            raise Conflict("An admin chose their password and so knows it. Have them choose their own first.")
        before = {name: getattr(user, name) for name in changed}
        for name, value in changed.items():
            setattr(user, name, value)
        if changed:
            await sessions.revoke_all(tx, user_id)
            await audit.write(tx, "user.changed", user_id, before=before, after=changed, email=user.email)
    if changed.get("is_disabled") or changed.get("is_platform_admin") is False:
        await keys_left.end_everywhere(actor, user_id, keys)
    authentication.forget_cached_actors()
    return await get(actor, user_id)


def _refuse_deserting(deserted: list[str]) -> None:
    if deserted:
        names = ", ".join(deserted[:3]) + (" and others" if len(deserted) > 3 else "")
        raise Conflict(f"They are the only admin of {names}. Make somebody else an admin there first.")


async def sign_out_everywhere(actor: Actor, user_id: UUID) -> int:
    """End every sign-in of a person, in every tenant.

    Returns:
        how many ended.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such person.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        user = await _existing(tx, user_id)
        ended = await sessions.revoke_all(tx, user_id)
        await audit.write(tx, "user.signed_out", user_id, email=user.email, sessions=ended)
    authentication.forget_cached_actors()
    return ended
