"""The walls between tenants, on every kind of statement and on both databases."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import aliased

from chatapp.store import database as db
from chatapp.store.tables import CollectionTable, DocumentTable
from tests.fixtures import collections

pytestmark = pytest.mark.usefixtures("database")


async def add_collection(actor, name="Policies"):
    return await collections.add_collection(actor, name=name)


async def test_a_select_without_a_condition_sees_its_own_tenant_only(actor, other_actor):
    mine = await add_collection(actor)
    await add_collection(other_actor)

    async with db.transaction(actor, readonly=True) as tx:
        rows = (await tx.session.scalars(select(CollectionTable))).all()
        names = (await tx.session.execute(select(CollectionTable.id))).scalars().all()
        count = await tx.session.scalar(select(func.count()).select_from(CollectionTable))

    assert [row.id for row in rows] == [mine.id] == list(names)
    assert count == 1


async def test_getting_another_tenants_row_by_its_key_finds_nothing(actor, other_actor):
    theirs = await add_collection(other_actor)

    async with db.transaction(actor, readonly=True) as tx:
        assert await tx.session.get(CollectionTable, theirs.id) is None


async def test_joins_aliases_and_subqueries_are_confined(actor, other_actor):
    await add_collection(actor)
    theirs = await add_collection(other_actor)
    async with db.transaction(other_actor) as tx:
        tx.session.add(DocumentTable(tenant_id=other_actor.tenant_id, collection_id=theirs.id, filename="secret.pdf"))
    alias = aliased(CollectionTable)

    async with db.transaction(actor, readonly=True) as tx:
        joined = await tx.session.execute(select(DocumentTable).join(CollectionTable, CollectionTable.name != ""))
        aliases = await tx.session.scalars(select(alias).where(alias.id == theirs.id))
        inner = select(DocumentTable.collection_id).scalar_subquery()
        nested = await tx.session.scalars(select(CollectionTable.id).where(CollectionTable.id == inner))

        assert not joined.all()
        assert not aliases.all()
        assert not nested.all()


async def test_bulk_changes_stop_at_the_wall(actor, other_actor):
    await add_collection(actor)
    theirs = await add_collection(other_actor)

    async with db.transaction(actor) as tx:
        await tx.session.execute(update(CollectionTable).values(description="mine"))
        await tx.session.execute(delete(CollectionTable).where(CollectionTable.id == theirs.id))

    async with db.transaction(other_actor, readonly=True) as tx:
        row = await tx.session.get(CollectionTable, theirs.id)
        assert row is not None
        assert row.description == ""


async def test_a_row_of_another_tenant_cannot_be_written(actor, other_actor):
    with pytest.raises(db.WrongTenant):
        async with db.transaction(actor) as tx:
            tx.session.add(CollectionTable(tenant_id=other_actor.tenant_id, name="planted"))


async def test_a_row_cannot_be_moved_to_another_tenant(actor, other_actor):
    mine = await add_collection(actor)

    async def move():
        async with db.transaction(actor) as tx:
            row = await tx.session.get(CollectionTable, mine.id)
            assert row is not None
            row.tenant_id = other_actor.tenant_id

    with pytest.raises(db.WrongTenant):
        await move()


async def test_an_error_rolls_everything_back(actor):
    async def fail_half_way():
        async with db.transaction(actor) as tx:
            tx.session.add(CollectionTable(tenant_id=actor.tenant_id, name="half"))
            await tx.session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()

    async with db.transaction(actor, readonly=True) as tx:
        assert not (await tx.session.scalars(select(CollectionTable))).all()


async def test_a_system_transaction_has_no_tenant():
    async with db.system_transaction(readonly=True) as tx:
        with pytest.raises(db.WrongTenant):
            _ = tx.tenant_id


async def test_writers_at_the_same_moment_all_succeed(actor):
    await asyncio.gather(*(add_collection(actor, f"c{number}-{uuid4()}") for number in range(20)))

    async with db.transaction(actor, readonly=True) as tx:
        assert await tx.session.scalar(select(func.count()).select_from(CollectionTable)) == 20


async def test_times_come_back_in_utc(actor):
    mine = await add_collection(actor)

    async with db.transaction(actor, readonly=True) as tx:
        row = await tx.session.get(CollectionTable, mine.id)
        assert row is not None
        assert row.created_at.utcoffset().total_seconds() == 0
        assert row.created_at == mine.created_at


async def test_a_reader_does_not_wait_for_a_writer(actor):
    await add_collection(actor)

    async with db.transaction(actor) as writing:
        writing.session.add(CollectionTable(tenant_id=actor.tenant_id, name="unseen"))
        await writing.session.flush()
        async with db.transaction(actor, readonly=True) as reading:
            assert (await reading.session.scalars(select(CollectionTable.name))).all() == ["Policies"]


async def test_a_closed_database_says_so():
    await db.close_database()

    with pytest.raises(RuntimeError, match="not open"):
        db.engine()
