from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import authentication, keys
from tests.fixtures.people import MakeActor


async def test_a_key_made_on_the_command_line_is_its_persons(actor: Actor) -> None:
    made = await keys.create_key(email=actor.email, name="script", scopes=["use:chat"])

    found = await authentication.actor_of_key(made.key)

    assert found is not None
    assert (found.user_id, found.tenant_id) == (actor.user_id, actor.tenant_id)
    assert made.key.startswith(made.prefix)
    assert [(key.name, key.scopes) for key in await keys.list_keys(actor)] == [("script", ("use:chat",))]


async def test_a_revoked_key_is_refused_at_once(actor: Actor) -> None:
    made = await keys.create_key(email=actor.email, name="script", scopes=["admin"])
    await authentication.actor_of_key(made.key)

    await keys.revoke(actor, made.id)

    assert await authentication.actor_of_key(made.key) is None
    assert await keys.list_keys(actor) == []
    with pytest.raises(NotFound):
        await keys.revoke(actor, made.id)


async def test_another_tenants_keys_are_neither_listed_nor_revoked(actor: Actor, other_actor: Actor) -> None:
    made = await keys.create_key(email=actor.email, name="script", scopes=["admin"])

    assert await keys.list_keys(other_actor) == []
    with pytest.raises(NotFound):
        await keys.revoke(other_actor, made.id)
    assert await authentication.actor_of_key(made.key) is not None


async def test_members_neither_list_nor_revoke_keys(actor: Actor, make_actor: MakeActor) -> None:
    made = await keys.create_key(email=actor.email, name="script", scopes=["admin"])
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)

    with pytest.raises(NotPermitted):
        await keys.list_keys(member)
    with pytest.raises(NotPermitted):
        await keys.revoke(member, made.id)


@pytest.mark.parametrize("scopes", [[], ["root"], ["use:chat", "platform"]])
async def test_a_key_has_known_scopes_only(actor: Actor, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput):
        await keys.create_key(email=actor.email, name="script", scopes=scopes)


@pytest.mark.parametrize("days", [0, -5, 3_651, 99_999_999_999])
async def test_a_key_that_never_lives_or_outlives_everybody_is_not_made(actor: Actor, days: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 3650 days"):
        await keys.create_key(email=actor.email, name="script", scopes=["use:chat"], expires_in_days=days)
    assert await keys.list_keys(actor) == []


async def test_a_key_ends_after_its_days(actor: Actor) -> None:
    await keys.create_key(email=actor.email, name="script", scopes=["use:chat"], expires_in_days=1)
    (key,) = await keys.list_keys(actor)
    assert key.expires_at is not None
    assert 23 < (key.expires_at - utc_now()).total_seconds() / 3600 <= 24


async def test_nobodys_key_is_not_made(database: AsyncEngine) -> None:
    with pytest.raises(NotFound):
        await keys.create_key(email="nobody@example.org", name="script", scopes=["admin"])
    with pytest.raises(NotFound):
        await keys.create_key(email=None, name="script", scopes=["admin"])
