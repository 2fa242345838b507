"""The walls within a tenant, on every kind of statement and on both databases."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, exists, func, select, union_all, update
from sqlalchemy.orm import aliased

from chatapp.domain import Actor, Permission, Role
from chatapp.store import access_conditions, chunks, documents, grants
from chatapp.store.chunks import chunk_id
from chatapp.store.database import SEES_EVERY_COLLECTION, system_transaction, transaction
from chatapp.store.grants import EVERYONE_WRITES, Grant
from chatapp.store.tables import (
    ApiKeyTable,
    ChunkTable,
    CollectionGrantTable,
    CollectionTable,
    DocumentTable,
    DocumentVersionTable,
    GroupMemberTable,
    GroupTable,
    MembershipTable,
)
from tests.fixtures.collections import add_collection
from tests.fixtures.people import MakeActor

pytestmark = pytest.mark.usefixtures("database")

WALLED = (CollectionTable, DocumentTable, DocumentVersionTable, ChunkTable)
MEMBER = frozenset({Permission.CHAT, Permission.READ_DOCUMENTS})


@pytest.fixture
async def colleague(actor: Actor, make_actor: MakeActor) -> Actor:
    """Somebody of the same tenant, a member."""
    return await make_actor(MEMBER, tenant=actor.tenant_id)


async def fill(actor: Actor, granted: list[Grant]) -> UUID:
    """A collection with a document, a version and a chunk."""
    collection = await add_collection(actor, granted=granted)
    document_id = uuid4()
    owner = {"tenant_id": actor.tenant_id, "filename": "plan.txt"}
    async with system_transaction() as tx:
        tx.session.add(DocumentTable(**owner, id=document_id, collection_id=collection.id, active_version=1))
        await tx.session.flush()
        kind = {"media_type": "text/plain", "size_bytes": 1, "sha256": "0"}
        tx.session.add(DocumentVersionTable(**owner, **kind, document_id=document_id, version=1))
        place = {"document_id": document_id, "collection_id": collection.id, "version": 1, "ordinal": 0}
        row = {"id": chunk_id(document_id, 1, 0), "text": "x", "start": 0, "end": 1, "page": 1}
        tx.session.add(ChunkTable(tenant_id=actor.tenant_id, **place, **row))
    return collection.id


async def seen(actor: Actor) -> set[int]:
    """How many rows of each walled table the actor sees: one number, or the tables disagree."""
    async with transaction(actor, readonly=True) as tx:
        return {len((await tx.session.scalars(select(table))).all()) for table in WALLED}


async def test_everyone_of_the_tenant_sees_what_is_granted_to_everyone(actor, colleague, other_actor):
    await fill(actor, [Grant("everyone", "")])

    assert await seen(colleague) == {1}
    assert await seen(other_actor) == {0}


async def test_nobody_sees_what_is_granted_to_nobody_and_no_role_is_above_that(actor, colleague, other_actor):
    await fill(actor, [])

    assert await seen(colleague) == {0}
    assert await seen(actor) == {0}
    assert await seen(other_actor) == {0}


async def test_a_grant_to_a_person_is_theirs_alone(actor, colleague, other_actor):
    await fill(actor, [Grant("user", str(colleague.user_id))])

    assert await seen(colleague) == {1}
    assert await seen(actor) == {0}
    assert await seen(replace(other_actor, user_id=colleague.user_id)) == {0}


async def test_a_grant_to_a_role_reaches_who_has_it_among_others(actor, colleague):
    await fill(actor, [Grant("role", Role.REVIEWER)])

    assert await seen(colleague) == {0}
    assert await seen(replace(colleague, roles=(Role.MEMBER, Role.REVIEWER))) == {1}


async def test_a_grant_to_a_group_reaches_its_members_for_as_long_as_they_are_in_it(actor, colleague, other_actor):
    group = GroupTable(tenant_id=actor.tenant_id, name="Finance")
    async with transaction(actor) as tx:
        tx.session.add(group)
    await fill(actor, [Grant("group", str(group.id))])
    assert await seen(colleague) == {0}

    async with transaction(actor) as tx:
        tx.session.add(GroupMemberTable(tenant_id=actor.tenant_id, group_id=group.id, user_id=colleague.user_id))
    assert await seen(colleague) == {1}
    assert await seen(actor) == {0}
    assert await seen(other_actor) == {0}

    async with transaction(actor) as tx:
        await tx.session.execute(delete(GroupMemberTable))
    assert await seen(colleague) == {0}


async def test_a_services_key_has_its_own_grants_and_a_persons_key_those_of_the_person(actor, colleague):
    service = ApiKeyTable(tenant_id=actor.tenant_id, name="robot", prefix="sk", key_hash=uuid4().hex)
    async with transaction(actor) as tx:
        tx.session.add(service)
    await fill(actor, [Grant("key", str(service.id))])
    await fill(actor, [Grant("user", str(colleague.user_id))])
    robot = Actor(actor.tenant_id, None, MEMBER, key_id=service.id)

    assert await seen(robot) == {1}
    assert await seen(replace(robot, key_id=uuid4())) == {0}
    # Even where a grant names the person's own key.
    assert await seen(replace(colleague, key_id=service.id)) == {1}


async def test_without_the_permission_to_read_documents_no_grant_counts(actor, colleague):
    await fill(actor, [EVERYONE_WRITES])

    assert await seen(replace(colleague, permissions=frozenset({Permission.ADMIN, Permission.READ_ADMIN}))) == {0}


async def test_the_worker_sees_everything_of_the_tenant_and_nothing_of_others(actor, other_actor):
    await fill(actor, [])
    await fill(other_actor, [])

    assert await seen(Actor(actor.tenant_id, None, frozenset(), is_system=True)) == {1}


async def test_who_manages_grants_can_ask_past_them_but_not_past_the_tenant(actor, other_actor):
    mine = await fill(actor, [])
    await fill(other_actor, [EVERYONE_WRITES])

    async with transaction(actor, readonly=True, sees_every_collection=True) as tx:
        assert (await tx.session.scalars(select(CollectionTable.id))).all() == [mine]
    async with transaction(actor, readonly=True) as tx:
        statement = select(CollectionTable.id)
        found = await tx.session.scalars(statement, execution_options={SEES_EVERY_COLLECTION: True})
        assert found.all() == [mine]
        assert (await tx.session.scalars(statement)).all() == []


async def test_no_form_of_select_gets_past_the_wall(actor, colleague):
    hidden = await fill(actor, [Grant("user", str(actor.user_id))])
    other = aliased(DocumentVersionTable)
    collection, document, version = CollectionTable, DocumentTable, DocumentVersionTable
    inner = select(document.id).subquery()
    common = select(collection.id).cte()
    statements = [
        select(collection.id),
        select(func.max(collection.name)).having(func.count() > 0),
        select(inner.c.id),
        select(common.c.id),
        select(other.filename),
        select(document.filename, version.filename).join(version, version.document_id == document.id),
        select(MembershipTable.id).join(collection, collection.tenant_id == MembershipTable.tenant_id),
        select(MembershipTable.id).where(exists().where(collection.tenant_id == MembershipTable.tenant_id)),
        select(MembershipTable.id).where(MembershipTable.tenant_id.in_(select(collection.tenant_id))),
        select(CollectionGrantTable.id).join(collection, collection.id == CollectionGrantTable.collection_id),
        union_all(select(collection.id), select(document.id)),
        select(ChunkTable.text).outerjoin(document, document.id == ChunkTable.document_id),
    ]
    for statement in statements:
        async with transaction(colleague, readonly=True) as tx:
            assert (await tx.session.execute(statement)).all() == [], str(statement)
        async with transaction(actor, readonly=True) as tx:
            assert (await tx.session.execute(statement)).all() != [], str(statement)
    async with transaction(colleague, readonly=True) as tx:
        assert await tx.session.get(collection, hidden) is None
        counted = select(func.count()).select_from(select(collection.id).limit(10).subquery())
        assert await tx.session.scalar(counted) == 0
        assert await tx.session.scalar(select(select(func.count()).select_from(document).scalar_subquery())) == 0
        outer = select(collection.name).outerjoin_from(MembershipTable, collection, collection.name != "")
        assert set((await tx.session.scalars(outer)).all()) == {None}


async def test_changes_in_bulk_stop_at_the_wall(actor, colleague):
    await fill(actor, [Grant("user", str(actor.user_id))])
    writer = replace(colleague, permissions=MEMBER | {Permission.WRITE_DOCUMENTS})

    async with transaction(writer) as tx:
        for table in (DocumentTable, DocumentVersionTable):
            await tx.session.execute(update(table).values(filename="mine.txt"))
        for table in reversed(WALLED):
            await tx.session.execute(delete(table))

    assert await seen(actor) == {1}
    async with transaction(actor, readonly=True) as tx:
        assert (await tx.session.scalars(select(DocumentTable.filename))).all() == ["plan.txt"]


async def test_a_document_in_no_collection_is_its_uploaders(actor, colleague, other_actor):
    key, other_key = (Actor(actor.tenant_id, None, MEMBER, key_id=uuid4()) for _ in range(2))
    async with system_transaction() as tx:
        for uploader, name in (
            ({"created_by": colleague.user_id}, "person"),
            ({"created_by_key": key.key_id}, "service"),
        ):
            document_id = uuid4()
            owner = {"tenant_id": actor.tenant_id, "filename": name}
            tx.session.add(DocumentTable(**owner, **uploader, id=document_id))
            await tx.session.flush()
            kind = {"media_type": "text/plain", "size_bytes": 1, "sha256": "0"}
            tx.session.add(DocumentVersionTable(**owner, **kind, document_id=document_id, version=1))

    seen_by = ((colleague, ["person"]), (key, ["service"]), (other_key, []), (actor, []), (other_actor, []))
    for who, names in seen_by:
        async with transaction(who, readonly=True) as tx:
            assert (await tx.session.scalars(select(DocumentTable.filename))).all() == names
            assert (await tx.session.scalars(select(DocumentVersionTable.filename))).all() == names


@pytest.mark.parametrize("access", ["read", "write"])
async def test_writing_needs_a_grant_for_it_and_the_permission(actor, make_actor, access):
    writer = await make_actor(MEMBER | {Permission.WRITE_DOCUMENTS}, tenant=actor.tenant_id)
    await fill(actor, [Grant("everyone", "", access)])

    async def what_may_be_written(who: Actor) -> tuple[bool, bool]:
        async with transaction(who, readonly=True) as tx:
            condition = access_conditions.may_write(who, CollectionTable.id)
            collection = await tx.session.scalar(select(condition))
            return bool(collection), (await documents.get_record(tx, await any_document(tx))).can_write

    async def any_document(tx) -> UUID:
        return (await tx.session.scalars(select(DocumentTable.id))).one()

    assert await what_may_be_written(writer) == (access == "write", access == "write")
    assert await what_may_be_written(replace(writer, permissions=MEMBER)) == (False, False)


async def test_a_chunk_named_by_its_id_is_not_loaded_without_a_grant(actor, colleague):
    hidden = await fill(actor, [Grant("user", str(actor.user_id))])
    async with transaction(actor, readonly=True) as tx:
        ids = list(await tx.session.scalars(select(ChunkTable.id)))
        assert set(await chunks.load_answering(tx, ids, collection_ids=[hidden])) == set(ids)
    async with transaction(colleague, readonly=True) as tx:
        assert await chunks.load_answering(tx, ids, collection_ids=[hidden]) == {}


async def test_a_grant_goes_with_its_group_its_membership_and_its_key(actor, colleague):
    group = GroupTable(tenant_id=actor.tenant_id, name="Finance")
    service = ApiKeyTable(tenant_id=actor.tenant_id, name="robot", prefix="sk", key_hash=uuid4().hex)
    async with transaction(actor) as tx:
        tx.session.add_all([group, service])
        await tx.session.flush()
        tx.session.add(GroupMemberTable(tenant_id=actor.tenant_id, group_id=group.id, user_id=colleague.user_id))
    subjects = [("group", group.id), ("user", colleague.user_id), ("key", service.id)]
    collection_id = await fill(actor, [Grant(kind, str(subject)) for kind, subject in subjects])

    async with transaction(actor) as tx:
        await tx.session.execute(delete(MembershipTable).where(MembershipTable.user_id == colleague.user_id))
        held = (await grants.of_collections(tx, [collection_id]))[collection_id]
        assert [named.grant.subject_kind for named in held] == ["group", "key"]
        assert await tx.session.scalar(select(func.count()).select_from(GroupMemberTable)) == 0
        await tx.session.execute(delete(GroupTable))
        await tx.session.execute(delete(ApiKeyTable))
        assert await grants.of_collections(tx, [collection_id]) == {}

    # Back in the tenant, the person has what everyone has.
    async with transaction(actor) as tx:
        tx.session.add(MembershipTable(tenant_id=actor.tenant_id, user_id=colleague.user_id, roles=["member"]))
    assert await seen(colleague) == {0}
