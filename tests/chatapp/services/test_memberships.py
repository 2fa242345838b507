from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlmodel import col, select, update

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import authentication, invitations, memberships
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import (
    ApiKeyTable,
    AuditTable,
    CollectionGrantTable,
    CollectionTable,
    ConversationTable,
    GroupMemberTable,
    GroupTable,
    MembershipTable,
    SessionTable,
    UserTable,
)
from tests.fixtures.credentials import SignInAs
from tests.fixtures.people import MakeActor
from tests.fixtures.sign_in import ActionsOf, token_of

MEMBER = {Permission.CHAT}

pytestmark = pytest.mark.usefixtures("sign_in_counted")


def id_of(actor: Actor):
    assert actor.user_id is not None
    return actor.user_id


async def open_sessions(actor: Actor) -> int:
    async with system_transaction(readonly=True) as tx:
        query = select(SessionTable).where(
            col(SessionTable.user_id) == actor.user_id, col(SessionTable.revoked_at).is_(None)
        )
        return len((await tx.session.execute(query)).all())


async def join(person: Actor, tenant: Actor, roles: list[str] | None = None) -> None:
    """Make a person a member of a second tenant."""
    async with transaction(tenant) as tx:
        tx.session.add(
            MembershipTable(
                tenant_id=tenant.tenant_id, user_id=id_of(person), roles=roles or ["member"], accepted_at=utc_now()
            )
        )


async def test_a_tenants_people_are_listed_and_nobody_elses(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    colleague = await make_actor(MEMBER, tenant=actor.tenant_id)
    stranger = await make_actor(MEMBER, tenant=other_actor.tenant_id)

    page = await memberships.list_users(actor, actor.tenant_id, {})
    probed = await memberships.list_users(actor, actor.tenant_id, {"id": str(stranger.user_id)})

    assert {each.id for each in page.items} == {actor.user_id, colleague.user_id}
    assert [each.email for each in page.items] == sorted(each.email for each in page.items)
    assert probed.items == []
    with pytest.raises(NotFound):
        await memberships.list_users(actor, other_actor.tenant_id, {})
    with pytest.raises(NotFound):
        await memberships.get_user(actor, actor.tenant_id, id_of(stranger))


async def test_people_are_found_by_role_status_and_words(actor: Actor, make_actor: MakeActor) -> None:
    owner = await make_actor(MEMBER, tenant=actor.tenant_id, email="owner@example.org")
    await memberships.update_user(actor, actor.tenant_id, id_of(owner), roles=["content_owner", "reviewer"])
    gone = await make_actor(MEMBER, tenant=actor.tenant_id, email="gone@example.org")
    await memberships.update_user(actor, actor.tenant_id, id_of(gone), is_disabled=True)
    await invitations.invite(actor, actor.tenant_id, email="new@example.org", roles=["auditor"], name="New")

    async def emails(**wanted: str) -> list[str]:
        page = await memberships.list_users(actor, actor.tenant_id, wanted)
        return [each.email for each in page.items]

    assert await emails(roles="reviewer") == ["owner@example.org"]
    assert await emails(roles="auditor,content_owner") == ["new@example.org", "owner@example.org"]
    assert await emails(status="disabled,invited") == ["gone@example.org", "new@example.org"]
    assert await emails(q="OWNER@") == ["owner@example.org"]
    assert len(await emails(order="-created_at", limit="2")) == 2
    for wanted in (
        {"roles": "boss"},
        {"status": "away"},
        {"order": "roles"},
        {"password_hash": "x"},
        {"roles.has": "a"},
    ):
        with pytest.raises(InvalidInput):
            await emails(**wanted)


async def test_an_auditor_sees_people_and_changes_nobody(actor: Actor, make_actor: MakeActor) -> None:
    auditor = replace(actor, user_id=uuid4(), permissions=frozenset({Permission.READ_ADMIN}))
    colleague = id_of(await make_actor(MEMBER, tenant=actor.tenant_id))
    tenant_id = actor.tenant_id

    assert len((await memberships.list_users(auditor, tenant_id, {})).items) == 2
    for refused in (
        memberships.update_user(auditor, tenant_id, colleague, roles=["admin"]),
        memberships.remove_user(auditor, tenant_id, colleague),
        memberships.sign_out_user(auditor, tenant_id, colleague),
        invitations.invite(auditor, tenant_id, email="a@example.org", roles=["member"]),
        invitations.renew(auditor, tenant_id, colleague),
        invitations.reset_link(auditor, tenant_id, colleague),
    ):
        with pytest.raises(NotPermitted):
            await refused
    with pytest.raises(NotPermitted):
        await memberships.list_users(replace(auditor, permissions=frozenset(MEMBER)), tenant_id, {})


async def test_another_tenants_person_is_out_of_reach(actor: Actor, other_actor: Actor, make_actor: MakeActor) -> None:
    stranger = id_of(await make_actor(MEMBER, tenant=other_actor.tenant_id))

    for tenant_id in (actor.tenant_id, other_actor.tenant_id):
        for refused in (
            memberships.update_user(actor, tenant_id, stranger, roles=["admin"]),
            memberships.remove_user(actor, tenant_id, stranger),
            memberships.sign_out_user(actor, tenant_id, stranger),
            invitations.renew(actor, tenant_id, stranger),
            invitations.reset_link(actor, tenant_id, stranger),
        ):
            with pytest.raises(NotFound):
                await refused

    assert (await memberships.get_user(other_actor, other_actor.tenant_id, stranger)).user.roles == ("member",)


@pytest.mark.parametrize("change", [{"roles": ["reviewer"]}, {"is_disabled": True}])
async def test_sign_ins_end_with_the_roles_they_were_made_for(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, change: dict
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await join(person, other_actor)
    cookie = (await sign_in_as(person))["Cookie"].partition("=")[2]
    elsewhere = (await sign_in_as(replace(person, tenant_id=other_actor.tenant_id)))["Cookie"].partition("=")[2]
    assert await authentication.actor_of_session(cookie) is not None

    changed = await memberships.update_user(actor, actor.tenant_id, id_of(person), **change)

    assert await authentication.actor_of_session(cookie) is None
    assert await authentication.actor_of_session(elsewhere) is not None
    assert changed.user.status == ("disabled" if change.get("is_disabled") else "active")


async def test_a_change_is_in_the_log_with_before_and_after(actor: Actor, make_actor: MakeActor) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)

    await memberships.update_user(actor, actor.tenant_id, id_of(person), roles=["auditor", "auditor"], name=" Ada ")
    await memberships.update_user(actor, actor.tenant_id, id_of(person), roles=["auditor"], name="Ada")

    async with transaction(actor, readonly=True) as tx:
        row = (await tx.session.execute(select(AuditTable))).scalar_one()
    assert (row.action, row.subject_id, row.user_id) == ("user.changed", person.user_id, actor.user_id)
    assert row.before == {"roles": ["member"], "name": "Test Person"}
    assert row.after == {"roles": ["auditor"], "name": "Ada"}


async def test_nobody_changes_their_own_rights(actor: Actor, make_actor: MakeActor) -> None:
    await make_actor(tenant=actor.tenant_id)

    for refused in (
        memberships.update_user(actor, actor.tenant_id, id_of(actor), roles=["member"]),
        memberships.update_user(actor, actor.tenant_id, id_of(actor), is_disabled=True),
        memberships.remove_user(actor, actor.tenant_id, id_of(actor)),
    ):
        with pytest.raises(NotPermitted):
            await refused
    assert (await memberships.update_user(actor, actor.tenant_id, id_of(actor), name="Me")).user.name == "Me"


async def test_a_tenant_keeps_an_admin(actor: Actor, operator: Actor, make_actor: MakeActor) -> None:
    invited = await invitations.invite(actor, actor.tenant_id, email="next@example.org", roles=["admin"])
    disabled = await make_actor(tenant=actor.tenant_id)
    await memberships.update_user(actor, actor.tenant_id, id_of(disabled), is_disabled=True)

    for refused in (
        memberships.update_user(operator, actor.tenant_id, id_of(actor), roles=["member", "auditor"]),
        memberships.update_user(operator, actor.tenant_id, id_of(actor), is_disabled=True),
        memberships.remove_user(operator, actor.tenant_id, id_of(actor)),
    ):
        with pytest.raises(Conflict):
            await refused

    await authentication.redeem_link(token_of(invited.invite_link), "correct-horse-battery")
    await memberships.remove_user(operator, actor.tenant_id, id_of(actor))
    assert {each.id for each in (await memberships.list_users(operator, actor.tenant_id, {})).items} == {
        invited.id,
        disabled.user_id,
    }


async def test_two_admins_who_demote_each_other_at_once_leave_one(actor: Actor, make_actor: MakeActor) -> None:
    second = await make_actor(tenant=actor.tenant_id)

    outcomes = await asyncio.gather(
        memberships.update_user(actor, actor.tenant_id, id_of(second), roles=["member"]),
        memberships.update_user(second, actor.tenant_id, id_of(actor), roles=["member"]),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    assert len((await memberships.list_users(actor, actor.tenant_id, {"roles": "admin"})).items) == 1


@pytest.mark.parametrize("roles", [[], ["boss"], ["platform"], ["admin", "platform"], ["Admin"], [""]])
async def test_only_roles_there_are_can_be_given(actor: Actor, make_actor: MakeActor, roles: list[str]) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)

    with pytest.raises(InvalidInput) as refusal:
        await memberships.update_user(actor, actor.tenant_id, id_of(person), roles=roles)
    with pytest.raises(InvalidInput):
        await invitations.invite(actor, actor.tenant_id, email="a@example.org", roles=roles)

    assert refusal.value.param == "roles"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "\u202eadmin"])
async def test_a_name_is_a_name(actor: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await memberships.update_user(actor, actor.tenant_id, id_of(actor), name=name)

    assert refusal.value.param == "name"


async def test_a_person_of_two_tenants_is_renamed_by_themselves_only(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await join(person, other_actor)

    with pytest.raises(NotPermitted):
        await memberships.update_user(actor, actor.tenant_id, id_of(person), name="Mine")


async def test_roles_from_the_identity_provider_are_changed_there(actor: Actor, make_actor: MakeActor) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    async with system_transaction() as tx:
        await tx.session.execute(
            update(MembershipTable).where(col(MembershipTable.user_id) == person.user_id).values(is_managed=True)
        )

    with pytest.raises(Conflict):
        await memberships.update_user(actor, actor.tenant_id, id_of(person), roles=["admin"])
    assert (await memberships.update_user(actor, actor.tenant_id, id_of(person), is_disabled=True)).user.is_managed


async def test_who_is_removed_leaves_with_everything_that_let_them_in(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, actions_of: ActionsOf
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await join(person, other_actor)
    await sign_in_as(person)
    for tenant in (actor, other_actor):
        async with transaction(tenant) as tx:
            group, collection = GroupTable(tenant_id=tenant.tenant_id, name="G"), uuid4()
            tx.session.add(CollectionTable(id=collection, tenant_id=tenant.tenant_id, name="C"))
            tx.session.add(group)
            await tx.session.flush()
            rows = (
                GroupMemberTable(tenant_id=tenant.tenant_id, group_id=group.id, user_id=id_of(person)),
                CollectionGrantTable(
                    tenant_id=tenant.tenant_id,
                    collection_id=collection,
                    subject_kind="user",
                    subject=str(person.user_id),
                ),
                ApiKeyTable(
                    tenant_id=tenant.tenant_id, user_id=person.user_id, name="k", prefix="p", key_hash=uuid4().hex
                ),
                ConversationTable(tenant_id=tenant.tenant_id, user_id=person.user_id, title="Hers"),
            )
            tx.session.add_all(rows)

    await memberships.remove_user(actor, actor.tenant_id, id_of(person))

    async with system_transaction(readonly=True) as tx:
        for table in (GroupMemberTable, CollectionGrantTable, MembershipTable):
            left = (await tx.session.execute(select(table))).scalars().all()
            mine = [row for row in left if row.tenant_id == actor.tenant_id and row_is_of(row, person)]
            others = [row for row in left if row.tenant_id == other_actor.tenant_id and row_is_of(row, person)]
            assert (mine, len(others)) == ([], 1), table
        keys = {key.tenant_id: key.revoked_at for key in (await tx.session.execute(select(ApiKeyTable))).scalars()}
        conversations = (await tx.session.execute(select(ConversationTable))).all()
    assert keys[actor.tenant_id] is not None
    assert keys[other_actor.tenant_id] is None
    assert len(conversations) == 2
    assert await open_sessions(person) == 0
    assert await actions_of(actor) == ["user.removed"]
    assert await actions_of(other_actor) == []


def row_is_of(row: object, person: Actor) -> bool:
    return str(person.user_id) in {str(getattr(row, "user_id", "")), getattr(row, "subject", "")}


async def test_a_withdrawn_invitation_leaves_no_address_behind(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    nobody = await invitations.invite(actor, actor.tenant_id, email="nobody@example.org", roles=["member"])
    somebody = await make_actor(MEMBER, tenant=other_actor.tenant_id, email="somebody@example.org")
    same = await invitations.invite(actor, actor.tenant_id, email="somebody@example.org", roles=["member"])

    for user_id in (nobody.id, same.id):
        await memberships.remove_user(actor, actor.tenant_id, user_id)

    async with system_transaction(readonly=True) as tx:
        rows = (await tx.session.execute(select(UserTable.email, UserTable.id))).all()
    found = {email: user_id for email, user_id in rows}
    assert "nobody@example.org" not in found
    assert found["somebody@example.org"] == somebody.user_id


async def test_a_tenants_sign_ins_end_at_once(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs
) -> None:
    person = await make_actor(MEMBER, tenant=actor.tenant_id)
    await join(person, other_actor)
    for tenant in (actor, actor, other_actor):
        await sign_in_as(replace(person, tenant_id=tenant.tenant_id))

    seen = await memberships.get_user(actor, actor.tenant_id, id_of(person))
    ended = await memberships.sign_out_user(actor, actor.tenant_id, id_of(person))

    assert (len(seen.sign_ins), ended, await open_sessions(person)) == (2, 2, 1)
