"""Who is there: signing in with a password or a one-time link, sessions, and the actor behind a cookie or a key.

These functions run before an actor is known, so they take none; everything after them does.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Actor, Permission, Role, utc_now
from chatapp.errors import InvalidInput, NotSignedIn
from chatapp.limits import attempts
from chatapp.settings import get_settings
from chatapp.store import api_keys, audit, sessions, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import ApiKeyTable, MembershipTable, SessionTable, UserTable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

KEY_PREFIX = "sk-chatapp-"
MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 1024
"""Argon2 takes any length; a megabyte of password only costs time."""
_MAX_EMAIL_CHARACTERS = 254
_ACTOR_LIFETIME_SECONDS = 0.5
"""How long an actor is believed without asking the database: a session that ended is refused within a second."""
_MAX_CACHED_ACTORS = 10_000
_KEY_USE_NOTED_EACH_SECONDS = 60.0
_WRONG = "The address or the password is not right."


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that has just begun."""

    token: str
    """The cookie's value; known to the browser only."""
    expires_at: datetime
    actor: Actor


class _Actors:
    """Actors looked up within the last moment, by the hash of their credential."""

    by_hash: dict[str, tuple[float, Actor]] = {}  # noqa: RUF012  # one cache a process is what this is
    key_noted: dict[UUID, float] = {}  # noqa: RUF012


async def sign_in(
    email: str, password: str, *, address: str = "", user_agent: str = "", previous_token: str | None = None
) -> SignIn:
    """Begin a session for a person who knows their password.

    The answer and the time it takes are the same whether the account exists or not.

    Args:
        email: the person's address, in any case.
        password: as typed.
        address: network address the request came from.
        user_agent: the browser, for the person's list of sign-ins.
        previous_token: the session the browser held until now, which ends.

    Raises:
        NotSignedIn: no such person, the wrong password, or the person is disabled or in no tenant.
        RateLimited: the account or the address failed too often.
    """
    if len(email) > _MAX_EMAIL_CHARACTERS or len(password) > MAX_PASSWORD_CHARACTERS:
        raise NotSignedIn(_WRONG)
    await attempts.count_attempt(email, address)
    async with system_transaction(readonly=True) as tx:
        user = await users.by_email(tx, email)
        places = [] if user is None else await users.memberships(tx, user.id)
    stored = user.password_hash if user is not None else None
    is_right = await asyncio.to_thread(_verify, stored, password)
    if user is None or not is_right or user.is_disabled or not places:
        await attempts.count_failure(address)
        raise NotSignedIn(_WRONG)
    await attempts.forget_attempts(email)
    return await _begin(user, places[0], address=address, user_agent=user_agent, previous_token=previous_token)


async def redeem_link(token: str, password: str, *, address: str = "", user_agent: str = "") -> SignIn:
    """Set a password with a one-time link and begin a session. Earlier sessions of the person end.

    Raises:
        NotSignedIn: the link is unknown, was used or has expired.
        InvalidInput: the password is too short or too long.
        RateLimited: the address tried too many links.
    """
    password_hash = await hash_password(password)
    await attempts.count_attempt(f"link:{_hash(token)}", address)
    async with system_transaction() as tx:
        user, places = await _use_link(tx, token)
        if user is not None:
            user.password_hash = password_hash
            await sessions.revoke_all(tx, user.id)
    if user is None:
        await attempts.count_failure(address)
        raise NotSignedIn("This link was used already or has expired. Ask for a new one.")
    forget_cached_actors()
    return await _begin(user, places[0], address=address, user_agent=user_agent, previous_token=None)


async def _use_link(tx: Transaction, token: str) -> tuple[UserTable | None, list[MembershipTable]]:
    link = await users.link_by_hash(tx, _hash(token), now=utc_now())
    user = await users.by_id(tx, link.user_id) if link is not None else None
    if link is None or user is None or user.is_disabled:
        return None, []
    places = await users.memberships(tx, user.id)
    if not places or not await users.use_link(tx, link.id):
        return None, []
    return user, places


async def is_link_valid(token: str) -> bool:
    """Whether a one-time link still opens."""
    async with system_transaction(readonly=True) as tx:
        return await users.link_by_hash(tx, _hash(token), now=utc_now()) is not None


async def sign_out(token: str) -> None:
    """End the session behind a cookie's value; an unknown one is no error."""
    async with system_transaction() as tx:
        await sessions.revoke(tx, _hash(token))
    _Actors.by_hash.pop(_hash(token), None)


async def actor_of_session(token: str) -> Actor | None:
    """The actor behind a cookie's value, or None when the session is unknown, ended or expired."""
    return await actor_of_session_hash(session_hash(token))


async def actor_of_session_hash(token_hash: str) -> Actor | None:
    """The actor behind the hash of a cookie's value, for who must not hold the cookie itself."""
    cached = _cached(token_hash)
    if cached is not None:
        return cached
    async with system_transaction(readonly=True) as tx:
        found = await sessions.find(tx, token_hash, now=utc_now())
    if found is None:
        return None
    session, user, place = found
    return _remember(token_hash, _person(user, place, session_id=session.id))


async def actor_of_key(key: str) -> Actor | None:
    """The actor behind an API key, or None when the key is unknown, revoked or expired.

    A person's key never allows more than the person: its scopes are cut with their roles of this moment.
    """
    if not key.startswith(KEY_PREFIX):
        return None
    key_hash = _hash(key)
    cached = _cached(key_hash)
    if cached is not None:
        return cached
    async with system_transaction(readonly=True) as tx:
        found = await api_keys.find(tx, key_hash, now=utc_now())
    if found is None:
        return None
    row, user, place = found
    await _note_use(row)
    return _remember(key_hash, _key_actor(row, user, place))


async def actor_now(*, tenant_id: UUID, user_id: UUID | None, key_id: UUID | None) -> Actor | None:
    """Somebody who asked for something earlier, with the rights of this moment.

    Args:
        tenant_id: where they asked.
        user_id: the person; None: a service's key.
        key_id: the key it was asked with; None: a session.

    Returns:
        None when the key was revoked or ran out, or the person was disabled or left the tenant.
    """
    async with system_transaction(readonly=True) as tx:
        if key_id is not None:
            found = await api_keys.find_by_id(tx, key_id, now=utc_now())
            return _key_actor(*found) if found else None
        user = await users.by_id(tx, user_id) if user_id is not None else None
        places = await users.memberships(tx, user.id) if user is not None and not user.is_disabled else []
    place = next((place for place in places if place.tenant_id == tenant_id), None)
    return _person(user, place) if user is not None and place is not None else None


def session_hash(token: str) -> str:
    """The hash under which a session is kept: tells one session from another and opens none."""
    return _hash(token)


async def hash_password(password: str) -> str:
    """Hash a new password with Argon2id, in a thread.

    Raises:
        InvalidInput: it is too short or too long.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidInput(
            f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters.", param="password"
        )
    return await asyncio.to_thread(_hasher().hash, password.encode("utf-8", "surrogatepass"))


def new_token() -> tuple[str, str]:
    """A fresh secret and its hash: 256 random bits for the holder, what the database keeps."""
    token = secrets.token_urlsafe(32)
    return token, _hash(token)


def new_key() -> tuple[str, str]:
    """A fresh API key and its hash."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, _hash(key)


def forget_cached_actors() -> None:
    """Ask the database again for everybody, after a change of rights, sessions or keys in this process."""
    _Actors.by_hash.clear()


async def _begin(
    user: UserTable, place: MembershipTable, *, address: str, user_agent: str, previous_token: str | None
) -> SignIn:
    token, token_hash = new_token()
    session = SessionTable(
        token_hash=token_hash,
        user_id=user.id,
        tenant_id=place.tenant_id,
        address=address[:64],
        user_agent=user_agent[:400],
        expires_at=utc_now() + timedelta(days=get_settings().session_days),
    )
    async with system_transaction() as tx:
        if previous_token:
            await sessions.revoke(tx, _hash(previous_token))
        tx.session.add(session)
    if previous_token:
        _Actors.by_hash.pop(_hash(previous_token), None)
    actor = _person(user, place, session_id=session.id)
    async with transaction(actor) as tx:
        await audit.write(tx, "session.began", session.id, address=session.address)
    return SignIn(token=token, expires_at=session.expires_at, actor=actor)


def _person(user: UserTable, place: MembershipTable, *, session_id: UUID | None = None) -> Actor:
    return Actor(
        tenant_id=place.tenant_id,
        user_id=user.id,
        permissions=permissions_of(user, place.roles),
        roles=roles_of(place.roles),
        email=user.email,
        name=user.name,
        session_id=session_id,
    )


def _key_actor(row: ApiKeyTable, user: UserTable | None, place: MembershipTable | None) -> Actor:
    permissions = frozenset().union(*(SCOPE_PERMISSIONS.get(scope, frozenset()) for scope in row.scopes))
    if user is not None and place is not None:
        permissions &= permissions_of(user, place.roles)
    return Actor(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        permissions=permissions,
        roles=roles_of(place.roles) if place is not None else (),
        email=user.email if user is not None else "",
        name=user.name if user is not None else row.name,
        key_id=row.id,
    )


def permissions_of(user: UserTable, roles: list[str]) -> frozenset[Permission]:
    """What a person with these roles may do; a role this version does not know gives nothing."""
    permissions = frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles_of(roles)))
    return permissions | {Permission.PLATFORM} if user.is_platform_admin else permissions


def roles_of(names: list[str]) -> tuple[Role, ...]:
    """The roles this version knows out of those that are kept."""
    known = {role.value for role in Role}
    return tuple(Role(name) for name in names if name in known)


async def _note_use(row: ApiKeyTable) -> None:
    # Once a minute is enough for a person to see which keys live, and keeps the write off the busy path.
    now = time.monotonic()
    if now - _Actors.key_noted.get(row.id, -_KEY_USE_NOTED_EACH_SECONDS) < _KEY_USE_NOTED_EACH_SECONDS:
        return
    _Actors.key_noted[row.id] = now
    async with system_transaction() as tx:
        await api_keys.mark_used(tx, row.id, moment=utc_now())


def _cached(credential_hash: str) -> Actor | None:
    entry = _Actors.by_hash.get(credential_hash)
    if entry is None or entry[0] < time.monotonic():
        return None
    return entry[1]


def _remember(credential_hash: str, actor: Actor) -> Actor:
    if len(_Actors.by_hash) >= _MAX_CACHED_ACTORS:
        _Actors.by_hash.clear()
    _Actors.by_hash[credential_hash] = (time.monotonic() + _ACTOR_LIFETIME_SECONDS, actor)
    return actor


def _hash(token: str) -> str:
    # A plain hash is enough for 256 random bits; only passwords need a slow one.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _verify(stored: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    nobodys = _nobodys_hash()
    try:
        is_right = _hasher().verify(stored or nobodys, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
    return is_right and stored is not None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # The library's default is the second recommendation of RFC 9106: Argon2id, 64 MiB, 3 passes, 4 lanes.
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    # Looked at when the account does not exist, so that the answer takes as long as a wrong password's.
    return _hasher().hash(secrets.token_bytes(16))
