from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, String, column, insert, select, table, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel, col

from chatapp.domain import utc_now
from chatapp.errors import Misconfigured
from chatapp.store import database, schema
from chatapp.store.tables import (
    ApiKeyTable,
    AuditHeadTable,
    AuditTable,
    CollectionGrantTable,
    MembershipTable,
    SessionTable,
)


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


_TENANT, _ADA, _COLLECTION = uuid4(), uuid4(), uuid4()
_OLD_ROWS = (
    ("tenants", {"id": _TENANT, "name": "Old"}),
    ("users", {"id": _ADA, "email": "ada@example.org", "name": "", "is_platform_admin": True, "is_disabled": False}),
    ("memberships", {"id": uuid4(), "tenant_id": _TENANT, "user_id": _ADA, "roles": ["admin"]}),
    ("collections", {"id": _COLLECTION, "tenant_id": _TENANT, "name": "Reports", "description": "", "version": 0}),
    (
        "sessions",
        {
            **{"id": uuid4(), "token_hash": "x", "user_id": _ADA, "tenant_id": _TENANT},
            **{"address": "", "user_agent": "", "expires_at": utc_now()},
        },
    ),
    (
        "api_keys",
        {
            **{"id": uuid4(), "tenant_id": _TENANT, "user_id": _ADA, "name": "Script", "prefix": "sk"},
            **{"key_hash": "x", "scopes": ["admin"]},
        },
    ),
    ("audit", {"id": uuid4(), "tenant_id": _TENANT, "action": "first.done", "details": {}}),
    ("audit", {"id": uuid4(), "tenant_id": _TENANT, "action": "second.done", "details": {}}),
)


def _fill_as_of_0001(connection: Connection) -> None:
    command.upgrade(schema._config(connection), "0001")
    for second, (name, values) in enumerate(_OLD_ROWS):
        row = SQLModel.metadata.tables[name]
        given = {**values, "created_at": utc_now() + timedelta(seconds=second)}
        statement = insert(table(name, *(column(each, row.c[each].type) for each in given))).values(given)
        connection.execute(statement)


async def test_what_was_there_before_groups_and_grants_stays_and_stays_readable(empty_database: None) -> None:
    async with database.engine().begin() as connection:
        await connection.run_sync(_fill_as_of_0001)
    await schema.migrate()
    async with database.system_transaction(readonly=True) as tx:
        place = (await tx.session.execute(select(MembershipTable))).scalar_one()
        grant = (await tx.session.execute(select(CollectionGrantTable))).scalar_one()
        session = (await tx.session.execute(select(SessionTable))).scalar_one()
        key = (await tx.session.execute(select(ApiKeyTable))).scalar_one()
        head = (await tx.session.execute(select(AuditHeadTable))).scalar_one()
        lines = (await tx.session.execute(select(AuditTable).order_by(col(AuditTable.sequence)))).scalars().all()
    assert place.accepted_at == place.created_at
    assert not place.is_disabled
    assert (grant.collection_id, grant.subject_kind, grant.access) == (_COLLECTION, "everyone", "write")
    assert session.last_seen_at == session.created_at
    assert session.method == "password"
    assert (key.roles, key.is_of_platform) == (None, True)
    assert [(line.sequence, line.action) for line in lines] == [(1, "first.done"), (2, "second.done")]
    assert (head.tenant_id, head.sequence, head.hash) == (_TENANT, 2, "")


def _triggers(connection: Connection) -> dict[str, str]:
    """Every trigger and what it does, as the database itself writes it."""
    if connection.dialect.name == "sqlite":
        found = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    else:
        found = text(
            "SELECT tgname, pg_get_triggerdef(pg_trigger.oid) || pg_get_functiondef(tgfoid) FROM pg_trigger "
            "WHERE NOT tgisinternal"
        )
    return {name: " ".join(definition.split()) for name, definition in connection.execute(found)}


async def test_the_migrations_make_the_triggers_of_the_tables(empty_database: None) -> None:
    async with database.engine().begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
        wanted = await connection.run_sync(_triggers)
        await connection.run_sync(SQLModel.metadata.drop_all)
    await schema.migrate()

    async with database.engine().connect() as connection:
        assert await connection.run_sync(_triggers) == wanted
    assert len(wanted) >= 4


async def test_a_later_migration_can_make_tables_anew_that_triggers_speak_of(empty_database: None) -> None:
    await schema.migrate()

    def add_columns(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        for name in ("tenants", "users"):
            with operations.batch_alter_table(name, recreate="auto") as batch:
                batch.add_column(Column("later", String(), server_default="", nullable=False))
                batch.alter_column("created_at", nullable=True)

    async with database.engine().connect() as connection:
        await connection.execution_options(without_foreign_keys=True)
        async with connection.begin():
            await connection.run_sync(add_columns)
            names = await connection.run_sync(_triggers)
        await connection.invalidate()
    assert "audit_keep" in names


async def test_the_migrations_go_back_and_forth(empty_database: None) -> None:
    await schema.migrate()
    async with database.engine().connect() as connection:
        await connection.execution_options(without_foreign_keys=True)
        async with connection.begin():
            await connection.run_sync(lambda sync: command.downgrade(schema._config(sync), "0001"))
            assert await connection.run_sync(_triggers) == {}
        await connection.invalidate()

    await schema.migrate()

    async with database.engine().connect() as connection:
        assert await connection.run_sync(_differences) == []
        assert len(await connection.run_sync(_triggers)) >= 4
