from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from chatapp.errors import Misconfigured
from chatapp.store import database, schema


async def _run_on_server(url: str, statement: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    server, name = request.getfixturevalue("postgres_server"), f"empty_{uuid4().hex[:8]}"
    asyncio.run(_run_on_server(server, f'CREATE DATABASE "{name}"'))
    yield server.replace("postgresql://", "postgresql+asyncpg://").rpartition("/")[0] + f"/{name}"
    asyncio.run(_run_on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def empty_database(empty_url: str) -> AsyncIterator[None]:
    database.open_database(empty_url)
    yield
    await database.close_database()


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, SQLModel.metadata))


async def test_the_migrations_make_exactly_the_tables(empty_database: None) -> None:
    await schema.migrate()
    assert await schema.is_current()
    async with database.engine().connect() as connection:
        assert await connection.run_sync(_differences) == []


async def test_migrating_again_and_at_the_same_time_changes_nothing(empty_database: None) -> None:
    await asyncio.gather(schema.migrate(), schema.migrate())
    await schema.migrate()
    assert await schema.is_current()


async def test_a_database_of_a_newer_version_is_refused(empty_database: None) -> None:
    await schema.migrate()
    async with database.engine().begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version"):
        await schema.migrate()
