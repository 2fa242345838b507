from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select, update

from chatapp.domain import Actor, utc_now
from chatapp.errors import NotFound, NotPermitted
from chatapp.services import authentication, sign_ins
from chatapp.store import users
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable, SessionTable, UserTable
from tests.fixtures.sign_in import PASSWORD, SetPassword

pytestmark = pytest.mark.usefixtures("sign_in_counted")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
EDGE = CHROME + " Edg/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Safari/604.1"


async def test_a_person_sees_where_they_are_signed_in(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    for person in (actor, other_actor):
        await set_password(person)
    await authentication.sign_in(other_actor.email, PASSWORD)
    first = await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.1", user_agent=FIREFOX)
    await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.2", user_agent=CHROME)

    seen = await sign_ins.list_own(first.actor)

    assert [(each.browser, each.address, each.method, each.is_this_one) for each in seen] == [
        ("Chrome on Windows", "10.0.0.2", "password", False),
        ("Firefox on Linux", "10.0.0.1", "password", True),
    ]
    assert all(each.tenant_name and each.expires_at > utc_now() for each in seen)


async def test_one_sign_in_is_ended_and_only_ones_own(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    for person in (actor, other_actor):
        await set_password(person)
    mine, other_one = [await authentication.sign_in(actor.email, PASSWORD) for _ in range(2)]
    theirs = await authentication.sign_in(other_actor.email, PASSWORD)
    assert other_one.actor.session_id is not None
    assert theirs.actor.session_id is not None

    await sign_ins.end_own(mine.actor, other_one.actor.session_id)
    for session_id in (other_one.actor.session_id, theirs.actor.session_id, uuid4()):
        with pytest.raises(NotFound):
            await sign_ins.end_own(mine.actor, session_id)

    alive = [await authentication.actor_of_session(each.token) is not None for each in (mine, other_one, theirs)]
    assert alive == [True, False, True]


@pytest.mark.parametrize(("keep", "alive"), [(False, [False, False, True]), (True, [True, False, True])])
async def test_signing_out_everywhere_ends_ones_own_sign_ins(
    actor: Actor, other_actor: Actor, set_password: SetPassword, keep: bool, alive: list[bool]
) -> None:
    for person in (actor, other_actor):
        await set_password(person)
    begun = [await authentication.sign_in(each.email, PASSWORD) for each in (actor, actor, other_actor)]

    await sign_ins.end_all_own(begun[0].actor, keep_this_one=keep)

    assert [await authentication.actor_of_session(each.token) is not None for each in begun] == alive


async def test_a_key_does_not_see_or_end_sign_ins(actor: Actor) -> None:
    by_key = replace(actor, key_id=uuid4())

    for refused in (sign_ins.list_own(by_key), sign_ins.end_own(by_key, uuid4()), sign_ins.end_all_own(by_key)):
        with pytest.raises(NotPermitted):
            await refused


async def test_when_a_sign_in_was_used_last_is_kept_to_the_minute(actor: Actor, set_password: SetPassword) -> None:
    await set_password(actor)
    begun = await authentication.sign_in(actor.email, PASSWORD)
    long_ago = utc_now() - timedelta(minutes=5)
    async with system_transaction() as tx:
        await tx.session.execute(update(SessionTable).values(last_seen_at=long_ago))
    authentication.forget_cached_actors()

    await authentication.actor_of_session(begun.token)

    async with system_transaction(readonly=True) as tx:
        seen_at = (await tx.session.execute(select(SessionTable.last_seen_at))).scalar_one()
    assert seen_at - long_ago > timedelta(minutes=4)


async def test_sign_ins_that_ended_long_ago_are_removed(actor: Actor, set_password: SetPassword) -> None:
    await set_password(actor)
    kept, old = [await authentication.sign_in(actor.email, PASSWORD) for _ in range(2)]
    async with system_transaction() as tx:
        await tx.session.execute(
            update(SessionTable)
            .where(col(SessionTable.id) == old.actor.session_id)
            .values(expires_at=utc_now() - timedelta(days=31))
        )

    await sign_ins.purge_ended()

    async with system_transaction(readonly=True) as tx:
        left: list[UUID] = list((await tx.session.execute(select(SessionTable.id))).scalars())
    assert left == [kept.actor.session_id]


@pytest.mark.parametrize(
    ("user_agent", "browser"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (EDGE, "Edge on Windows"),
        (SAFARI, "Safari on iPhone"),
        ("", ""),
        ("<script>", ""),
    ],
)
def test_a_browser_is_told_by_what_it_says(user_agent: str, browser: str) -> None:
    assert sign_ins.browser_of(user_agent) == browser


async def test_a_provider_of_one_tenant_shows_and_ends_nothing_of_another(
    actor: Actor, other_actor: Actor, set_password: SetPassword
) -> None:
    """Whoever runs a tenant chooses its provider, and so could come in as any of its people."""
    await set_password(actor)
    assert actor.user_id is not None
    async with system_transaction() as tx:
        tx.session.add(
            MembershipTable(
                tenant_id=other_actor.tenant_id, user_id=actor.user_id, roles=["member"], accepted_at=utc_now()
            )
        )
    at_home = await authentication.sign_in(actor.email, PASSWORD)
    async with system_transaction(readonly=True) as tx:
        user = await tx.session.get(UserTable, actor.user_id)
        places = await users.memberships(tx, actor.user_id)
    place = next(each for each in places if each.tenant_id == other_actor.tenant_id)
    assert user is not None
    through = await authentication.begin_session(user, place, authentication.Proof("oidc"))
    found = await authentication.actor_of_session(through.token)
    assert found is not None
    assert found.is_confined
    assert at_home.actor.session_id is not None

    assert [each.is_this_one for each in await sign_ins.list_own(found)] == [True]
    with pytest.raises(NotFound):
        await sign_ins.end_own(found, at_home.actor.session_id)
    assert await sign_ins.end_all_own(found) == 1
    assert await authentication.actor_of_session(at_home.token) is not None
