from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import update
from sqlmodel import col

from chatapp.domain import Actor, utc_now
from chatapp.services import actors, authentication, keys, tokens
from chatapp.store.database import system_transaction
from chatapp.store.tables import ApiKeyTable

pytestmark = pytest.mark.usefixtures("database")


async def key_of(actor: Actor) -> str:
    return (await keys.create(actor, name="Script", scopes=["use:chat"])).key


async def revoke_elsewhere(key: str) -> None:
    """As another process does: nothing here is told of it."""
    async with system_transaction() as tx:
        is_it = col(ApiKeyTable.key_hash) == tokens.hash_of(key)
        await tx.session.execute(update(ApiKeyTable).where(is_it).values(revoked_at=utc_now()))


def grow_old(key: str) -> None:
    """Let what is believed of a key be nearly as old as it may become."""
    _, actor = actors._Actors.by_hash[tokens.hash_of(key)]
    until = time.monotonic() + actors._ACTOR_LIFETIME_SECONDS * 0.2
    actors._Actors.by_hash[tokens.hash_of(key)] = (until, actor)


async def looks_have_ended() -> None:
    while actors._Actors.looks._under_way:
        await asyncio.sleep(0.001)


async def test_a_key_in_use_is_looked_at_again_before_it_has_grown_old(
    actor: Actor, other_actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "_ACTOR_LIFETIME_SECONDS", 3_600.0)
    key, other = await key_of(actor), await key_of(other_actor)
    authentication.forget_cached_actors()
    assert await authentication.actor_of_key(key)
    assert await authentication.actor_of_key(other)
    await revoke_elsewhere(key)
    assert await authentication.actor_of_key(key)

    for each in (key, other):
        grow_old(each)
        # Nobody waits for the look that this one begins.
        assert await authentication.actor_of_key(each)
    await looks_have_ended()

    assert await authentication.actor_of_key(key) is None
    found = await authentication.actor_of_key(other)
    assert found is not None
    assert found.tenant_id == other_actor.tenant_id


async def test_a_look_from_before_a_revocation_is_believed_by_nobody_behind_it(actor: Actor) -> None:
    key = await key_of(actor)
    authentication.forget_cached_actors()
    looking = asyncio.create_task(authentication.actor_of_key(key))
    for _ in range(2):
        # The one who waits, then the look itself.
        await asyncio.sleep(0)
    authentication.forget_cached_actors()
    assert await looking

    assert tokens.hash_of(key) not in actors._Actors.by_hash
