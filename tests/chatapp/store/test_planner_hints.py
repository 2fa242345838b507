"""SQLite plans for many rows a tenant, whichever way the tables were made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import column, event, select, table
from sqlmodel import SQLModel

from chatapp.domain import ROLE_PERMISSIONS, Actor, Role
from chatapp.store import chunks, collections, database, documents, grants, planner_hints, schema, turns
from chatapp.store.database import Transaction, transaction
from chatapp.store.documents import DocumentFilter

ACTOR = Actor(uuid4(), uuid4(), ROLE_PERMISSIONS[Role.ADMIN], roles=(Role.ADMIN,))
IDS = [uuid4() for _ in range(40)]
HINTS = table("sqlite_stat1", column("tbl"), column("idx"), column("stat"))


async def hints() -> list[tuple[str, str, str]]:
    async with database.engine().connect() as connection:
        rows = await connection.execute(select(HINTS.c.tbl, HINTS.c.idx, HINTS.c.stat))
        return sorted(tuple(row) for row in rows)


async def test_migrated_and_made_databases_are_told_the_same(tmp_path: Path) -> None:
    database.open_database(f"sqlite+aiosqlite:///{tmp_path / 'migrated.db'}")
    for _ in range(2):
        await schema.migrate()
        migrated = await hints()
    await database.close_database()
    engine = database.open_database(f"sqlite+aiosqlite:///{tmp_path / 'made.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    assert await hints() == migrated
    assert {name for name, _, _ in migrated} >= {"chunks", "documents", "turns", "traces", "audit"}
    await database.close_database()


async def plan(query: Callable[[Transaction], Awaitable[Any]]) -> list[str]:
    """The steps SQLite would take for the last statement of a query."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine().sync_engine, "before_cursor_execute", note)
    async with transaction(ACTOR, readonly=True) as tx:
        await query(tx)
    event.remove(database.engine().sync_engine, "before_cursor_execute", note)
    statement, parameters = asked[-1]
    async with database.engine().connect() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in found]


async def _documents_of_a_collection(tx: Transaction) -> None:
    wanted = DocumentFilter(collection_id=IDS[0])
    await documents.list_records(tx, wanted, sort="created_at", descending=True, limit=50, after=None)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (lambda tx: turns.list_by_ids(tx, IDS), "SEARCH turns USING INDEX sqlite_autoindex_turns_1 (id=?)"),
        (_documents_of_a_collection, "SEARCH documents USING INDEX ix_documents_collection_id (collection_id=?)"),
        (
            lambda tx: collections.count_documents(tx, IDS),
            "SEARCH documents USING INDEX ix_documents_collection_id (collection_id=?)",
        ),
        (
            lambda tx: grants.groups_of(tx, IDS),
            "SEARCH group_members USING INDEX ix_group_members_user_id (user_id=?)",
        ),
    ],
)
async def test_what_is_asked_for_by_id_is_not_found_by_reading_all_of_a_tenant(
    tmp_path: Path, query: Callable[[Transaction], Awaitable[Any]], first: str
) -> None:
    database.open_database(f"sqlite+aiosqlite:///{tmp_path / 'chatapp.db'}")
    await schema.migrate()
    steps = await plan(query)
    await database.close_database()
    assert steps[0] == first


def test_a_tenant_is_less_than_everything_and_more_than_a_page() -> None:
    assert 1_000 < planner_hints.ROWS_OF_A_TENANT < planner_hints.ROWS


async def test_what_a_search_found_is_read_by_its_ids_alone(tmp_path: Path) -> None:
    """100 of 100,000 pieces: 2 ms of processor; by way of their documents it would be 50."""
    database.open_database(f"sqlite+aiosqlite:///{tmp_path / 'chatapp.db'}")
    await schema.migrate()
    found = [uuid4() for _ in range(100)]
    steps = await plan(lambda tx: chunks.load_answering(tx, found, collection_ids=[uuid4()]))
    await database.close_database()
    [reading] = [step for step in steps if " chunks " in step]
    assert "id=?" in reading
    assert "document_id" not in reading
    assert steps[0] == reading
    assert "SEARCH documents USING INDEX sqlite_autoindex_documents_1 (id=?)" in steps
