from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from chatapp.domain import Actor, Permission, Role, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import collections, grants, groups, subjects
from chatapp.store.database import system_transaction, transaction
from chatapp.store.grants import EVERYONE_WRITES, Grant
from chatapp.store.tables import ApiKeyTable, AuditTable, CollectionTable, MembershipTable, UserTable
from tests.fixtures.people import MakeActor

pytestmark = pytest.mark.usefixtures("database")

MEMBER = frozenset({Permission.CHAT, Permission.READ_DOCUMENTS})


@pytest.fixture
async def colleague(actor: Actor, make_actor: MakeActor) -> Actor:
    return await make_actor(MEMBER, tenant=actor.tenant_id, email="grace@example.org")


async def make_service(actor: Actor, *scopes: str) -> ApiKeyTable:
    row = ApiKeyTable(
        tenant_id=actor.tenant_id, name="robot", prefix="sk-ab", key_hash=uuid4().hex, scopes=list(scopes)
    )
    async with transaction(actor) as tx:
        tx.session.add(row)
    return row


async def readable(who: Actor) -> list[str]:
    async with transaction(who, readonly=True) as tx:
        return list((await tx.session.scalars(select(CollectionTable.name).order_by(CollectionTable.name))).all())


async def test_a_new_collection_is_everyones_and_its_grants_can_be_replaced(actor, colleague):
    made = await collections.create(actor, name="Reports")
    assert await readable(colleague) == ["Reports"]

    done = await grants.set_grants(actor, made.id, [Grant("user", str(actor.user_id), "write")], reason="Confidential")
    assert [(view.subject_kind, view.name, view.access) for view in done.grants] == [("user", "Test Person", "write")]
    assert (done.change.readers, done.change.lost, done.change.gained) == (1, 1, 0)
    assert done.change.warning == ""
    assert await readable(colleague) == []

    async with transaction(actor, readonly=True) as tx:
        line = (await tx.session.scalars(select(AuditTable).where(AuditTable.action == "collection.granted"))).one()
    assert [grant["subject_kind"] for grant in (line.before or {})["grants"]] == ["everyone"]
    assert [grant["name"] for grant in (line.after or {})["grants"]] == ["Test Person"]
    assert line.reason == "Confidential"


async def test_setting_the_same_again_changes_nothing_and_leaves_no_line(actor):
    made = await collections.create(actor, name="Reports")
    await grants.set_grants(actor, made.id, [EVERYONE_WRITES])
    async with transaction(actor, readonly=True) as tx:
        assert (
            await tx.session.scalars(select(AuditTable).where(AuditTable.action == "collection.granted"))
        ).all() == []


async def test_an_admin_grants_what_they_may_not_read_and_grants_it_back(actor, colleague):
    made = await collections.create(actor, name="Reports")
    await grants.set_grants(actor, made.id, [Grant("user", str(colleague.user_id))])
    with pytest.raises(NotFound):
        await collections.get(actor, made.id)

    (listed,) = (await grants.list_collections(actor, {})).items
    assert (listed.name, listed.readers, listed.is_restricted) == ("Reports", "Test Person", True)
    await grants.set_grants(actor, made.id, [EVERYONE_WRITES])
    assert (await collections.get(actor, made.id)).name == "Reports"


async def test_a_preview_says_who_gains_and_who_loses_and_changes_nothing(actor, colleague, make_actor):
    other = await make_actor(MEMBER, tenant=actor.tenant_id)
    group = await groups.create(actor, name="Finance", user_ids=[other.user_id])
    made = await collections.create(actor, name="Reports", granted=[Grant("user", str(colleague.user_id))])

    wanted = [Grant("group", str(group.id)), Grant("role", "admin", "write")]
    change = await grants.preview(actor, made.id, wanted)
    assert (change.readers, change.gained, change.lost) == (2, 1, 1)
    assert change.lost_names == change.gained_names == ["Test Person"]
    assert await readable(colleague) == ["Reports"]
    assert await readable(other) == []
    await grants.set_grants(actor, made.id, wanted)
    assert await readable(colleague) == []
    assert await readable(other) == ["Reports"]


async def test_a_collection_that_nobody_can_change_or_read_any_more_comes_with_a_warning(actor, colleague):
    made = await collections.create(actor, name="Reports")
    # A member has no right to write documents, whatever the grant says.
    for wanted, word in (([], "read"), ([Grant("user", str(colleague.user_id), "write")], "change")):
        assert word in (await grants.preview(actor, made.id, wanted)).warning
        assert (await grants.set_grants(actor, made.id, wanted)).change.warning
    service = await make_service(actor, "write:documents")
    assert (await grants.preview(actor, made.id, [Grant("key", str(service.id), "write")])).warning == ""


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ([Grant("somebody", "", "read")], "grants.0.subject_kind"),
        ([Grant("everyone", "", "own")], "grants.0.access"),
        ([Grant("role", "boss", "read")], "grants.0.subject"),
        ([Grant("everyone", ""), Grant("user", "x")], "grants.1.subject"),
        ([Grant("user", str(uuid4()))], "grants.0.subject"),
        ([Grant("group", str(uuid4()))], "grants.0.subject"),
        ([Grant("key", str(uuid4()))], "grants.0.subject"),
        ([Grant("everyone", "", "read"), Grant("everyone", "x", "write")], "grants.1"),
        ([Grant("everyone", "")] * 201, "grants"),
    ],
)
async def test_a_grant_that_cannot_be_given_is_named_and_nothing_changes(actor, colleague, wanted, param):
    made = await collections.create(actor, name="Reports")
    for call in (grants.set_grants, grants.preview):
        with pytest.raises(InvalidInput) as refused:
            await call(actor, made.id, wanted)
        assert refused.value.param == param
    with pytest.raises(InvalidInput):
        await collections.create(actor, name="Other", granted=wanted)
    assert await readable(colleague) == ["Reports"]


async def test_another_tenants_people_groups_and_keys_cannot_be_granted_to(actor, other_actor):
    made = await collections.create(actor, name="Reports")
    group = await groups.create(other_actor, name="Finance")
    service = await make_service(other_actor, "use:chat")
    mine = await make_service(actor, "use:chat")
    async with transaction(actor) as tx:
        own = ApiKeyTable(
            tenant_id=actor.tenant_id, name="mine", prefix="sk", key_hash=uuid4().hex, user_id=actor.user_id
        )
        tx.session.add(own)
    for kind, subject in (
        ("user", other_actor.user_id),
        ("group", group.id),
        ("key", service.id),
        ("key", own.id),
    ):
        with pytest.raises(InvalidInput):
            await grants.set_grants(actor, made.id, [Grant(kind, str(subject))])
    await grants.set_grants(actor, made.id, [Grant("key", str(mine.id).upper())])
    robot = Actor(actor.tenant_id, None, MEMBER, key_id=mine.id)
    assert await readable(robot) == ["Reports"]


async def test_another_tenants_collection_is_not_found(actor, other_actor):
    made = await collections.create(actor, name="Reports")
    for call in (
        grants.get_collection(other_actor, made.id),
        grants.list_readers(other_actor, made.id, {}),
        grants.preview(other_actor, made.id, []),
        grants.set_grants(other_actor, made.id, []),
        grants.what_may_be_read(other_actor, actor.user_id),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await grants.list_collections(other_actor, {})).items == []
    assert await readable(actor) == ["Reports"]


async def test_only_admins_change_grants_and_only_who_may_see_the_set_up_sees_them(actor, make_actor):
    made = await collections.create(actor, name="Reports")
    auditor = await make_actor({Permission.READ_ADMIN}, tenant=actor.tenant_id)
    owner = await make_actor(MEMBER | {Permission.WRITE_DOCUMENTS}, tenant=actor.tenant_id)
    assert (await grants.get_collection(auditor, made.id)).readers == "Everyone"
    for who in (auditor, owner):
        for call in (grants.set_grants(who, made.id, []), grants.preview(who, made.id, [])):
            with pytest.raises(NotPermitted):
                await call
    for call in (
        grants.list_collections(owner, {}),
        grants.get_collection(owner, made.id),
        grants.list_readers(owner, made.id, {}),
        grants.what_may_be_read(owner, actor.user_id),
    ):
        with pytest.raises(NotPermitted):
            await call


async def test_who_may_read_and_what_a_person_may_read_agree_with_the_wall(actor, make_actor):
    """For many people and grants: what is explained is what holds."""
    roles = [[Role.MEMBER], [Role.CONTENT_OWNER], [Role.REVIEWER, Role.MEMBER], [Role.AUDITOR], []]
    people = [await make_actor(MEMBER, tenant=actor.tenant_id) for _ in roles]
    async with system_transaction() as tx:
        for person, names in zip(people, roles, strict=True):
            place = (
                await tx.session.scalars(select(MembershipTable).where(MembershipTable.user_id == person.user_id))
            ).one()
            place.roles = [str(name) for name in names]
    group = await groups.create(actor, name="Finance", user_ids=[people[0].user_id, people[4].user_id])
    wanted = {
        "all": [Grant("everyone", "")],
        "role": [Grant("role", "reviewer"), Grant("role", "content_owner", "write")],
        "group": [Grant("group", str(group.id), "write")],
        "person": [Grant("user", str(people[3].user_id)), Grant("user", str(people[4].user_id), "write")],
        "none": [],
    }
    made = {name: await collections.create(actor, name=name) for name in wanted}
    for name, granted in wanted.items():
        await grants.set_grants(actor, made[name].id, granted)

    from chatapp.services import authentication

    for person in people:
        now = await authentication.actor_now(tenant_id=actor.tenant_id, user_id=person.user_id, key_id=None)
        assert now is not None
        held = await readable(now)
        explained = await grants.what_may_be_read(actor, person.user_id)
        assert [view.name for view in explained] == held
        assert all(view.through for view in explained)
        assert (
            {view.name for view in explained if view.can_write}
            == {view.name for view in await collections.list_readable(now) if view.can_write}
            if now.may(Permission.READ_DOCUMENTS)
            else True
        )
        for name, collection in made.items():
            readers = {view.id: view for view in (await grants.list_readers(actor, collection.id, {})).items}
            assert (person.user_id in readers) == (name in held)


async def test_readers_are_named_with_their_reasons_services_among_them(actor, colleague):
    service = await make_service(actor, "use:chat")
    await make_service(actor, "read:traces")
    group = await groups.create(actor, name="Finance", user_ids=[colleague.user_id])
    made = await collections.create(
        actor, name="Reports", granted=[Grant("group", str(group.id)), Grant("key", str(service.id), "write")]
    )
    readers = {view.detail: view for view in (await grants.list_readers(actor, made.id, {})).items}
    assert readers["grace@example.org"].through == ["the group Finance"]
    assert not readers["grace@example.org"].can_write
    assert readers[actor.email].through == ["a grant of their own"]
    assert readers[actor.email].can_write
    # Its scopes do not let it write, whatever the grant says.
    assert (readers["sk-ab…"].subject_kind, readers["sk-ab…"].can_write) == ("key", False)
    assert (await grants.get_collection(actor, made.id)).readers == "Finance, Test Person and robot"


async def test_a_grant_to_a_key_that_ended_reaches_nobody_and_is_in_nobodys_way(actor):
    service = await make_service(actor, "use:chat")
    held = [Grant("user", str(actor.user_id), "write"), Grant("key", str(service.id))]
    made = await collections.create(actor, name="Reports", granted=held[1:])
    async with transaction(actor) as tx:
        row = await tx.session.get(ApiKeyTable, service.id)
        assert row is not None
        row.revoked_at = utc_now()
    assert (await grants.preview(actor, made.id, held)).keys == []
    assert len((await grants.set_grants(actor, made.id, [*held, Grant("role", "auditor")])).grants) == 3
    assert await subjects.search(actor, "robot", is_complete=True) == []


async def test_somebody_disabled_or_only_invited_reads_nothing(actor, colleague):
    made = await collections.create(actor, name="Reports")
    for change in ({"is_disabled": True}, {"accepted_at": None, "is_disabled": False}):
        async with transaction(actor) as tx:
            place = (
                await tx.session.scalars(select(MembershipTable).where(MembershipTable.user_id == colleague.user_id))
            ).one()
            for name, value in change.items():
                setattr(place, name, value)
        assert await grants.what_may_be_read(actor, colleague.user_id) == []
        assert [view.id for view in (await grants.list_readers(actor, made.id, {})).items] == [actor.user_id]


async def test_who_makes_a_collection_for_some_keeps_writing_it(actor, colleague, make_actor):
    owner = await make_actor(MEMBER | {Permission.WRITE_DOCUMENTS}, tenant=actor.tenant_id)
    made = await collections.create(owner, name="Plans", granted=[Grant("user", str(colleague.user_id))])
    assert made.can_write
    assert made.is_restricted
    assert await readable(colleague) == ["Plans"]
    assert await readable(actor) == []
    only_me = await collections.create(owner, name="Drafts", granted=[])
    assert (only_me.can_write, only_me.readers) == (True, "Test Person")
    # Named as a reader by themselves, they still write.
    named = await collections.create(owner, name="Notes", granted=[Grant("user", str(owner.user_id))])
    assert named.can_write


async def test_the_collections_are_listed_filtered_and_sorted(actor, colleague):
    await collections.create(actor, name="alpha")
    await collections.create(actor, name="Beta", granted=[])
    await collections.create(actor, name="gamma", granted=[Grant("everyone", "")])

    async def names(**wanted: str) -> list[str]:
        return [view.name for view in (await grants.list_collections(actor, wanted)).items]

    assert await names() == ["alpha", "Beta", "gamma"]
    assert await names(order="-name") == ["gamma", "Beta", "alpha"]
    assert await names(is_restricted="true") == ["Beta"]
    assert await names(is_restricted="false") == ["alpha", "gamma"]
    assert await names(q="ET") == ["Beta"]


async def test_subjects_are_searched_in_the_own_tenant_by_who_may_write(actor, colleague, other_actor):
    await groups.create(actor, name="Finance", user_ids=[colleague.user_id])
    await groups.create(other_actor, name="Finance of others")
    await make_service(actor, "use:chat")
    async with system_transaction() as tx:
        invited = UserTable(email="invited@example.org", name="Known Elsewhere")
        tx.session.add(invited)
        await tx.session.flush()
        tx.session.add(MembershipTable(tenant_id=actor.tenant_id, user_id=invited.id, roles=["member"]))

    found = await subjects.search(actor, "")
    assert {(one.subject_kind, one.name, one.detail) for one in found} == {
        ("group", "Finance", "1 person"),
        ("user", "Test Person", actor.email),
        ("user", "Test Person", "grace@example.org"),
        # Not the name they have in another tenant.
        ("user", "invited@example.org", "invited@example.org"),
    }
    assert [one.detail for one in await subjects.search(actor, "GRACE")] == ["grace@example.org"]
    assert [one.name for one in await subjects.search(actor, "robot", is_complete=True)] == ["robot"]
    assert [one.name for one in await subjects.search(actor, "ERS", is_complete=True)] == [
        "Members",
        "Content owners",
        "Reviewers",
        "Test Person",
        "Test Person",
    ]
    assert (await subjects.search(actor, is_complete=True))[0].subject_kind == "everyone"
    assert await subjects.search(actor, "Known") == []
    with pytest.raises(NotPermitted):
        await subjects.search(colleague, "")


async def test_only_admins_are_offered_keys_and_roles(actor, make_actor):
    owner = await make_actor(tenant=actor.tenant_id, roles=[Role.CONTENT_OWNER])
    assert await subjects.search(owner, owner.email)
    with pytest.raises(NotPermitted):
        await subjects.search(owner, "", is_complete=True)


@pytest.mark.parametrize(
    ("audience", "chosen"),
    [("", []), ("chosen", []), ("chosen", None), ("chosen", "everyone"), ("chosen", [1]), ("them", [{}])],
)
def test_what_a_browser_sends_instead_of_a_choice_is_refused(audience, chosen):
    with pytest.raises(InvalidInput):
        subjects.granted_of(audience, chosen)


def test_a_choice_becomes_grants():
    assert subjects.granted_of("everyone", []) is None
    assert subjects.granted_of("me", [{"subject_kind": "everyone"}]) == []
    chosen = [{"subject_kind": "group", "subject": "x", "access": "read", "name": "Finance"}]
    assert subjects.granted_of("chosen", chosen) == [Grant("group", "x", "read")]
