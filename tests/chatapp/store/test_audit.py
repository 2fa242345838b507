from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from chatapp.domain import Actor
from chatapp.errors import NotFound
from chatapp.services import audit as log
from chatapp.settings import Settings
from chatapp.store import audit
from chatapp.store.database import WrongTenant, system_transaction, transaction
from chatapp.store.tables import AuditHeadTable, AuditTable, MembershipTable, TenantTable, UserTable
from tests.fixtures.people import MakeActor
from tests.fixtures.surroundings import PROJECT


async def lines(actor: Actor) -> list[AuditTable]:
    async with transaction(actor, readonly=True) as tx:
        return list((await tx.session.execute(select(AuditTable).order_by(col(AuditTable.sequence)))).scalars())


async def test_a_line_says_who_what_from_where_and_how_it_was(database: AsyncEngine, make_actor: MakeActor) -> None:
    actor = await make_actor(email="ada@example.org")
    subject = uuid4()
    async with transaction(actor) as tx:
        await audit.write(
            tx, "thing.renamed", subject, before={"name": "Old"}, after={"name": "New"}, reason="a typo", count=2
        )

    (line,) = await lines(actor)

    assert (line.sequence, line.actor_name, line.user_id, line.action) == (
        1,
        "ada@example.org",
        actor.user_id,
        "thing.renamed",
    )
    assert (line.subject_id, line.before, line.after, line.reason) == (
        subject,
        {"name": "Old"},
        {"name": "New"},
        "a typo",
    )
    assert line.details == {"count": 2}


async def test_a_change_that_fails_leaves_no_line(database: AsyncEngine, actor: Actor) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(actor) as tx:
            await audit.write(tx, "thing.made")
            _ = 1 / 0

    assert await lines(actor) == []


async def test_nobody_writes_for_nobody(database: AsyncEngine) -> None:
    async with system_transaction() as tx:
        with pytest.raises(WrongTenant):
            await audit.write(tx, "thing.made")


async def test_each_tenant_has_a_chain_of_its_own(database: AsyncEngine, actor: Actor, other_actor: Actor) -> None:
    for one in (actor, other_actor, actor):
        async with transaction(one) as tx:
            await audit.write(tx, "thing.made")

    assert [line.sequence for line in await lines(actor)] == [1, 2]
    assert [line.sequence for line in await lines(other_actor)] == [1]


async def test_lines_of_one_transaction_keep_their_order(database: AsyncEngine, actor: Actor) -> None:
    async with transaction(actor) as tx:
        for number in range(5):
            await audit.write(tx, "thing.made", number=number)

    assert [line.details["number"] for line in await lines(actor)] == [0, 1, 2, 3, 4]


async def test_fifty_writers_at_once_make_one_unbroken_chain(database: AsyncEngine, actor: Actor) -> None:
    async def write(number: int) -> None:
        async with transaction(actor) as tx:
            await audit.write(tx, "thing.made", number=number)

    await asyncio.gather(*(write(number) for number in range(50)))

    assert [line.sequence for line in await lines(actor)] == list(range(1, 51))
    assert (await log.verify(actor, actor.tenant_id)).message == "All 50 lines are as they were written."


async def test_writers_that_hold_rows_do_not_wait_for_each_other(
    database: AsyncEngine, actor: Actor, make_actor: MakeActor
) -> None:
    people = [actor, await make_actor(tenant=actor.tenant_id)]

    async def write(number: int) -> None:
        # Each holds rows of the others' in an order of its own when it comes to the end of the chain.
        order = people if number % 2 else people[:1]
        async with transaction(actor) as tx:
            await audit.write(tx, "person.renamed")
            for person in order:
                user = await tx.session.get(UserTable, person.user_id, with_for_update=True)
                assert user is not None
                user.name = f"Name {number}"
            place = (await tx.session.execute(select(MembershipTable).with_for_update())).scalars().first()
            assert place is not None
            await audit.write(tx, "place.looked_at")

    async with asyncio.timeout(30):
        await asyncio.gather(*(write(number) for number in range(30)))

    assert (await log.verify(actor, actor.tenant_id)).lines == 60


async def test_a_tenant_may_be_deleted_while_others_write_to_its_log(
    database: AsyncEngine, make_actor: MakeActor
) -> None:
    actor = await make_actor()

    async def write() -> str:
        try:
            async with transaction(actor) as tx:
                await audit.write(tx, "thing.made")
        except NotFound:
            return "gone"
        return "written"

    async def remove() -> None:
        await asyncio.sleep(0.02)
        async with system_transaction() as tx:
            await tx.session.get(TenantTable, actor.tenant_id, with_for_update=True)
            await tx.session.execute(delete(TenantTable).where(col(TenantTable.id) == actor.tenant_id))

    async with asyncio.timeout(30):
        *told, _ = await asyncio.gather(*(write() for _ in range(20)), remove(), write())

    assert set(told) <= {"written", "gone", None}
    assert await lines(actor) == []


_WRITER = """
import asyncio, sys
from uuid import UUID
from chatapp.domain import Actor
from chatapp.settings import get_settings
from chatapp.store import audit
from chatapp.store.database import close_database, open_database, transaction

async def main():
    open_database(get_settings().effective_database_url)
    actor = Actor(UUID(sys.argv[1]), None, frozenset())
    for number in range(40):
        async with transaction(actor) as tx:
            await audit.write(tx, "thing.made", number=number)
    await close_database()

asyncio.run(main())
"""


async def test_two_processes_make_one_unbroken_chain(
    database: AsyncEngine, settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    command = (sys.executable, "-c", _WRITER, str(actor.tenant_id))
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    writers = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(2)]
    async with asyncio.timeout(60):
        assert [await writer.wait() for writer in writers] == [0, 0]

    report = await log.verify(actor, actor.tenant_id)

    assert (report.is_intact, report.lines) == (True, 80)


async def test_the_database_refuses_to_change_a_line(database: AsyncEngine, actor: Actor, other_actor: Actor) -> None:
    for _ in range(2):
        async with transaction(actor) as tx:
            await audit.write(tx, "thing.made")
    forbidden = (
        update(AuditTable).values(action="thing.unmade"),
        update(AuditTable).values(tenant_id=other_actor.tenant_id),
        delete(AuditTable),
        delete(AuditTable).where(col(AuditTable.sequence) == 2),
        update(AuditHeadTable).values(sequence=1),
        update(AuditHeadTable).values(hash="x"),
        update(AuditHeadTable).values(tenant_id=other_actor.tenant_id),
        delete(AuditHeadTable),
    )

    for statement in forbidden:
        with pytest.raises(DBAPIError, match="append-only"):
            async with system_transaction() as tx:
                await tx.session.execute(statement)

    assert (await log.verify(actor, actor.tenant_id)).lines == 2


async def test_a_log_goes_with_its_tenant_and_leaves_others_alone(
    database: AsyncEngine, actor: Actor, other_actor: Actor
) -> None:
    for one in (actor, other_actor):
        async with transaction(one) as tx:
            await audit.write(tx, "thing.made")

    async with system_transaction() as tx:
        await tx.session.execute(delete(TenantTable).where(col(TenantTable.id) == actor.tenant_id))

    assert await lines(actor) == []
    assert (await log.verify(other_actor, other_actor.tenant_id)).lines == 1
    async with system_transaction(readonly=True) as tx:
        heads = (await tx.session.execute(select(AuditHeadTable.tenant_id))).scalars().all()
    assert heads == [other_actor.tenant_id]
