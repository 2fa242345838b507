from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select, update

from chatapp.domain import Actor, Permission, Role, utc_now
from chatapp.errors import InvalidInput, NotSignedIn, RateLimited
from chatapp.limits import attempts
from chatapp.services import authentication, users
from chatapp.settings import Settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import ApiKeyTable, AuditTable, MembershipTable, SessionTable, UserTable
from tests.fixtures.people import MakeActor

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
async def counting(settings: Settings, database: AsyncEngine):
    attempts.open_attempts("")
    authentication.forget_cached_actors()
    yield
    await attempts.close_attempts()


async def set_password(actor: Actor, password: str = PASSWORD) -> None:
    password_hash = await authentication.hash_password(password)
    async with system_transaction() as tx:
        await tx.session.execute(
            update(UserTable).where(col(UserTable.id) == actor.user_id).values(password_hash=password_hash)
        )


async def add_key(actor: Actor, **columns: object) -> str:
    key, key_hash = authentication.new_key()
    values = {"user_id": actor.user_id, "name": "test", "prefix": key[:16], "key_hash": key_hash, "scopes": ["admin"]}
    async with system_transaction() as tx:
        tx.session.add(ApiKeyTable(tenant_id=actor.tenant_id, **(values | columns)))
    return key


async def test_a_session_is_its_persons_in_their_tenant(actor: Actor, other_actor: Actor) -> None:
    for person in (actor, other_actor):
        await set_password(person)
        begun = await authentication.sign_in(person.email, PASSWORD, address="10.0.0.1", user_agent="test")

        found = await authentication.actor_of_session(begun.token)

        assert found is not None
        assert (found.user_id, found.tenant_id) == (person.user_id, person.tenant_id)
        assert found.permissions == person.permissions


async def test_only_hashes_are_kept(actor: Actor) -> None:
    await set_password(actor)
    begun = await authentication.sign_in(actor.email, PASSWORD)
    key = await add_key(actor)

    async with system_transaction() as tx:
        user = (await tx.session.execute(select(UserTable).where(col(UserTable.id) == actor.user_id))).scalar_one()
        session = (await tx.session.execute(select(SessionTable))).scalar_one()
        row = (await tx.session.execute(select(ApiKeyTable))).scalar_one()
        lines = (await tx.session.execute(select(AuditTable.action))).scalars().all()
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    assert begun.token not in str(session.model_dump())
    assert key not in str(row.model_dump())
    assert lines == ["session.began"]


async def test_a_person_in_no_tenant_or_disabled_is_answered_like_a_wrong_password(
    actor: Actor, other_actor: Actor
) -> None:
    await set_password(actor)
    await set_password(other_actor)
    async with system_transaction() as tx:
        await tx.session.execute(update(UserTable).where(col(UserTable.id) == actor.user_id).values(is_disabled=True))
        place = (
            await tx.session.execute(select(MembershipTable).where(col(MembershipTable.user_id) == other_actor.user_id))
        ).scalar_one()
        await tx.session.delete(place)

    sentences = set()
    for email in (actor.email, other_actor.email, "nobody@example.org"):
        with pytest.raises(NotSignedIn) as refusal:
            await authentication.sign_in(email, PASSWORD)
        sentences.add(refusal.value.message)

    assert len(sentences) == 1


async def test_a_burst_of_attempts_cannot_pass_the_limit(actor: Actor) -> None:
    await set_password(actor)

    outcomes = await asyncio.gather(
        *(authentication.sign_in(actor.email, f"wrong {number}") for number in range(12)), return_exceptions=True
    )

    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 6
    assert sum(isinstance(outcome, NotSignedIn) for outcome in outcomes) == 6


async def test_who_guesses_keeps_the_right_password_out_of_no_other_place(actor: Actor, other_actor: Actor) -> None:
    """Six wrong ones from one address; the holder comes from another, and to it with a browser they used before."""
    for person in (actor, other_actor):
        await set_password(person)
    own = await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.7")
    others = await authentication.sign_in(other_actor.email, PASSWORD, address="10.0.0.7")
    for _ in range(6):
        with pytest.raises(NotSignedIn):
            await authentication.sign_in(actor.email, "wrong", address="10.0.0.1")

    for device in ("", "made up", others.device):
        with pytest.raises(RateLimited):
            await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.1", device=device)

    assert (await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.1", device=own.device)).token
    assert (await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.2")).token
    assert (await authentication.sign_in(other_actor.email, PASSWORD, address="10.0.0.1")).token


async def test_a_browser_that_is_known_cannot_guess_without_end_either(actor: Actor) -> None:
    await set_password(actor)
    own = await authentication.sign_in(actor.email, PASSWORD)

    for _ in range(6):
        with pytest.raises(NotSignedIn):
            await authentication.sign_in(actor.email, "wrong", device=own.device)
    with pytest.raises(RateLimited):
        await authentication.sign_in(actor.email, PASSWORD, device=own.device)


async def test_who_has_an_address_in_a_tenant_of_their_own_guesses_at_no_other_of_it_faster(
    actor: Actor, make_actor: MakeActor
) -> None:
    await set_password(actor)
    namesake = await make_actor(email=actor.email)
    await set_password(namesake, "known-to-the-guesser")
    own = await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.9")

    device = ""
    for number in range(12):
        try:
            await authentication.sign_in(actor.email, f"wrong {number}", address="10.0.0.1", device=device)
        except (NotSignedIn, RateLimited):
            pass
        begun = await authentication.sign_in(actor.email, "known-to-the-guesser", address="10.0.0.1", device=device)
        device = begun.device
        assert begun.actor.tenant_id == namesake.tenant_id

    with pytest.raises(NotSignedIn):
        await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.1", device=device)
    back = await authentication.sign_in(actor.email, PASSWORD, address="10.0.0.1", device=own.device)
    assert back.actor.tenant_id == actor.tenant_id


async def test_a_password_changed_since_it_was_right_begins_no_session(actor: Actor, other_actor: Actor) -> None:
    for person in (actor, other_actor):
        await set_password(person)
    async with system_transaction(readonly=True) as tx:
        rows = (await tx.session.execute(select(UserTable, MembershipTable).join(MembershipTable))).all()
    assert actor.user_id is not None
    await set_password(actor)  # the same once more, under another salt

    begun = {}
    for user, place in rows:
        proof = authentication.Proof("password", user.password_hash)
        outcome = await asyncio.gather(authentication.begin_session(user, place, proof), return_exceptions=True)
        begun[user.id] = isinstance(outcome[0], authentication.SignIn)

    assert begun == {actor.user_id: False, other_actor.user_id: True}


async def test_no_session_of_a_password_outlives_its_reset(settings: Settings, actor: Actor) -> None:
    await set_password(actor)
    assert actor.user_id is not None
    link = await users.new_sign_in_link(settings, actor.user_id)

    outcomes = await asyncio.gather(
        *(authentication.sign_in(actor.email, PASSWORD, address=f"10.0.0.{number}") for number in range(4)),
        authentication.redeem_link(link.partition("token=")[2], "another-horse-battery"),
        return_exceptions=True,
    )

    begun = [each for each in outcomes if isinstance(each, authentication.SignIn)]
    living = [each for each in begun if await authentication.actor_of_session(each.token) is not None]
    assert living == [outcomes[-1]]


async def test_a_role_taken_away_is_gone_within_a_second(actor: Actor) -> None:
    await set_password(actor)
    token = (await authentication.sign_in(actor.email, PASSWORD)).token
    before = await authentication.actor_of_session(token)
    async with system_transaction() as tx:
        await tx.session.execute(update(MembershipTable).values(roles=[Role.MEMBER.value]))
    await asyncio.sleep(0.6)

    after = await authentication.actor_of_session(token)

    assert before is not None
    assert after is not None
    assert before.may(Permission.ADMIN)
    assert not after.may(Permission.ADMIN)


async def test_a_persons_key_allows_no_more_than_the_person(actor: Actor, make_actor: MakeActor) -> None:
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)

    found = await authentication.actor_of_key(await add_key(member, scopes=["admin"]))
    service = await authentication.actor_of_key(await add_key(member, user_id=None, scopes=["read:metrics"]))

    assert found is not None
    assert found.permissions == {Permission.CHAT, Permission.READ_DOCUMENTS}
    assert service is not None
    assert (service.user_id, service.permissions) == (None, {Permission.READ_METRICS})


@pytest.mark.parametrize("ending", ["revoked", "expired", "person disabled", "person left"])
async def test_an_ended_key_is_nobodys(actor: Actor, ending: str) -> None:
    columns = {"revoked": {"revoked_at": utc_now()}, "expired": {"expires_at": utc_now() - timedelta(seconds=1)}}
    key = await add_key(actor, **columns.get(ending, {}))
    async with system_transaction() as tx:
        if ending == "person disabled":
            await tx.session.execute(update(UserTable).values(is_disabled=True))
        if ending == "person left":
            await tx.session.delete((await tx.session.execute(select(MembershipTable))).scalar_one())

    assert await authentication.actor_of_key(key) is None


@pytest.mark.parametrize("key", ["", "sk-chatapp-", "sk-other", "sk-chatapp-\x00", "\ud800", "' OR 1=1 --"])
async def test_odd_keys_and_cookies_are_nobodys(key: str) -> None:
    assert await authentication.actor_of_key(key) is None
    assert await authentication.actor_of_session(key) is None


async def test_a_keys_last_use_is_noted(actor: Actor) -> None:
    await authentication.actor_of_key(await add_key(actor))

    async with system_transaction(readonly=True) as tx:
        assert (await tx.session.execute(select(ApiKeyTable.last_used_at))).scalar_one() is not None


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 1025])
async def test_a_password_has_a_sensible_length(password: str) -> None:
    with pytest.raises(InvalidInput):
        await authentication.hash_password(password)
