from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound, NotSignedIn, RateLimited
from chatapp.limits import attempts
from chatapp.services import authentication, one_time_links, users
from chatapp.settings import Settings

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
async def counting(settings: Settings, database: AsyncEngine):
    attempts.open_attempts("")
    yield
    await attempts.close_attempts()


async def test_the_first_admin_gets_a_tenant_and_every_right(settings: Settings) -> None:
    actor, link = await users.create_or_reset_admin(settings, "Ada@Example.org ", password=PASSWORD)

    assert link is None
    assert actor.email == "ada@example.org"
    assert {Permission.ADMIN, Permission.PLATFORM} <= actor.permissions
    assert (await authentication.sign_in("ada@example.org", PASSWORD)).actor.user_id == actor.user_id
    assert (await users.admin_actor()).user_id == actor.user_id


async def test_a_reset_ends_sessions_and_the_old_password(settings: Settings) -> None:
    actor, _ = await users.create_or_reset_admin(settings, "ada@example.org", password=PASSWORD)
    token = (await authentication.sign_in("ada@example.org", PASSWORD)).token

    again, link = await users.create_or_reset_admin(settings, "ada@example.org")

    assert again.user_id == actor.user_id
    assert await authentication.actor_of_session(token) is None
    with pytest.raises((NotSignedIn, RateLimited)):
        await authentication.sign_in("ada@example.org", PASSWORD)
    assert link is not None
    begun = await authentication.redeem_link(link.partition("token=")[2], PASSWORD)
    assert begun.actor.user_id == actor.user_id


async def test_a_newer_link_ends_the_older(settings: Settings, actor: Actor) -> None:
    assert actor.user_id is not None
    older, newer = [await users.new_sign_in_link(settings, actor.user_id) for _ in range(2)]

    assert await one_time_links.look(older.partition("token=")[2], address=None) is None
    assert await one_time_links.look(newer.partition("token=")[2], address=None) is not None


async def test_a_link_is_its_own_persons(settings: Settings, actor: Actor, other_actor: Actor) -> None:
    assert actor.user_id is not None
    link = await users.new_sign_in_link(settings, actor.user_id)

    begun = await authentication.redeem_link(link.partition("token=")[2], PASSWORD)

    assert begun.actor.tenant_id == actor.tenant_id
    with pytest.raises(NotSignedIn):
        await authentication.sign_in(other_actor.email, PASSWORD)


@pytest.mark.parametrize("email", ["", "ada", "@example.org", "ada@", "a b@example.org", "a@b@c", "a\x00@b", "a" * 300])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput):
        users.valid_email(email)


async def test_nobody_is_no_admin() -> None:
    with pytest.raises(NotFound):
        await users.admin_actor()
    with pytest.raises(NotFound):
        await users.admin_actor("nobody@example.org")
