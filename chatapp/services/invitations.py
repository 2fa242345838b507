"""How people come into a tenant: added with a password, or invited by a link; and how they get a new password.

The answer to an admin is the same whether the address is somebody's already or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import Conflict, NotFound, NotPermitted
from chatapp.services import one_time_links, passwords
from chatapp.services.administration import acting_in
from chatapp.services.memberships import valid_name, valid_roles
from chatapp.services.users import valid_email
from chatapp.settings import get_settings
from chatapp.store import audit, memberships, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import MembershipTable, UserTable


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was added or invited."""

    id: UUID
    email: str
    roles: tuple[str, ...]
    status: str
    """`active`: they can sign in; `invited`: they join with the link."""
    invite_link: str | None
    """To give to the person, shown this once; None where none is needed."""


async def invite(
    actor: Actor,
    tenant_id: UUID,
    *,
    email: str,
    roles: Sequence[str],
    name: str = "",
    password: str | None = None,
) -> Invited:
    """Invite a person into a tenant, or add them with a password.

    Args:
        actor: who invites.
        tenant_id: the tenant in the address.
        email: the person's address; they may have an account already, then they join with their own password.
        roles: what they will be.
        name: what they are called; an account they have keeps its own.
        password: for a new account, which can be used at once; an account there is already is invited all the same.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: no such tenant for the actor.
        InvalidInput: the address, a role, the name or the password is not valid.
        Conflict: the person is in the tenant, or was invited, already.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    email, wanted = valid_email(email), valid_roles(roles)
    name = valid_name(name) if name.strip() else email.partition("@")[0]
    # Hashed whether it will be used or not: the time it takes must not tell that there is an account.
    password_hash = await passwords.hash_password(password) if password is not None else None
    async with transaction(there) as tx:
        user, is_new = await _find_or_add(tx, email, name, password_hash)
        place = await _add_place(tx, user, wanted, is_accepted=is_new and password_hash is not None)
        link = await _invitation(tx, user.id) if place.accepted_at is None else None
        action = "user.invited" if link else "user.added"
        await audit.write(tx, action, user.id, after={"email": email, "roles": wanted})
    return Invited(user.id, email, tuple(wanted), "invited" if link else "active", link)


async def _find_or_add(tx: Transaction, email: str, name: str, password_hash: str | None) -> tuple[UserTable, bool]:
    user = await users.by_email(tx, email)
    if user is not None:
        return user, False
    user = UserTable(email=email, name=name, password_hash=password_hash, is_password_given=password_hash is not None)
    await users.add(tx, user)
    return user, True


async def _add_place(tx: Transaction, user: UserTable, roles: list[str], *, is_accepted: bool) -> MembershipTable:
    existing = await users.place_in(tx, user.id, tx.tenant_id)
    if existing is not None and existing.accepted_at is None:
        raise Conflict("This person was invited already. Make a new link instead.", param="email")
    if existing is not None:
        raise Conflict("This person is here already.", param="email")
    place = MembershipTable(
        tenant_id=tx.tenant_id,
        user_id=user.id,
        roles=roles,
        invited_by=tx.actor.user_id if tx.actor else None,
        accepted_at=utc_now() if is_accepted else None,
    )
    await users.add(tx, place)
    return place


async def _invitation(tx: Transaction, user_id: UUID) -> str:
    made_by = tx.actor.user_id if tx.actor else None
    return await one_time_links.add(tx, get_settings(), user_id, "invite", tenant_id=tx.tenant_id, created_by=made_by)


async def renew(actor: Actor, tenant_id: UUID, user_id: UUID) -> str:
    """Make a new link for somebody who was invited; the one before stops working.

    Returns:
        the address to give to the person, shown this once.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: no such tenant for the actor, or the person has no place in it.
        Conflict: the person has joined already.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    async with transaction(there) as tx:
        user, place = await memberships.get(tx, user_id)
        if place.accepted_at is not None:
            raise Conflict("This person has joined already. To let them in again, make a link for a new password.")
        link = await _invitation(tx, user_id)
        await audit.write(tx, "invitation.renewed", user_id, email=user.email)
    return link


async def reset_link(actor: Actor, tenant_id: UUID, user_id: UUID) -> str:
    """Make a link with which a person of a tenant sets another password.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, the person is the actor, or they are in another
            tenant too or a platform admin, and the actor is none.
        NotFound: no such tenant for the actor, or the person has no place in it.
        Conflict: the person was invited and has not joined.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    async with system_transaction(readonly=True) as tx:
        is_elsewhere = await users.is_elsewhere(tx, user_id, tenant_id)
    async with transaction(there) as tx:
        user, place = await memberships.get(tx, user_id)
        if place.accepted_at is None:
            raise Conflict("This person has not joined yet. Make a new invitation instead.")
        if (is_elsewhere or user.is_platform_admin) and not there.may(Permission.PLATFORM):
            raise NotPermitted(
                "This person's account is not only yours: it opens another organisation, or the whole installation. "
                "A platform admin can make this link."
            )
        return await _reset(tx, user)


async def reset_link_of_anyone(actor: Actor, user_id: UUID) -> str:
    """Make a link with which any person of the installation sets another password.

    Raises:
        NotPermitted: the actor is no platform admin, or the person is the actor.
        NotFound: there is no such person.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        user = await users.by_id(tx, user_id)
        if user is None:
            raise NotFound("There is no such person.", param="user_id")
        return await _reset(tx, user)


async def _reset(tx: Transaction, user: UserTable) -> str:
    actor = tx.actor
    if actor is None or user.id == actor.user_id:
        # With a sign-in somebody left open, the present password would not be needed.
        raise NotPermitted("Change your own password in your account.")
    # A tenant's admin may do this for their own people only, when the link is made and when it is used.
    tenant_id = None if actor.may(Permission.PLATFORM) else actor.tenant_id
    link = await one_time_links.add(tx, get_settings(), user.id, "reset", tenant_id=tenant_id, created_by=actor.user_id)
    await audit.write(tx, "user.reset_link_made", user.id, email=user.email)
    return link
