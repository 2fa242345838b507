"""Sign-ins as people see them: which are open, and ending them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.errors import NotFound, NotPermitted
from chatapp.services import authentication
from chatapp.store import audit, one_time_links, sessions
from chatapp.store.database import Transaction, system_transaction, transaction

_KEPT = timedelta(days=30)
"""Ended sign-ins and links are kept so long: people ask where they were signed in last month."""


@dataclass(frozen=True, slots=True)
class SignInView:
    """An open sign-in."""

    id: UUID
    browser: str
    """For people: `Firefox on Windows`; empty where the browser said nothing we know."""
    user_agent: str
    address: str
    method: str
    """How it began: `password`, `link` or `oidc`."""
    tenant_name: str
    began_at: datetime
    last_seen_at: datetime
    """To the minute."""
    expires_at: datetime
    is_this_one: bool


async def list_own(actor: Actor) -> list[SignInView]:
    """The actor's own open sign-ins, the one used last first.

    In every tenant; who came in through a tenant's identity provider sees those in this tenant alone, since the
    provider speaks for nothing else.

    Raises:
        NotPermitted: the actor is no person who signed in: a key does not see where its person is.
    """
    user_id = require_signed_in(actor)
    async with transaction(actor, readonly=True) as tx:
        return await sign_ins_of(tx, user_id, tenant_id=_within(actor), this_one=actor.session_id)


async def sign_ins_of(
    tx: Transaction, user_id: UUID, *, tenant_id: UUID | None = None, this_one: UUID | None = None
) -> list[SignInView]:
    """A person's open sign-ins.

    Args:
        tx: the transaction.
        user_id: the person.
        tenant_id: only those in this tenant.
        this_one: the sign-in of who asks.
    """
    return [
        SignInView(
            id=row.id,
            browser=browser_of(row.user_agent),
            user_agent=row.user_agent,
            address=row.address,
            method=row.method,
            tenant_name=tenant_name,
            began_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            is_this_one=row.id == this_one,
        )
        for row, tenant_name in await sessions.of_user(tx, user_id, now=utc_now(), tenant_id=tenant_id)
    ]


async def end_own(actor: Actor, session_id: UUID) -> None:
    """End one of the actor's own sign-ins, this one too.

    Raises:
        NotPermitted: the actor is no person who signed in.
        NotFound: it is not an open sign-in of theirs.
    """
    user_id = require_signed_in(actor)
    async with transaction(actor) as tx:
        if not await sessions.revoke_one(tx, user_id, session_id, tenant_id=_within(actor)):
            raise NotFound("This sign-in has ended already, or is not yours.")
        await audit.write(tx, "session.ended", session_id)
    authentication.forget_cached_actors()


async def end_all_own(actor: Actor, *, keep_this_one: bool = False) -> int:
    """End the actor's own sign-ins, in every browser and every tenant that `list_own` shows.

    Args:
        actor: the person.
        keep_this_one: go on with the one they act in.

    Returns:
        how many ended.

    Raises:
        NotPermitted: the actor is no person who signed in.
    """
    user_id = require_signed_in(actor)
    async with transaction(actor) as tx:
        but = actor.session_id if keep_this_one else None
        ended = await sessions.revoke_all(tx, user_id, but=but, tenant_id=_within(actor))
        await audit.write(tx, "user.signed_out", user_id, sessions=ended)
    authentication.forget_cached_actors()
    return ended


def _within(actor: Actor) -> UUID | None:
    return actor.tenant_id if actor.is_confined else None


def require_signed_in(actor: Actor) -> UUID:
    """The person behind a sign-in; who holds only a key must not take their account over with it.

    Raises:
        NotPermitted: the actor came with a key.
    """
    if actor.user_id is None or actor.session_id is None:
        raise NotPermitted("Sign in for this: a key cannot do it.")
    return actor.user_id


def browser_of(user_agent: str) -> str:
    """A browser and a system out of what the browser says of itself, for people to tell their sign-ins apart.

    Only a hint: a browser says what it likes. Each looks for the first name that fits, since Edge says it is Chrome,
    and Chrome that it is Safari.
    """
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return " on ".join(part for part in (browser, system) if part)


_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("python-httpx/", "A Python program"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


async def purge_ended() -> None:
    """Remove sign-ins and links that ended long ago, in every tenant."""
    before = utc_now() - _KEPT
    async with system_transaction() as tx:
        await sessions.delete_expired(tx, before=before)
        await one_time_links.delete_ended(tx, before=before)
