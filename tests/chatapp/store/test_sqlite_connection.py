from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from chatapp.store import database
from chatapp.store.tables import TenantTable

STEPS = range(1, 60, 2)
"""After how many turns of the event loop somebody stops waiting: before, in and after each statement."""


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[None]:
    engine = database.open_database(f"sqlite+aiosqlite:///{tmp_path / 'chatapp.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await database.close_database()


async def write_and_read() -> None:
    while True:
        async with database.system_transaction() as tx:
            tx.session.add(TenantTable(name="One"))
            await tx.session.flush()
            tx.session.add(TenantTable(name="Two"))
        async with database.system_transaction(readonly=True) as tx:
            await tx.session.execute(select(TenantTable.name))


async def count() -> int:
    async with database.system_transaction(readonly=True) as tx:
        return (await tx.session.execute(select(func.count()).select_from(TenantTable))).scalar_one()


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("opened")
async def test_whoever_is_cancelled_leaves_a_whole_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    await count()
    threads = threading.active_count()

    for number in STEPS:
        async with anyio.create_task_group() as group:
            group.start_soon(write_and_read)
            await turns(number)
            group.cancel_scope.cancel()
        task = asyncio.create_task(write_and_read())
        await turns(number)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count() % 2 == 0

    assert [record.message for record in caplog.records] == []
    # One connection for the cancelled and none left behind by them.
    assert threading.active_count() <= threads + 1


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("number", [0, 1, 3, 7])
async def test_who_runs_out_of_time_is_told_so(number: int) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as bound:
            working = asyncio.current_task()
            expiring = asyncio.create_task(_expire(bound, number))
            await write_and_read()
    await expiring
    assert working is not None
    assert working.cancelling() == 0
    assert await count() % 2 == 0


async def _expire(bound: asyncio.Timeout, number: int) -> None:
    await turns(number)
    bound.reschedule(asyncio.get_running_loop().time())
