from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import collections, groups
from chatapp.store.database import transaction
from chatapp.store.grants import Grant
from chatapp.store.tables import AuditTable
from tests.fixtures.people import MakeActor

pytestmark = pytest.mark.usefixtures("database")

READER = frozenset({Permission.READ_ADMIN})


@pytest.fixture
async def colleague(actor: Actor, make_actor: MakeActor) -> Actor:
    return await make_actor(
        {Permission.CHAT, Permission.READ_DOCUMENTS}, tenant=actor.tenant_id, email="grace@example.org"
    )


async def lines(actor: Actor, action: str) -> list[AuditTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.scalars(select(AuditTable).where(AuditTable.action == action))).all())


async def test_a_group_is_made_listed_renamed_and_deleted(actor, colleague):
    made = await groups.create(actor, name=" Finance ", description="Books", user_ids=[colleague.user_id])
    assert (made.name, made.description, made.members, made.collections) == ("Finance", "Books", 1, 0)
    await collections.create(actor, name="Budgets", granted=[Grant("group", str(made.id))])

    (listed,) = (await groups.list_groups(actor, {})).items
    assert (listed.members, listed.collections) == (1, 1)
    (member,) = (await groups.list_members(actor, made.id, {})).items
    assert (member.id, member.email, member.status) == (colleague.user_id, colleague.email, "active")

    renamed = await groups.change(actor, made.id, name="Controlling")
    assert (renamed.name, renamed.description) == ("Controlling", "Books")
    await groups.delete(actor, made.id)
    assert (await groups.list_groups(actor, {})).items == []

    (created,) = await lines(actor, "group.created")
    assert created.after == {"name": "Finance", "description": "Books", "members": ["grace@example.org"]}
    (changed,) = await lines(actor, "group.changed")
    assert (changed.before or {})["name"] == "Finance"
    assert (changed.after or {})["name"] == "Controlling"
    (deleted,) = await lines(actor, "group.deleted")
    assert (deleted.before or {})["members"] == 1


async def test_people_are_put_in_and_taken_out_in_one_go(actor, colleague, make_actor):
    others = [(await make_actor(set(), tenant=actor.tenant_id)).user_id for _ in range(3)]
    group = await groups.create(actor, name="Finance", user_ids=others[:1])

    added = await groups.add_members(actor, group.id, [*others, colleague.user_id, colleague.user_id])
    assert (added.changed, added.members) == (3, 4)
    again = await groups.add_members(actor, group.id, others)
    assert (again.changed, again.members) == (0, 4)
    removed = await groups.remove_members(actor, group.id, [*others, uuid4()])
    assert (removed.changed, removed.members) == (3, 1)

    assert len(await lines(actor, "group.members_added")) == 1
    (line,) = await lines(actor, "group.members_removed")
    assert len((line.before or {})["members"]) == 3


async def test_a_group_of_somebody_who_is_not_here_is_not_made(actor, other_actor):
    group = await groups.create(actor, name="Finance")
    for user_ids in ([other_actor.user_id], [actor.user_id, uuid4()]):
        with pytest.raises(InvalidInput) as refused:
            await groups.add_members(actor, group.id, user_ids)
        assert refused.value.param == "user_ids"
        with pytest.raises(InvalidInput):
            await groups.create(actor, name="Other", user_ids=user_ids)
    assert [view.members for view in (await groups.list_groups(actor, {})).items] == [0]


@pytest.mark.parametrize("name", ["", "  \x00 ", "x" * 121])
async def test_a_name_that_is_none_is_refused(actor, name):
    with pytest.raises(InvalidInput) as refused:
        await groups.create(actor, name=name)
    assert refused.value.param == "name"


async def test_two_groups_of_one_name_are_refused_but_in_two_tenants(actor, other_actor):
    await groups.create(actor, name="Finance")
    other = await groups.create(actor, name="People")
    with pytest.raises(Conflict):
        await groups.create(actor, name="FINANCE")
    with pytest.raises(Conflict):
        await groups.change(actor, other.id, name="finance")
    assert (await groups.change(actor, other.id, name="PEOPLE")).name == "PEOPLE"
    assert (await groups.create(other_actor, name="Finance")).name == "Finance"


async def test_another_tenants_group_is_not_found(actor, other_actor, colleague):
    group = await groups.create(actor, name="Finance")
    for call in (
        groups.get(other_actor, group.id),
        groups.list_members(other_actor, group.id, {}),
        groups.change(other_actor, group.id, name="Mine"),
        groups.add_members(other_actor, group.id, [other_actor.user_id]),
        groups.remove_members(other_actor, group.id, [colleague.user_id]),
        groups.delete(other_actor, group.id),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await groups.list_groups(other_actor, {})).items == []


async def test_who_may_only_look_changes_nothing_and_a_member_sees_nothing(actor, colleague, make_actor):
    group = await groups.create(actor, name="Finance")
    auditor = await make_actor(READER, tenant=actor.tenant_id)
    assert (await groups.get(auditor, group.id)).name == "Finance"
    for who in (auditor, colleague):
        for call in (
            groups.create(who, name="Other"),
            groups.change(who, group.id, name="Other"),
            groups.add_members(who, group.id, [who.user_id]),
            groups.remove_members(who, group.id, [who.user_id]),
            groups.delete(who, group.id),
        ):
            with pytest.raises(NotPermitted):
                await call
    for call in (groups.list_groups(colleague, {}), groups.get(colleague, group.id)):
        with pytest.raises(NotPermitted):
            await call


async def test_the_list_is_searched_filtered_and_sorted(actor, colleague):
    for name in ("alpha", "Beta", "gamma"):
        await groups.create(actor, name=name, user_ids=[colleague.user_id] if name == "Beta" else [])

    async def names(**wanted: str) -> list[str]:
        return [view.name for view in (await groups.list_groups(actor, wanted)).items]

    assert await names() == ["alpha", "Beta", "gamma"]
    assert await names(order="-members") == ["Beta", *(await names(order="-members"))[1:]]
    assert await names(q="MM") == ["gamma"]
    assert await names(**{"members.from": "1"}) == ["Beta"]
    first = await groups.list_groups(actor, {"limit": "2"})
    rest = await groups.list_groups(actor, {"limit": "2", "after": first.next_cursor or ""})
    assert [view.name for view in rest.items] == ["gamma"]
