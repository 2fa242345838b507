"""What people do to their own account: name, password, and which of their tenants they look at."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound, NotPermitted, NotSignedIn
from chatapp.limits import attempts
from chatapp.services import authentication, passwords
from chatapp.services.authentication import Proof, SignIn
from chatapp.services.memberships import valid_name
from chatapp.services.sign_ins import require_signed_in
from chatapp.store import audit, sessions, users
from chatapp.store import one_time_links as link_rows
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import SessionTable, TenantTable, UserTable


@dataclass(frozen=True, slots=True)
class OwnTenant:
    """A tenant the person may look at."""

    id: UUID
    name: str
    roles: tuple[str, ...]
    """Theirs there; none where a platform admin only looks."""
    is_current: bool


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """The person behind a request, and where they may act."""

    user_id: UUID | None
    """None for a service's key."""
    email: str
    name: str
    is_platform_admin: bool
    has_password: bool
    tenant_id: UUID
    tenant_name: str
    tenants: tuple[OwnTenant, ...]
    """Where they are a member, and the one they look at; a key, and a sign-in through an
    identity provider, is of one tenant only."""


async def describe(actor: Actor) -> OwnAccount:
    """Who the actor is, and where they may act."""
    async with system_transaction(readonly=True) as tx:
        user = await users.by_id(tx, actor.user_id) if actor.user_id is not None else None
        places = await users.places(tx, user.id) if user is not None and _sees_all(actor) else []
        current = await tx.session.get(TenantTable, actor.tenant_id)
    tenants = [
        OwnTenant(tenant.id, tenant.name, tuple(place.roles), tenant.id == actor.tenant_id) for place, tenant in places
    ]
    if current is not None and not any(each.is_current for each in tenants):
        tenants.append(OwnTenant(current.id, current.name, tuple(actor.roles), is_current=True))
    return OwnAccount(
        user_id=actor.user_id,
        email=actor.email,
        name=user.name if user is not None else actor.name,
        is_platform_admin=actor.may(Permission.PLATFORM),
        has_password=user is not None and user.password_hash is not None,
        tenant_id=actor.tenant_id,
        tenant_name=current.name if current is not None else "",
        tenants=tuple(sorted(tenants, key=lambda each: each.name.lower())),
    )


def _sees_all(actor: Actor) -> bool:
    # A key is of one tenant, and an identity provider speaks for one.
    return actor.key_id is None and not actor.is_confined


async def rename(actor: Actor, *, name: str) -> str:
    """Change the actor's own name.

    Returns:
        the name as it is kept.

    Raises:
        NotPermitted: the actor is no person who signed in, or came through one tenant's identity provider and is in
            others too.
        InvalidInput: the name is empty or too long.
    """
    user_id, name = require_signed_in(actor), valid_name(name)
    async with system_transaction(readonly=True) as tx:
        is_elsewhere = await users.is_elsewhere(tx, user_id, actor.tenant_id)
    if actor.is_confined and is_elsewhere:
        raise NotPermitted("You are in other organisations too. Sign in with your password to change your name.")
    async with transaction(actor) as tx:
        user = await _own(tx, user_id)
        before, user.name = user.name, name
        await audit.write(tx, "user.changed", user_id, before={"name": before}, after={"name": name})
    authentication.forget_cached_actors()
    return name


async def change_password(actor: Actor, *, current_password: str, new_password: str) -> int:
    """Change the actor's own password. Their other sign-ins end, and links to set it stop working.

    Args:
        actor: the person.
        current_password: the present one: who finds a sign-in left open does not know it.
        new_password: the one to come.

    Returns:
        how many other sign-ins ended.

    Raises:
        NotPermitted: the actor is no person who signed in, or has no password.
        InvalidInput: the present password is not right, or the new one is too short, too long or the same.
        RateLimited: too many wrong ones.
    """
    user_id = require_signed_in(actor)
    async with transaction(actor, readonly=True) as tx:
        stored = (await _own(tx, user_id)).password_hash
    if stored is None:
        raise NotPermitted("You sign in through your organisation's identity provider and have no password here.")
    # Counted like attempts to sign in, and not with them: a sign-in left open is no place to guess from, and whoever
    # guesses at the door keeps nobody inside from changing theirs.
    account = f"password:{user_id}"
    await attempts.count_attempt(account, actor.address)
    if not await passwords.is_right(stored, current_password):
        await attempts.count_failure(actor.address)
        raise InvalidInput("This is not your present password.", param="current_password")
    await attempts.forget_attempts(account, actor.address)
    if new_password == current_password:
        raise InvalidInput("The new password is the present one. Choose another.", param="new_password")
    password_hash = await passwords.hash_password(new_password, param="new_password")
    async with transaction(actor) as tx:
        user = await _own(tx, user_id)
        user.password_hash, user.is_password_given = password_hash, False
        ended = await sessions.revoke_all(tx, user_id, but=actor.session_id)
        await link_rows.forget(tx, user_id, "reset")
        await audit.write(tx, "user.password_changed", user_id, sessions=ended)
    authentication.forget_cached_actors()
    return ended


async def switch_tenant(
    actor: Actor, tenant_id: UUID, *, token: str, address: str = "", user_agent: str = ""
) -> SignIn:
    """Look at another tenant: a new session in it takes the place of this one, and lives no longer.

    Args:
        actor: the person.
        tenant_id: one they are a member of; for platform admins any.
        token: their cookie's value, which ends.
        address: network address the request came from.
        user_agent: the browser.

    Raises:
        NotPermitted: the actor is no person who signed in, came through an identity provider, or the tenant wants
            another way to sign in.
        NotFound: there is no such tenant, or they may not act in it.
        NotSignedIn: their session has just ended.
    """
    user_id = require_signed_in(actor)
    async with system_transaction(readonly=True) as tx:
        user = await _own(tx, user_id)
        session = await tx.session.get(SessionTable, actor.session_id)
        places = await users.places(tx, user_id)
        tenant = await tx.session.get(TenantTable, tenant_id)
    place = next((place for place, each in places if each.id == tenant_id), None)
    if tenant is None or (place is None and not user.is_platform_admin):
        raise NotFound("There is no such organisation, or you are not in it.", param="tenant_id")
    if session is None or session.revoked_at is not None:
        raise NotSignedIn
    if actor.is_confined:
        # Who runs this tenant chose the provider: it must not open what the person has elsewhere.
        raise NotPermitted(
            f"You signed in through the identity provider of this organisation. Sign out, and sign in to {tenant.name}."
        )
    if not tenant.has_password_sign_in and not user.is_platform_admin:
        raise NotPermitted(f"{tenant.name} does not take passwords. Sign out, and sign in through its own button.")
    return await authentication.begin_session(
        user,
        place,
        Proof(session.method, expires_at=session.expires_at),
        tenant_id=tenant_id,
        address=address,
        user_agent=user_agent,
        previous_token=token,
    )


async def _own(tx: Transaction, user_id: UUID) -> UserTable:
    user = await users.by_id(tx, user_id)
    if user is None:
        raise NotSignedIn
    return user
