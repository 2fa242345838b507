from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Actor, Permission, Role, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import authentication, key_rules, keys, memberships, users
from chatapp.services.administration import acting_in
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import ApiKeyTable, AuditTable, MembershipTable, UserTable
from tests.fixtures.people import MakeActor

PlatformAdmin = Callable[..., Awaitable[Actor]]


@pytest.fixture
def platform_admin(make_actor: MakeActor) -> PlatformAdmin:
    async def make(**others: Any) -> Actor:
        made = await make_actor(**others)
        async with system_transaction() as tx:
            row = await tx.session.get(UserTable, made.user_id)
            assert row is not None
            row.is_platform_admin = True
        return replace(made, permissions=made.permissions | {Permission.PLATFORM})

    return make


async def _opens(key: str) -> bool:
    authentication.forget_cached_actors()
    return await authentication.actor_of_key(key) is not None


async def _log(actor: Actor) -> list[AuditTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.execute(select(AuditTable).order_by(col(AuditTable.sequence)))).scalars())


async def _set(made: keys.CreatedKey, **values: object) -> None:
    async with system_transaction() as tx:
        await tx.session.execute(update(ApiKeyTable).where(col(ApiKeyTable.id) == made.id).values(**values))


async def test_a_key_belongs_to_a_service_or_to_a_person(actor: Actor, make_actor: MakeActor) -> None:
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    service = await keys.create(actor, name=" Night   job ", scopes=["read:metrics", "use:chat"])
    own = await keys.create(actor, name="Script", scopes=["use:chat", "admin"], user_id=member.user_id)

    found = await authentication.actor_of_key(service.key)
    assert found is not None
    assert (found.tenant_id, found.user_id, found.name) == (actor.tenant_id, None, "Night job")
    assert found.permissions == SCOPE_PERMISSIONS["use:chat"] | SCOPE_PERMISSIONS["read:metrics"]
    found = await authentication.actor_of_key(own.key)
    assert found is not None
    assert found.user_id == member.user_id
    assert found.permissions == SCOPE_PERMISSIONS["use:chat"]  # a member, whatever the scope
    listed = {view.id: view for view in (await keys.list_keys(actor, {})).items}
    assert listed[own.id].owner == member.email
    assert listed[service.id].owner == ""
    assert listed[service.id].scopes == ("use:chat", "read:metrics")
    assert service.key.startswith(listed[service.id].prefix)
    assert len(listed[service.id].prefix) < 20


async def test_only_the_hash_of_a_key_is_kept(actor: Actor) -> None:
    made = await keys.create(actor, name="Script", scopes=["use:chat"])
    secret = made.key.removeprefix(made.prefix)
    async with system_transaction(readonly=True) as tx:
        row = (await tx.session.execute(select(ApiKeyTable))).scalar_one()
        audit = (await tx.session.execute(select(AuditTable))).scalars().all()
    assert secret not in str(row.model_dump())
    assert all(secret not in str(line.model_dump()) for line in audit)
    assert [line.action for line in audit] == ["key.created"]


@pytest.mark.parametrize("scopes", [[], ["root"], ["use:chat", "platform"]])
async def test_a_key_has_known_scopes_only(actor: Actor, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput, match="use:chat") as caught:
        await keys.create(actor, name="script", scopes=scopes)
    assert caught.value.param == "scopes"
    with pytest.raises(InvalidInput):
        await keys.create_key(email=actor.email, name="script", scopes=scopes)


@pytest.mark.parametrize("name", ["", "  ", "x" * 121])
async def test_a_key_has_a_name(actor: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await keys.create(actor, name=name, scopes=["use:chat"])
    assert caught.value.param == "name"
    assert (await keys.list_keys(actor, {})).items == []


@pytest.mark.parametrize("days", [-1, 0, 3_700])
async def test_a_key_ends_in_the_future(actor: Actor, days: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        await keys.create(actor, name="script", scopes=["use:chat"], expires_at=utc_now() + timedelta(days=days))
    assert caught.value.param == "expires_at"


async def test_a_moment_without_a_zone_is_utc(actor: Actor) -> None:
    naive = datetime(utc_now().year + 1, 1, 31, 8)
    made = await keys.create(actor, name="script", scopes=["use:chat"], expires_at=naive)
    assert made.expires_at == naive.replace(tzinfo=UTC)


async def test_a_key_allows_no_more_than_its_maker_may_give(actor: Actor) -> None:
    limited = replace(actor, permissions=frozenset({Permission.ADMIN, Permission.CHAT, Permission.READ_DOCUMENTS}))

    assert key_rules.scopes_to_give(limited) == ["use:chat"]
    assert await keys.create(limited, name="script", scopes=["use:chat"])
    for scopes in (["admin"], ["use:chat", "read:traces"]):
        with pytest.raises(NotPermitted):
            await keys.create(limited, name="script", scopes=scopes)
    made = await keys.create(actor, name="all", scopes=["admin"])
    with pytest.raises(NotPermitted):
        await keys.rotate(limited, made.id)
    assert await _opens(made.key)


async def test_a_platform_admin_makes_the_keys_of_another_tenants_people(
    actor: Actor, platform_admin: PlatformAdmin
) -> None:
    operator = await platform_admin()
    there = await acting_in(operator, actor.tenant_id, Permission.ADMIN)
    made = await keys.create(there, name="script", scopes=["use:chat", "write:documents"], user_id=actor.user_id)

    found = await authentication.actor_of_key(made.key)
    assert found is not None
    assert (found.tenant_id, found.user_id) == (actor.tenant_id, actor.user_id)
    assert (await _log(actor))[-1].actor_name == operator.email


async def test_a_tenants_admin_does_not_come_by_a_platform_admins_key(
    actor: Actor, platform_admin: PlatformAdmin
) -> None:
    operator = await platform_admin(tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await keys.create(actor, name="mine", scopes=["admin"], user_id=operator.user_id)
    own = await keys.create(operator, name="own", scopes=["admin"], user_id=operator.user_id)
    found = await authentication.actor_of_key(own.key)
    assert found is not None
    assert found.may(Permission.PLATFORM)
    with pytest.raises(NotPermitted):
        await keys.rotate(actor, own.id)
    with pytest.raises(NotPermitted):
        await keys.change(actor, own.id, {"expires_at": utc_now() + timedelta(days=1)})
    assert await _opens(own.key)
    service = await keys.create(operator, name="service", scopes=["admin"])
    found = await authentication.actor_of_key(service.key)
    assert found is not None
    assert not found.may(Permission.PLATFORM)
    await keys.revoke(actor, own.id)
    assert not await _opens(own.key)


async def test_a_key_does_not_become_a_platform_admins_with_its_person(
    actor: Actor, make_actor: MakeActor, platform_admin: PlatformAdmin
) -> None:
    operator = await platform_admin()
    friend = await make_actor(tenant=actor.tenant_id)
    service = await keys.create(actor, name="service", scopes=["admin"])
    robot = await authentication.actor_of_key(service.key)
    assert robot is not None
    there = await acting_in(operator, actor.tenant_id, Permission.ADMIN)
    made = {
        "by a colleague": await keys.create(actor, name="a", scopes=["admin"], user_id=friend.user_id),
        "by a service": await keys.create(robot, name="b", scopes=["admin"], user_id=friend.user_id),
        "by themselves": await keys.create(friend, name="c", scopes=["admin"], user_id=friend.user_id),
        "by a platform admin": await keys.create(there, name="d", scopes=["admin"], user_id=friend.user_id),
        "rotated by a colleague": await keys.create(friend, name="e", scopes=["admin"], user_id=friend.user_id),
    }
    made["rotated by a colleague"] = await keys.rotate(actor, made["rotated by a colleague"].id)
    assert friend.user_id is not None
    await users.update(operator, friend.user_id, is_platform_admin=True)

    found = {how: await authentication.actor_of_key(each.key) for how, each in made.items()}

    assert {how for how, each in found.items() if each is not None and each.may(Permission.PLATFORM)} == set()
    assert all(each is not None and each.may(Permission.ADMIN) for each in found.values())
    promoted = replace(friend, permissions=friend.permissions | {Permission.PLATFORM})
    rotated = await authentication.actor_of_key((await keys.rotate(promoted, made["by themselves"].id)).key)
    assert rotated is not None
    assert rotated.may(Permission.PLATFORM)


async def test_a_key_never_becomes_more_than_it_was_when_it_was_made(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    member = await make_actor(roles=[Role.MEMBER], tenant=actor.tenant_id)
    theirs = await make_actor(roles=[Role.MEMBER], tenant=other_actor.tenant_id)
    made = [
        (admin, person, await keys.create(admin, name="script", scopes=["admin"], user_id=person.user_id))
        for admin, person in ((actor, member), (other_actor, theirs))
    ]
    assert member.user_id is not None
    await memberships.update_user(actor, actor.tenant_id, member.user_id, roles=["content_owner", "reviewer"])

    for _, _, key in made:
        found = await authentication.actor_of_key(key.key)
        assert found is not None
        assert found.permissions == ROLE_PERMISSIONS[Role.MEMBER]
    rotated = await authentication.actor_of_key((await keys.rotate(actor, made[0][2].id)).key)
    assert rotated is not None
    assert rotated.permissions == ROLE_PERMISSIONS[Role.CONTENT_OWNER] | ROLE_PERMISSIONS[Role.REVIEWER]
    await memberships.update_user(actor, actor.tenant_id, member.user_id, roles=["reviewer"])
    found = await authentication.actor_of_key(made[1][2].key)
    assert found is not None
    assert found.permissions == ROLE_PERMISSIONS[Role.MEMBER]


async def test_a_key_is_made_for_people_of_the_tenant_only(actor: Actor, other_actor: Actor) -> None:
    for user_id in (other_actor.user_id, uuid4()):
        with pytest.raises(NotFound) as caught:
            await keys.create(actor, name="script", scopes=["use:chat"], user_id=user_id)
        assert caught.value.param == "user_id"


async def test_an_owner_is_found_by_address_in_the_tenant_only(actor: Actor, other_actor: Actor) -> None:
    assert await keys.find_owner(actor, actor.email.upper()) == actor.user_id
    for address in (other_actor.email, "nobody@example.org"):
        with pytest.raises(InvalidInput) as caught:
            await keys.find_owner(actor, address)
        assert caught.value.param == "email"


async def test_a_rotated_key_opens_for_its_grace_only(actor: Actor) -> None:
    made = await keys.create(actor, name="script", scopes=["use:chat"])

    second = await keys.rotate(actor, made.id, grace_hours=24)
    assert (second.id, second.name, second.scopes) == (made.id, made.name, made.scopes)
    assert await _opens(made.key)
    assert await _opens(second.key)
    view = await keys.get(actor, made.id)
    assert view.previous_expires_at is not None
    assert view.prefix == second.prefix

    await _set(made, previous_expires_at=utc_now() - timedelta(seconds=1))
    assert not await _opens(made.key)
    assert await _opens(second.key)
    assert (await keys.get(actor, made.id)).previous_expires_at is None

    third = await keys.rotate(actor, made.id)
    assert [await _opens(each.key) for each in (made, second, third)] == [False, False, True]
    fourth = await keys.rotate(actor, made.id, grace_hours=1)
    fifth = await keys.rotate(actor, made.id, grace_hours=1)
    assert [await _opens(each.key) for each in (third, fourth, fifth)] == [False, True, True]
    await keys.revoke(actor, made.id)
    assert [await _opens(each.key) for each in (fourth, fifth)] == [False, False]


@pytest.mark.parametrize("hours", [-1, 169])
async def test_the_grace_is_a_week_at_most(actor: Actor, hours: int) -> None:
    made = await keys.create(actor, name="script", scopes=["use:chat"])
    with pytest.raises(InvalidInput) as caught:
        await keys.rotate(actor, made.id, grace_hours=hours)
    assert caught.value.param == "grace_hours"
    assert await _opens(made.key)


async def test_a_key_that_ended_is_not_rotated(actor: Actor) -> None:
    expired = await keys.create(actor, name="script", scopes=["use:chat"])
    await _set(expired, expires_at=utc_now() - timedelta(seconds=1))
    revoked = await keys.create(actor, name="script", scopes=["use:chat"])
    await keys.revoke(actor, revoked.id)

    assert not await _opens(expired.key)
    for made in (expired, revoked):
        with pytest.raises(Conflict):
            await keys.rotate(actor, made.id)
    with pytest.raises(Conflict):
        await keys.change(actor, revoked.id, {"name": "again"})
    await keys.change(actor, expired.id, {"expires_at": None})
    assert await _opens(expired.key)


async def test_a_revoked_key_is_refused_at_once(actor: Actor) -> None:
    made = await keys.create(actor, name="script", scopes=["admin"])
    await authentication.actor_of_key(made.key)

    await keys.revoke(actor, made.id)

    assert await authentication.actor_of_key(made.key) is None
    assert (await keys.get(actor, made.id)).state == "revoked"
    with pytest.raises(NotFound):
        await keys.revoke(actor, made.id)
    assert [row.action for row in await _log(actor)] == ["key.created", "key.revoked"]


async def test_a_keys_name_and_end_change_and_the_log_has_both(actor: Actor) -> None:
    made = await keys.create(actor, name="script", scopes=["use:chat"])
    end = utc_now() + timedelta(days=30)

    changed = await keys.change(actor, made.id, {"name": "Night job", "expires_at": end})

    assert (changed.name, changed.expires_at) == ("Night job", end)
    await keys.change(actor, made.id, {})
    lines = [row for row in await _log(actor) if row.action == "key.changed"]
    assert len(lines) == 1
    assert lines[0].before is not None
    assert lines[0].after is not None
    assert (lines[0].before["name"], lines[0].after["name"]) == ("script", "Night job")


async def test_keys_are_filtered_sorted_and_told_apart_by_state(actor: Actor, make_actor: MakeActor) -> None:
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    made = {
        name: await keys.create(
            actor, name=name, scopes=["use:chat"], user_id=member.user_id if name == "away" else None
        )
        for name in ("used", "unused", "expired", "revoked", "away")
    }
    await _set(made["used"], last_used_at=utc_now())
    await _set(made["expired"], expires_at=utc_now() - timedelta(seconds=1), scopes=["use:chat", "read:metrics"])
    await keys.revoke(actor, made["revoked"].id)
    async with system_transaction() as tx:
        statement = update(MembershipTable).where(col(MembershipTable.user_id) == member.user_id)
        await tx.session.execute(statement.values(is_disabled=True))

    async def names(**wanted: str) -> list[str]:
        return [view.name for view in (await keys.list_keys(actor, wanted)).items]

    states = {view.name: view.state for view in (await keys.list_keys(actor, {})).items}
    assert states == {
        "used": "active",
        "unused": "active",
        "expired": "expired",
        "revoked": "revoked",
        "away": "owner_away",
    }
    assert await names(state="active,expired", order="name") == ["expired", "unused", "used"]
    assert await names(q=member.email[:8]) == ["away"]
    assert await names(user_id=str(member.user_id)) == ["away"]
    assert await names(**{"scopes.has": "metrics"}) == ["expired"]
    assert (await names(order="-last_used_at"))[0] == "used"
    assert (await names(order="expires_at"))[0] == "expired"
    assert await names(**{"last_used_at.from": "2020-01-01"}) == ["used"]
    first = await keys.list_keys(actor, {"order": "expires_at", "limit": "2"})
    rest = await keys.list_keys(actor, {"order": "expires_at", "limit": "9", "after": first.next_cursor or ""})
    assert len({view.id for view in (*first.items, *rest.items)}) == 5


async def test_another_tenants_keys_are_neither_listed_nor_changed(actor: Actor, other_actor: Actor) -> None:
    made = await keys.create(actor, name="script", scopes=["admin"])

    assert (await keys.list_keys(other_actor, {})).items == []
    for call in (
        keys.get(other_actor, made.id),
        keys.revoke(other_actor, made.id),
        keys.rotate(other_actor, made.id),
        keys.change(other_actor, made.id, {"name": "mine"}),
    ):
        with pytest.raises(NotFound):
            await call
    assert await _opens(made.key)


async def test_members_neither_list_nor_change_keys_and_auditors_only_list(actor: Actor, make_actor: MakeActor) -> None:
    made = await keys.create(actor, name="script", scopes=["admin"])
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    auditor = await make_actor({Permission.READ_ADMIN}, tenant=actor.tenant_id)

    with pytest.raises(NotPermitted):
        await keys.list_keys(member, {})
    assert len((await keys.list_keys(auditor, {})).items) == 1
    for who in (member, auditor):
        for call in (
            keys.create(who, name="mine", scopes=["use:chat"]),
            keys.rotate(who, made.id),
            keys.revoke(who, made.id),
            keys.change(who, made.id, {"name": "mine"}),
        ):
            with pytest.raises(NotPermitted):
                await call
    assert await _opens(made.key)


async def test_a_key_made_on_the_command_line_is_its_persons(actor: Actor) -> None:
    made = await keys.create_key(email=actor.email, name="script", scopes=["use:chat"])

    found = await authentication.actor_of_key(made.key)

    assert found is not None
    assert (found.user_id, found.tenant_id) == (actor.user_id, actor.tenant_id)
    assert made.key.startswith(made.prefix)
    listed = (await keys.list_keys(actor, {})).items
    assert [(key.name, key.scopes) for key in listed] == [("script", ("use:chat",))]


async def test_a_key_of_the_command_line_is_made_where_it_is_wanted(actor: Actor, other_actor: Actor) -> None:
    made = await keys.create_key(email=None, name="script", scopes=["use:chat"], tenant_id=other_actor.tenant_id)
    found = await authentication.actor_of_key(made.key)
    assert found is not None
    assert found.tenant_id == other_actor.tenant_id
    with pytest.raises(NotFound, match="not in this tenant"):
        await keys.create_key(email=actor.email, name="script", scopes=["use:chat"], tenant_id=other_actor.tenant_id)


@pytest.mark.parametrize("days", [0, -5, 3_651, 99_999_999_999])
async def test_a_key_that_never_lives_or_outlives_everybody_is_not_made(actor: Actor, days: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 3650 days"):
        await keys.create_key(email=actor.email, name="script", scopes=["use:chat"], expires_in_days=days)
    assert (await keys.list_keys(actor, {})).items == []


async def test_a_key_ends_after_its_days(actor: Actor) -> None:
    await keys.create_key(email=actor.email, name="script", scopes=["use:chat"], expires_in_days=1)
    (key,) = (await keys.list_keys(actor, {})).items
    assert key.expires_at is not None
    assert 23 < (key.expires_at - utc_now()).total_seconds() / 3600 <= 24


async def test_nobodys_key_is_not_made(database: AsyncEngine) -> None:
    with pytest.raises(NotFound):
        await keys.create_key(email="nobody@example.org", name="script", scopes=["admin"])
    with pytest.raises(NotFound):
        await keys.create_key(email=None, name="script", scopes=["admin"])
