from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from chatapp.domain import Actor
from chatapp.errors import VectorIndexUnavailable
from chatapp.retrieval import vector_index
from chatapp.retrieval.vector_index import VectorIndexRefused
from tests.fixtures.servers import free_port, running_chroma

DIMENSION = 384


@pytest.fixture
def actor() -> Actor:
    return Actor(uuid4(), uuid4(), frozenset())


@pytest.fixture
def other_actor() -> Actor:
    return Actor(uuid4(), uuid4(), frozenset())


def vectors(count: int, *, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def add(
    actor: Actor, collection_id: UUID, rows: np.ndarray, *, document_id: UUID | None = None, version: int = 1
):
    ids = [uuid4() for _ in rows]
    await vector_index.add(
        actor, collection_id, ids=ids, embeddings=rows, document_id=document_id or uuid4(), version=version
    )
    return ids


async def found(actor: Actor, row: np.ndarray, *collection_ids: UUID, top_k: int = 50) -> list[UUID]:
    hits = await vector_index.query(actor, row, collection_ids=collection_ids, top_k=top_k)
    return [chunk_id for chunk_id, _ in hits]


async def test_the_nearest_chunk_comes_first_with_its_cosine(chroma: str, actor: Actor):
    collection_id, rows = uuid4(), vectors(40)
    ids = await add(actor, collection_id, rows)
    hits = await vector_index.query(actor, rows[7], collection_ids=[collection_id], top_k=10)
    expected = np.argsort(-(rows @ rows[7]))[:10]
    assert [chunk_id for chunk_id, _ in hits] == [ids[place] for place in expected]
    assert [cosine for _, cosine in hits] == pytest.approx((rows @ rows[7])[expected], abs=1e-4)


async def test_another_tenant_finds_nothing_under_the_same_collection_id(chroma: str, actor: Actor, other_actor: Actor):
    collection_id, rows = uuid4(), vectors(3)
    await add(actor, collection_id, rows)
    assert await found(other_actor, rows[0], collection_id) == []
    others = await add(other_actor, collection_id, rows)
    assert set(await found(other_actor, rows[0], collection_id)) == set(others)


async def test_adding_the_same_chunks_again_changes_nothing(chroma: str, actor: Actor):
    collection_id, rows, ids = uuid4(), vectors(5), [uuid4() for _ in range(5)]
    for _ in range(2):
        await vector_index.add(actor, collection_id, ids=ids, embeddings=rows, document_id=uuid4(), version=1)
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(ids)


async def test_more_chunks_than_one_request_holds_are_all_added(chroma: str, actor: Actor):
    collection_id, rows, document_id = uuid4(), vectors(2_300), uuid4()
    ids = await add(actor, collection_id, rows, document_id=document_id)
    for place in (0, 999, 1_000, 2_299):
        assert (await found(actor, rows[place], collection_id, top_k=1)) == [ids[place]]
    await vector_index.delete_document(actor, collection_id, document_id)
    assert await found(actor, rows[0], collection_id) == []


async def test_several_collections_are_searched_as_one(chroma: str, actor: Actor):
    first, second, absent, rows = uuid4(), uuid4(), uuid4(), vectors(20)
    ids = await add(actor, first, rows[:10]) + await add(actor, second, rows[10:])
    hits = await vector_index.query(actor, rows[15], collection_ids=[first, second, absent, first], top_k=6)
    expected = np.argsort(-(rows @ rows[15]))[:6]
    assert [chunk_id for chunk_id, _ in hits] == [ids[place] for place in expected]


async def test_a_collection_without_vectors_has_no_hits_and_is_no_error(chroma: str, actor: Actor):
    collection_id, row = uuid4(), vectors(1)[0]
    assert await found(actor, row, collection_id) == []
    assert await found(actor, row) == []
    await vector_index.delete_document(actor, collection_id, uuid4())
    await vector_index.drop_collection(actor, collection_id)
    await add(actor, collection_id, vectors(0))
    assert await found(actor, row, collection_id) == []


async def test_deleting_a_document_leaves_the_others(chroma: str, actor: Actor):
    collection_id, rows, gone = uuid4(), vectors(8), uuid4()
    await add(actor, collection_id, rows[:4], document_id=gone)
    kept = await add(actor, collection_id, rows[4:])
    await vector_index.delete_document(actor, collection_id, gone)
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(kept)


async def test_deleting_old_versions_keeps_the_one_named(chroma: str, actor: Actor):
    collection_id, rows, document_id = uuid4(), vectors(6), uuid4()
    await add(actor, collection_id, rows[:3], document_id=document_id, version=1)
    new = await add(actor, collection_id, rows[3:], document_id=document_id, version=2)
    await vector_index.delete_document(actor, collection_id, document_id, keep_version=2)
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(new)


async def test_another_tenant_cannot_delete_a_document_or_drop_a_collection(
    chroma: str, actor: Actor, other_actor: Actor
):
    collection_id, rows, document_id = uuid4(), vectors(2), uuid4()
    ids = await add(actor, collection_id, rows, document_id=document_id)
    await vector_index.delete_document(other_actor, collection_id, document_id)
    await vector_index.drop_collection(other_actor, collection_id)
    await vector_index.drop_tenant(other_actor)
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(ids)


async def test_a_dropped_collection_is_empty_and_can_be_filled_again(chroma: str, actor: Actor):
    collection_id, rows = uuid4(), vectors(4)
    await add(actor, collection_id, rows[:2])
    await vector_index.drop_collection(actor, collection_id)
    assert await found(actor, rows[0], collection_id) == []
    ids = await add(actor, collection_id, rows[2:])
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(ids)


async def test_dropping_a_tenant_drops_all_its_collections_and_no_other(chroma: str, actor: Actor, other_actor: Actor):
    mine, theirs, rows = [uuid4(), uuid4()], uuid4(), vectors(2)
    for collection_id in mine:
        await add(actor, collection_id, rows)
    kept = await add(other_actor, theirs, rows)
    await vector_index.drop_tenant(actor)
    assert await found(actor, rows[0], *mine) == []
    assert sorted(await found(other_actor, rows[0], theirs)) == sorted(kept)


async def test_a_collection_that_another_process_dropped_and_made_again_is_found(chroma: str, actor: Actor):
    collection_id, rows = uuid4(), vectors(4)
    await add(actor, collection_id, rows[:2])
    remembered = dict(vector_index._VectorIndex.chroma_ids)
    await vector_index.drop_collection(actor, collection_id)
    ids = await add(actor, collection_id, rows[2:])
    vector_index._VectorIndex.chroma_ids.update(remembered)
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(ids)


async def test_many_first_additions_at_once_make_one_collection(chroma: str, actor: Actor):
    collection_id, rows = uuid4(), vectors(16)
    added = await asyncio.gather(*(add(actor, collection_id, rows[place : place + 1]) for place in range(16)))
    assert sorted(await found(actor, rows[0], collection_id)) == sorted(chunk_id for ids in added for chunk_id in ids)


async def test_the_collection_compares_by_cosine(chroma: str, actor: Actor):
    collection_id = uuid4()
    await add(actor, collection_id, vectors(1))
    async with httpx.AsyncClient(base_url=chroma) as client:
        path = "/api/v2/tenants/default_tenant/databases/default_database/collections/"
        answer = await client.get(path + f"chatapp-{actor.tenant_id.hex}-{collection_id.hex}")
    assert answer.json()["configuration_json"]["hnsw"]["space"] == "cosine"


async def test_a_server_that_is_away_is_reported_as_unavailable(actor: Actor):
    await vector_index.open_vector_index(f"http://127.0.0.1:{free_port()}")
    try:
        with pytest.raises(VectorIndexUnavailable):
            await vector_index.heartbeat()
        with pytest.raises(VectorIndexUnavailable):
            await vector_index.query(actor, vectors(1)[0], collection_ids=[uuid4()], top_k=3)
        with pytest.raises(VectorIndexUnavailable):
            await add(actor, uuid4(), vectors(1))
    finally:
        await vector_index.close_vector_index()


async def test_a_server_that_does_not_answer_is_given_up(actor: Actor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vector_index, "_READ_TIMEOUT_SECONDS", 0.2)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    await vector_index.open_vector_index(f"http://127.0.0.1:{port}")
    try:
        vector_index._VectorIndex.chroma_ids[vector_index._name(actor, UUID(int=1))] = "known"
        with pytest.raises(VectorIndexUnavailable):
            await vector_index.query(actor, vectors(1)[0], collection_ids=[UUID(int=1)], top_k=3)
    finally:
        await vector_index.close_vector_index()
        silent.close()


async def test_a_server_that_was_killed_and_started_again_goes_on_where_it_was(actor: Actor, tmp_path: Path):
    collection_id, port, rows = uuid4(), free_port(), vectors(3)
    with running_chroma(tmp_path, port) as url:
        await vector_index.open_vector_index(url)
        ids = await add(actor, collection_id, rows)
    try:
        with pytest.raises(VectorIndexUnavailable):
            await vector_index.query(actor, rows[0], collection_ids=[collection_id], top_k=3)
        with running_chroma(tmp_path, port):
            found = await vector_index.query(actor, rows[0], collection_ids=[collection_id], top_k=3)
            assert found[0][0] == ids[0]
            await add(actor, collection_id, vectors(5))
            assert len(await vector_index.query(actor, rows[0], collection_ids=[collection_id], top_k=9)) > 3
    finally:
        await vector_index.close_vector_index()


async def test_a_connection_from_before_a_restart_costs_nobody_an_answer(actor: Actor):
    """The server closes a connection it keeps open at the very moment the next question is sent on it."""
    calls = 0

    async def answer_every_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        await reader.readuntil(b"\r\n\r\n")
        calls += 1
        if calls % 2 == 0:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    other = await asyncio.start_server(answer_every_second, "127.0.0.1", 0)
    await vector_index.open_vector_index(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}")
    try:
        await vector_index.heartbeat()
        assert calls == 2
    finally:
        await vector_index.close_vector_index()
        other.close()


async def test_a_refusal_is_told_from_a_server_that_is_away(chroma: str, actor: Actor):
    collection_id = uuid4()
    await add(actor, collection_id, vectors(1))
    with pytest.raises(VectorIndexRefused):
        await vector_index.query(actor, np.ones(3, np.float32), collection_ids=[collection_id], top_k=3)


async def test_another_kind_of_server_has_no_heartbeat():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(refuse, "127.0.0.1", 0)
    await vector_index.open_vector_index(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}")
    try:
        with pytest.raises(VectorIndexUnavailable):
            await vector_index.heartbeat()
    finally:
        await vector_index.close_vector_index()
        other.close()


async def test_the_server_answers_its_heartbeat(chroma: str):
    await vector_index.heartbeat()


async def test_nothing_is_asked_of_an_index_that_is_not_open(actor: Actor):
    with pytest.raises(RuntimeError, match="lifespan"):
        await vector_index.query(actor, vectors(1)[0], collection_ids=[uuid4()], top_k=3)
