"""Signing in with a password or a one-time link, and the sessions that begin and end.

These functions run before an actor is known, so they take none; everything after them does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.errors import Conflict, InvalidInput, NotSignedIn, RateLimited
from chatapp.limits import attempts
from chatapp.services import credentials, devices, one_time_links, rights, tokens
from chatapp.services.actors import (
    actor_now,
    actor_of_key,
    actor_of_session,
    actor_of_session_hash,
    forget_cached_actor,
    forget_cached_actors,
    session_hash,
)
from chatapp.services.one_time_links import OpenedLink
from chatapp.services.passwords import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS, hash_password
from chatapp.services.rights import permissions_of, roles_of
from chatapp.services.tokens import KEY_PREFIX, new_key, new_token
from chatapp.settings import get_settings
from chatapp.store import audit, memberships, sessions, users
from chatapp.store import one_time_links as link_rows
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import MembershipTable, SessionTable, TenantTable, UserTable

__all__ = [
    "KEY_PREFIX",
    "MAX_PASSWORD_CHARACTERS",
    "MIN_PASSWORD_CHARACTERS",
    "Proof",
    "SignIn",
    "actor_now",
    "actor_of_key",
    "actor_of_session",
    "actor_of_session_hash",
    "begin_session",
    "forget_cached_actors",
    "hash_password",
    "new_key",
    "new_token",
    "permissions_of",
    "redeem_link",
    "roles_of",
    "session_hash",
    "sign_in",
    "sign_out",
]

_MAX_EMAIL_CHARACTERS = 254
_WRONG = "The address or the password is not right."
_ELSEWHERE = (
    "Your organisation does not take passwords. Choose its button on the sign-in page to sign in through its own "
    "identity provider."
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that has just begun."""

    token: str
    """The cookie's value; known to the browser only."""
    expires_at: datetime
    actor: Actor
    device: str = ""
    """What the browser keeps to be known again by, see `services.devices`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a person showed who they are."""

    method: str
    """`password`, `link` or `oidc`."""
    password_hash: str | None = None
    """What the password that was right is kept as: nobody gets in who knew it until it was changed a moment ago.
    None: no password was asked."""
    expires_at: datetime | None = None
    """When the session runs out that the new one takes the place of, and which has to be open; None: there is none."""


async def sign_in(
    email: str,
    password: str,
    *,
    address: str = "",
    user_agent: str = "",
    previous_token: str | None = None,
    link: str | None = None,
    new_password: str | None = None,
    device: str = "",
) -> SignIn:
    """Begin a session for a person who knows their password.

    The answer and the time it takes are the same whether the account exists or not.

    Args:
        email: the person's address, in any case; where several people have it, the password tells who it is.
        password: as typed.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.
        link: secret of an invitation of this address: the person joins its tenant and begins there.
        new_password: takes the place of one an admin chose, which leads into no further tenant.
        device: what the browser keeps from an earlier sign-in; anything else is nothing.

    Raises:
        NotSignedIn: no such person, the wrong password, or the person is disabled or in no tenant; with the right
            password also: the link is gone, or the tenant takes no passwords.
        InvalidInput: the invitation needs a password the person chose, and none or a short one was given.
        RateLimited: the account or the address failed too often.
    """
    if len(email) > _MAX_EMAIL_CHARACTERS or len(password) > MAX_PASSWORD_CHARACTERS:
        raise NotSignedIn(_WRONG)
    owners = await credentials.owners(email, password, address=address, device=device)
    found = await _somebody(owners, has_link=bool(link))
    if found is None:
        await attempts.count_failure(address)
        raise NotSignedIn(_WRONG)
    user, places = found
    await credentials.forget_attempts(user, address=address, device=device)
    if link:
        user, place = await _join(user, link, new_password)
        tenant_id = place.tenant_id
    else:
        tenant_id, place = await _entry(user, places)
    return await begin_session(
        user,
        place,
        Proof("password", user.password_hash),
        tenant_id=tenant_id,
        address=address,
        user_agent=user_agent,
        previous_token=previous_token,
    )


_Places = Sequence[tuple[MembershipTable, TenantTable]]


async def _somebody(owners: Sequence[UserTable], *, has_link: bool) -> tuple[UserTable, _Places] | None:
    """The first of these people who may go somewhere, and where."""
    async with system_transaction(readonly=True) as tx:
        for user in owners:
            places = await users.places(tx, user.id)
            if places or has_link or user.is_platform_admin:
                return user, places
    return None


async def redeem_link(
    token: str, password: str, *, address: str = "", user_agent: str = "", previous_token: str | None = None
) -> SignIn:
    """Set a password with a one-time link and begin a session. Earlier sessions of the person end.

    Who is invited and gives the password of an account they have joins with that account: with two of one address and
    one password they could never choose where to go.

    Args:
        token: the link's secret.
        password: the one to set.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.

    Raises:
        NotSignedIn: the link is unknown, was used or has expired, or the tenant takes no passwords.
        Conflict: the link invites somebody who has an account: they sign in to join.
        InvalidInput: the password is too short or too long.
        RateLimited: the address tried too many links.
    """
    password_hash = await hash_password(password)
    await attempts.count_attempt(f"link:{tokens.hash_of(token)}", address)
    if (email := await _own_already(token, password, address)) is not None:
        return await sign_in(
            email, password, address=address, user_agent=user_agent, previous_token=previous_token, link=token
        )
    places: _Places = []
    async with system_transaction() as tx:
        opened = await one_time_links.open_link(tx, token)
        _refuse_password(opened)
        is_used = opened is not None and opened.kind != "join" and await link_rows.use(tx, opened.row.id)
        if opened is not None and is_used:
            await _set_password(tx, opened, password_hash)
            places = await users.places(tx, opened.user.id)
    if opened is None or not is_used:
        await attempts.count_failure(address)
        if opened is not None and opened.kind == "join":
            raise Conflict("You have an account here already. Sign in with its password to join.")
        raise NotSignedIn(one_time_links.GONE)
    forget_cached_actors()
    await _note_password(opened, places, address)
    tenant_id, place = await _entry(opened.user, places, wanted=opened.place)
    return await begin_session(
        opened.user,
        place,
        Proof("link", password_hash),
        tenant_id=tenant_id,
        address=address,
        user_agent=user_agent,
        previous_token=previous_token,
    )


async def _own_already(token: str, password: str, address: str) -> str | None:
    """The invited address, where the password is that of somebody who has it; else None.

    Raises:
        InvalidInput: it is, and an admin chose it: two people of one address and password could not be told apart.
    """
    async with system_transaction(readonly=True) as tx:
        opened = await one_time_links.open_link(tx, token)
    if opened is None or opened.kind != "invite":
        return None
    try:
        # A guess like any other: whoever makes links must not find passwords with them.
        owners = await credentials.owners(opened.user.email, password, address=address)
    except RateLimited:
        return None
    if owners and owners[0].is_password_given:
        raise InvalidInput("An admin chose this password for you elsewhere. Choose another one.", param="password")
    return opened.user.email if owners else None


async def _note_password(opened: OpenedLink, places: _Places, address: str) -> None:
    place = opened.place or next((place for place, _ in places), None)
    if place is None:
        return
    actor = replace(rights.person(opened.user, place, tenant_id=place.tenant_id), address=address)
    async with transaction(actor) as tx:
        if opened.kind == "invite":
            await audit.write(tx, "invitation.accepted", opened.user.id, email=opened.user.email)
        await audit.write(tx, "password.set", opened.user.id, email=opened.user.email, by_link=opened.kind)


def _refuse_password(opened: OpenedLink | None) -> None:
    if opened is None or opened.tenant is None or opened.user.is_platform_admin:
        return
    if not opened.tenant.has_password_sign_in:
        raise NotSignedIn(_ELSEWHERE)


async def _set_password(tx: Transaction, opened: OpenedLink, password_hash: str) -> None:
    opened.user.password_hash, opened.user.is_password_given = password_hash, False
    if opened.place is not None:
        opened.place.accepted_at = utc_now()
    await link_rows.forget(tx, opened.user.id, "reset")
    await sessions.revoke_all(tx, opened.user.id)
    await tx.session.flush()


async def _join(user: UserTable, link: str, new_password: str | None) -> tuple[UserTable, MembershipTable]:
    """Make the invited place of a person whose password was right their own."""
    password_hash = await hash_password(new_password, param="new_password") if new_password else None
    async with system_transaction() as tx:
        opened = await one_time_links.open_link(tx, link)
        joining = await users.by_id(tx, user.id)
        if opened is None or opened.place is None or joining is None or not _is_for(opened, joining):
            raise NotSignedIn(one_time_links.GONE)
        if not joining.is_platform_admin:
            _refuse_password(opened)
        if joining.is_password_given and password_hash is None:
            raise InvalidInput("An admin chose your password. To join, choose one of your own.", param="new_password")
        if not await link_rows.use(tx, opened.row.id):
            raise NotSignedIn(one_time_links.GONE)
        place = opened.place
        if opened.user.id != joining.id:
            place = await memberships.hand_over(tx, place, opened.user, joining.id)
        place.accepted_at = utc_now()
        if password_hash is not None:
            joining.password_hash, joining.is_password_given = password_hash, False
            await sessions.revoke_all(tx, joining.id)
    forget_cached_actors()
    async with transaction(rights.person(joining, place, tenant_id=place.tenant_id)) as tx:
        await audit.write(tx, "invitation.accepted", joining.id, email=joining.email, invited_as=opened.user.id)
    return joining, place


def _is_for(opened: OpenedLink, user: UserTable) -> bool:
    # Somebody invited who never came in is an address and nothing else: whoever has it may take the place.
    return opened.user.id == user.id or (opened.kind == "invite" and opened.user.email == user.email)


async def _entry(
    user: UserTable,
    places: _Places,
    *,
    wanted: MembershipTable | None = None,
) -> tuple[UUID, MembershipTable | None]:
    """Where a person who has proved who they are with a password begins: where they were last, if they still may."""
    open_places = [place for place, tenant in places if tenant.has_password_sign_in or user.is_platform_admin]
    async with system_transaction(readonly=True) as tx:
        last_id = wanted.tenant_id if wanted is not None else await sessions.last_tenant_id(tx, user.id)
        first = await users.first_tenant(tx) if user.is_platform_admin and not open_places else None
    if open_places:
        place = next((place for place in open_places if place.tenant_id == last_id), open_places[0])
        return place.tenant_id, place
    if first is not None:
        # Nobody can lock a platform admin out by taking their last place.
        return first.id, None
    raise NotSignedIn(_ELSEWHERE if places else "You are in no organisation yet. Open your invitation to join one.")


async def sign_out(token: str, *, address: str = "") -> None:
    """End the session behind a cookie's value; an unknown one is no error."""
    token_hash = tokens.hash_of(token)
    actor = await actor_of_session_hash(token_hash)
    async with system_transaction() as tx:
        await sessions.revoke(tx, token_hash)
    forget_cached_actor(token_hash)
    if actor is not None:
        async with transaction(replace(actor, address=address)) as tx:
            await audit.write(tx, "session.ended", actor.session_id)


async def begin_session(
    user: UserTable,
    place: MembershipTable | None,
    proof: Proof,
    *,
    tenant_id: UUID | None = None,
    address: str = "",
    user_agent: str = "",
    previous_token: str | None = None,
) -> SignIn:
    """Begin a session for a person who has proved who they are.

    Args:
        user: the person.
        place: their place in the tenant they look at first; None: a platform admin without one in `tenant_id`.
        proof: how they proved it.
        tenant_id: the tenant, where `place` is None.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.

    Raises:
        NotSignedIn: the password was changed or the session ended meanwhile.
    """
    tenant_id = place.tenant_id if place is not None else tenant_id
    if tenant_id is None:
        raise ValueError("a session is in a tenant: give a place or a tenant_id")
    token, token_hash = new_token()
    session = SessionTable(
        token_hash=token_hash,
        user_id=user.id,
        tenant_id=tenant_id,
        method=proof.method,
        address=address[:64],
        user_agent=user_agent[:400],
        expires_at=proof.expires_at or utc_now() + timedelta(days=get_settings().session_days),
    )
    actor = rights.person(
        user, place, tenant_id=tenant_id, session_id=session.id, address=session.address, method=proof.method
    )
    async with transaction(actor) as tx:
        # Whoever changes the password waits for this lock, and then ends this session too; or was faster.
        if proof.password_hash is not None and await users.lock_password(tx, user.id) != proof.password_hash:
            raise NotSignedIn(_WRONG)
        ended = await sessions.revoke(tx, tokens.hash_of(previous_token)) if previous_token else 0
        if proof.expires_at is not None and not ended:
            raise NotSignedIn
        tx.session.add(session)
        await audit.write(tx, "session.began", session.id, method=proof.method, is_visit=place is None)
    if previous_token:
        forget_cached_actor(tokens.hash_of(previous_token))
    device = devices.issue(user.id) if proof.password_hash is not None else ""
    return SignIn(token=token, expires_at=session.expires_at, actor=actor, device=device)
