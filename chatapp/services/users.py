"""People from the command line and at set-up: admins made or reset, and the links that let them in."""

from __future__ import annotations

from uuid import UUID

from chatapp.domain import Actor, Role, utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.services import authentication, one_time_links, passwords, rights
from chatapp.settings import Settings
from chatapp.store import audit, sessions, users
from chatapp.store.database import system_transaction, transaction
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
        tenant = await users.first_tenant(tx)
        if tenant is None:
            tenant = TenantTable(name="Default")
            tx.session.add(tenant)
            await tx.session.flush()
        user = await users.by_email(tx, email)
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


async def admin_actor(email: str | None = None) -> Actor:
    """The person in whose name a command runs: the one with this address, or the installation's first admin.

    Raises:
        NotFound: there is no such person.
    """
    async with system_transaction(readonly=True) as tx:
        user = await users.by_email(tx, email) if email else await users.first_admin(tx)
        places = await users.memberships(tx, user.id) if user else []
    if user is None or not places:
        raise NotFound("There is nobody with this address." if email else "There is no admin yet.")
    return rights.person(user, places[0], tenant_id=places[0].tenant_id)


def valid_email(email: str) -> str:
    """An address in lower case.

    Raises:
        InvalidInput: it is none.
    """
    email = email.strip().lower()
    name, _, host = email.partition("@")
    if not name or not host or len(email) > 254 or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in email) or "@" in host:
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
