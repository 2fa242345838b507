"""How people come into a tenant: added with a password, or invited by a link; and how they get a new password.

Whoever is added or invited is somebody of this tenant alone, whoever has the same address elsewhere. So nobody can
hold an address that another tenant wants to invite, and the answer to an admin says nothing of other tenants. Who has
an account already joins with it through the link, and then is one person in both.
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
        email: the person's address; with the link they set a password or join with an account they have.
        roles: what they will be.
        name: what they are called; an account they join with keeps its own.
        password: they can use it at once, and no link is made; it opens this tenant alone.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: no such tenant for the actor.
        InvalidInput: the address, a role, the name or the password is not valid.
        Conflict: the person is in the tenant, or was invited, already.
    """
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    email, wanted = valid_email(email), valid_roles(roles)
    name = valid_name(name) if name.strip() else email.partition("@")[0]
    password_hash = await passwords.hash_password(password) if password is not None else None
    async with transaction(there) as tx:
        # One after the other: an address has one place in a tenant.
        await memberships.lock_tenant(tx)
        await _refuse_twice(tx, email)
        user = await _add(tx, email, name, password_hash, wanted)
        link = await _invitation(tx, user.id) if password_hash is None else None
        action = "user.invited" if link else "user.added"
        await audit.write(tx, action, user.id, after={"email": email, "roles": wanted})
    return Invited(user.id, email, tuple(wanted), "invited" if link else "active", link)


async def _refuse_twice(tx: Transaction, email: str) -> None:
    _, place = await users.in_tenant(tx, email, tx.tenant_id)
    if place is not None and place.accepted_at is None:
        raise Conflict("This person was invited already. Make a new link instead.", param="email")
    if place is not None:
        raise Conflict("This person is here already.", param="email")


async def _add(tx: Transaction, email: str, name: str, password_hash: str | None, roles: list[str]) -> UserTable:
    is_here = password_hash is not None
    user = UserTable(email=email, name=name, password_hash=password_hash, is_password_given=is_here)
    tx.session.add(user)
    await tx.session.flush()
    tx.session.add(
        MembershipTable(
            tenant_id=tx.tenant_id,
            user_id=user.id,
            roles=roles,
            invited_by=tx.actor.user_id if tx.actor else None,
            accepted_at=utc_now() if is_here else None,
        )
    )
    await tx.session.flush()
    return user


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
