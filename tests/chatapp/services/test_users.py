from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted, NotSignedIn, RateLimited
from chatapp.limits import attempts
from chatapp.services import account, authentication, invitations, memberships, one_time_links, users
from chatapp.settings import Settings
from tests.fixtures.credentials import SignInAs
from tests.fixtures.people import MakeActor
from tests.fixtures.sign_in import ActionsOf

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


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.org", "ada@", "a b@example.org", "a@b@c", "a\x00@b", "a\u202e@b", "a" * 300]
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput):
        users.valid_email(email)


async def test_nobody_is_no_admin() -> None:
    with pytest.raises(NotFound):
        await users.admin_actor()
    with pytest.raises(NotFound):
        await users.admin_actor("nobody@example.org")


async def test_a_platform_admin_keeps_a_person_out_of_everything(
    operator: Actor, actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, actions_of: ActionsOf
) -> None:
    person = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    assert person.user_id is not None
    cookie = (await sign_in_as(person))["Cookie"].partition("=")[2]

    changed = await users.update(operator, person.user_id, is_disabled=True)

    assert (changed.is_disabled, changed.tenants[0].status) == (True, "disabled")
    assert await authentication.actor_of_session(cookie) is None
    assert await actions_of(operator) == ["user.changed"]
    assert not (await users.update(operator, person.user_id, is_disabled=False)).is_disabled


async def test_only_platform_admins_change_people_of_the_installation(actor: Actor, make_actor: MakeActor) -> None:
    person = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    assert person.user_id is not None

    for refused in (
        users.get(actor, person.user_id),
        users.update(actor, person.user_id, is_platform_admin=True),
        users.sign_out_everywhere(actor, person.user_id),
    ):
        with pytest.raises(NotPermitted):
            await refused


async def test_the_installation_keeps_a_platform_admin(operator: Actor, make_actor: MakeActor) -> None:
    second = await make_actor({Permission.CHAT}, tenant=operator.tenant_id)
    assert second.user_id is not None
    assert operator.user_id is not None
    for change in ({"is_disabled": True}, {"is_platform_admin": False}):
        with pytest.raises(NotPermitted):
            await users.update(operator, operator.user_id, **change)

    made = await users.update(operator, second.user_id, is_platform_admin=True)
    as_second = replace(second, permissions=second.permissions | {Permission.PLATFORM})
    await users.update(as_second, operator.user_id, is_platform_admin=False)

    assert made.is_platform_admin
    # The first one's rights of a moment ago do not help: nobody else would be left.
    for change in ({"is_disabled": True}, {"is_platform_admin": False}):
        with pytest.raises(Conflict):
            await users.update(operator, second.user_id, **change)


async def test_the_only_admin_of_a_tenant_is_not_disabled(operator: Actor, actor: Actor, make_actor: MakeActor) -> None:
    assert actor.user_id is not None
    with pytest.raises(Conflict):
        await users.update(operator, actor.user_id, is_disabled=True)

    await make_actor(tenant=actor.tenant_id)

    assert (await users.update(operator, actor.user_id, is_disabled=True)).is_disabled


async def test_a_tenant_keeps_an_admin_when_two_are_taken_at_once(
    operator: Actor, actor: Actor, make_actor: MakeActor
) -> None:
    """By a platform admin of another tenant and by the tenant's own admin."""
    second = await make_actor(tenant=actor.tenant_id)
    assert actor.user_id is not None
    assert second.user_id is not None

    outcomes = await asyncio.gather(
        users.update(operator, second.user_id, is_disabled=True),
        memberships.update_user(second, actor.tenant_id, actor.user_id, roles=["member"]),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1, outcomes


async def test_nobody_becomes_a_platform_admin_with_a_password_an_admin_knows(operator: Actor, actor: Actor) -> None:
    added = await invitations.invite(
        actor, actor.tenant_id, email="new@example.org", roles=["member"], password=PASSWORD
    )
    with pytest.raises(Conflict):
        await users.update(operator, added.id, is_platform_admin=True)

    begun = await authentication.sign_in("new@example.org", PASSWORD)
    await account.change_password(begun.actor, current_password=PASSWORD, new_password="another-horse-battery")
    assert (await users.update(operator, added.id, is_platform_admin=True)).is_platform_admin


async def test_two_platform_admins_who_demote_each_other_leave_one(operator: Actor, make_actor: MakeActor) -> None:
    second = await make_actor(is_platform_admin=True)
    assert operator.user_id is not None
    assert second.user_id is not None

    outcomes = await asyncio.gather(
        users.update(operator, second.user_id, is_platform_admin=False),
        users.update(second, operator.user_id, is_platform_admin=False),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1, outcomes


async def test_a_person_who_is_not_there_is_not_found(operator: Actor) -> None:
    for refused in (
        users.get(operator, uuid4()),
        users.update(operator, uuid4(), is_disabled=True),
        users.sign_out_everywhere(operator, uuid4()),
    ):
        with pytest.raises(NotFound):
            await refused
