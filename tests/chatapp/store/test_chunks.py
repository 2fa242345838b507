from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor, Chunk
from chatapp.store import chunks
from chatapp.store.chunks import chunk_id
from chatapp.store.database import transaction
from chatapp.store.tables import DocumentTable, DocumentVersionTable
from tests.fixtures.collections import add_collection


async def make_document(actor: Actor, *, active_version: int = 1) -> tuple[UUID, UUID]:
    """A collection and a document with one version in it; their ids."""
    collection_id, document_id = (await add_collection(actor, version=7)).id, uuid4()
    owner = {"tenant_id": actor.tenant_id, "filename": "a.txt"}
    async with transaction(actor) as tx:
        tx.session.add(
            DocumentTable(**owner, id=document_id, collection_id=collection_id, active_version=active_version)
        )
        await tx.session.flush()
        tx.session.add(
            DocumentVersionTable(
                **owner,
                document_id=document_id,
                version=1,
                title="A",
                media_type="text/plain",
                size_bytes=1,
                sha256="0",
            )
        )
    return collection_id, document_id


def make_chunk(collection_id: UUID, document_id: UUID, ordinal: int = 0) -> Chunk:
    return Chunk(chunk_id(document_id, 1, ordinal), document_id, collection_id, ordinal, "text", 3, 7, 2, "Head")


def test_the_id_of_a_chunk_follows_from_its_place():
    document_id = uuid4()
    assert chunk_id(document_id, 1, 0) == chunk_id(document_id, 1, 0)
    ids = {
        chunk_id(one, version, ordinal)
        for one in (document_id, uuid4())
        for version in (1, 2, 11)
        for ordinal in (0, 1)
    }
    assert len(ids) == 12


async def test_what_was_written_is_read_back(database: AsyncEngine, actor: Actor):
    collection_id, document_id = await make_document(actor)
    written = [make_chunk(collection_id, document_id, ordinal) for ordinal in range(3)]
    async with transaction(actor) as tx:
        await chunks.add(tx, 1, written)
        await chunks.add(tx, 1, [])
        ids = [chunk.id for chunk in written]
        found = await chunks.load_answering(tx, [*ids, uuid4()], collection_ids=[collection_id])
    assert [found[one].chunk for one in ids] == written
    assert {(one.version, one.filename, one.title) for one in found.values()} == {(1, "a.txt", "A")}


async def test_another_tenants_chunks_are_not_read(database: AsyncEngine, actor: Actor, other_actor: Actor):
    collection_id, document_id = await make_document(actor)
    chunk = make_chunk(collection_id, document_id)
    async with transaction(actor) as tx:
        await chunks.add(tx, 1, [chunk])
    async with transaction(other_actor) as tx:
        assert await chunks.load_answering(tx, [chunk.id], collection_ids=[collection_id]) == {}


async def test_only_the_answering_version_in_the_collections_asked_is_read(database: AsyncEngine, actor: Actor):
    collection_id, document_id = await make_document(actor, active_version=0)
    chunk = make_chunk(collection_id, document_id)
    async with transaction(actor) as tx:
        await chunks.add(tx, 1, [chunk])
        assert await chunks.load_answering(tx, [chunk.id], collection_ids=[collection_id]) == {}
        document = await tx.session.get_one(DocumentTable, document_id)
        document.active_version = 1
        await tx.session.flush()
        assert set(await chunks.load_answering(tx, [chunk.id], collection_ids=[collection_id])) == {chunk.id}
        assert await chunks.load_answering(tx, [chunk.id], collection_ids=[uuid4()]) == {}
        assert await chunks.load_answering(tx, [chunk.id], collection_ids=[]) == {}
        assert await chunks.load_answering(tx, [], collection_ids=[collection_id]) == {}


async def test_a_chunk_with_an_id_of_its_own_is_refused(database: AsyncEngine, actor: Actor):
    collection_id, document_id = await make_document(actor)
    chunk = replace(make_chunk(collection_id, document_id), id=uuid4())
    with pytest.raises(ValueError, match="place"):
        async with transaction(actor) as tx:
            await chunks.add(tx, 1, [chunk])


async def test_chunks_are_found_by_their_ids_and_not_by_reading_all_of_a_tenants(database: AsyncEngine, actor: Actor):
    """SQLite plans without knowing how many rows a tenant has; PostgreSQL counts them."""
    if database.dialect.name != "sqlite":
        return
    collection_id, _ = await make_document(actor)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.sync_engine, "before_cursor_execute", note)
    async with transaction(actor, readonly=True) as tx:
        await chunks.load_answering(tx, [uuid4() for _ in range(100)], collection_ids=[collection_id])
    statement, parameters = next(one for one in asked if "FROM chunks" in one[0])
    async with database.connect() as connection:
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row[3] for row in plan]
    (chunk_step,) = [step for step in steps if step.startswith("SEARCH chunks ")]
    assert "id=?" in chunk_step.replace("tenant_id=?", "")
