"""The actor behind a cookie or a key, believed for a moment without asking the database again.

These functions run before an actor is known, so they take none.
"""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.services import rights, tokens
from chatapp.services.shared_looks import SharedLooks
from chatapp.services.tokens import KEY_PREFIX
from chatapp.store import api_keys, sessions, users
from chatapp.store.database import system_transaction
from chatapp.store.tables import ApiKeyTable

_ACTOR_LIFETIME_SECONDS = 0.5
"""How long an actor is believed without asking the database: a session that ended is refused within a second."""
_AHEAD = 0.25
"""Of that time, what is left when a key is looked up again for whoever comes next."""
_MAX_CACHED_ACTORS = 10_000
_USE_NOTED_EACH_SECONDS = 60.0


class _Actors:
    """Actors looked up within the last moment, by the hash of their credential."""

    by_hash: dict[str, tuple[float, Actor]] = {}  # noqa: RUF012  # one cache a process is what this is
    looks: SharedLooks[Actor | None] = SharedLooks()
    """At keys, by their hash."""
    forgotten = 0
    """How often some of them had to be asked for again."""
    noted: dict[UUID, float] = {}  # noqa: RUF012
    """When the use of a session or a key was written down last."""


async def actor_of_session(token: str) -> Actor | None:
    """The actor behind a cookie's value, or None when the session is unknown, ended or expired."""
    return await actor_of_session_hash(session_hash(token))


async def actor_of_session_hash(token_hash: str) -> Actor | None:
    """The actor behind the hash of a cookie's value, for who must not hold the cookie itself."""
    cached = _cached(token_hash)
    if cached is not None:
        return cached
    now = utc_now()
    async with system_transaction(readonly=True) as tx:
        found = await sessions.find(tx, token_hash, now=now)
    if found is None:
        return None
    session, user, place = found
    if now - session.last_seen_at >= timedelta(seconds=_USE_NOTED_EACH_SECONDS) and _is_to_be_noted(session.id):
        async with system_transaction() as tx:
            await sessions.note_seen(tx, session.id, moment=now)
    actor = rights.person(user, place, tenant_id=session.tenant_id, session_id=session.id, method=session.method)
    return _remember(token_hash, actor)


async def actor_of_key(key: str) -> Actor | None:
    """The actor behind an API key, or None when the key is unknown, revoked or expired.

    A person's key never allows more than the person: its scopes are cut with their roles of this moment.
    """
    if not key.startswith(KEY_PREFIX):
        return None
    key_hash = tokens.hash_of(key)
    cached = _cached(key_hash)
    if cached is None:
        return await _Actors.looks.look(key_hash, lambda: _find_by_key(key_hash))
    if _Actors.by_hash[key_hash][0] - time.monotonic() < _ACTOR_LIFETIME_SECONDS * _AHEAD:
        # Where much is asked nobody waits for the next look.
        _Actors.looks.look_ahead(key_hash, lambda: _find_by_key(key_hash))
    return cached


async def _find_by_key(key_hash: str) -> Actor | None:
    forgotten = _Actors.forgotten
    async with system_transaction(readonly=True) as tx:
        found = await api_keys.find(tx, key_hash, now=utc_now())
    if found is None:
        _Actors.by_hash.pop(key_hash, None)
        return None
    await _note_use(found[0])
    actor = rights.key_actor(*found)
    # What was looked up before somebody's rights changed here is not believed for longer than this request.
    return _remember(key_hash, actor) if forgotten == _Actors.forgotten else actor


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
            return rights.key_actor(*found) if found else None
        user = await users.by_id(tx, user_id) if user_id is not None else None
        places = await users.memberships(tx, user.id) if user is not None and not user.is_disabled else []
    place = next((place for place in places if place.tenant_id == tenant_id), None)
    return rights.person(user, place, tenant_id=tenant_id) if user is not None and place is not None else None


def session_hash(token: str) -> str:
    """The hash under which a session is kept: tells one session from another and opens none."""
    return tokens.hash_of(token)


def forget_cached_actors() -> None:
    """Ask the database again for everybody, after a change of rights, sessions or keys in this process."""
    _Actors.by_hash.clear()
    _forget_looks()


def forget_cached_actor(credential_hash: str) -> None:
    """Ask the database again for who has this credential."""
    _Actors.by_hash.pop(credential_hash, None)
    _forget_looks()


def _forget_looks() -> None:
    # Whoever looks at this moment may have seen what was before.
    _Actors.looks.forget()
    _Actors.forgotten += 1


async def _note_use(row: ApiKeyTable) -> None:
    if not _is_to_be_noted(row.id):
        return
    async with system_transaction() as tx:
        await api_keys.mark_used(tx, row.id, moment=utc_now())


def _is_to_be_noted(credential_id: UUID) -> bool:
    # Once a minute is enough for people to see what lives. The requests of a page come at once: the first one writes.
    now = time.monotonic()
    if now - _Actors.noted.get(credential_id, -_USE_NOTED_EACH_SECONDS) < _USE_NOTED_EACH_SECONDS:
        return False
    if len(_Actors.noted) >= _MAX_CACHED_ACTORS:
        _Actors.noted.clear()
    _Actors.noted[credential_id] = now
    return True


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
