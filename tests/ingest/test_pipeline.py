from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from chatapp.domain import Actor, DocumentStatus, IngestStage, utc_now
from chatapp.retrieval import embedder as embedding
from chatapp.retrieval import vector_index
from chatapp.retrieval.retrieve import retrieve
from chatapp.services import collections, documents, ingestion
from chatapp.services.collections import CollectionView
from chatapp.settings import Settings
from chatapp.store import files, ingestions
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import ChunkTable, DocumentTable, PostingTable
from ingest import index as index_step
from ingest import pipeline
from tests.fixtures.ingestion import Upload, in_pieces
from tests.ingest import samples

pytestmark = pytest.mark.usefixtures("chroma", "embedder")

OLD = b"The canteen opens at eleven. " * 30
NEW = b"The canteen opens at noon, and on Fridays at one. " * 30


async def _answers(actor: Actor, collection_id: UUID, question: str = "When does the canteen open?") -> set[str]:
    found = await retrieve(actor, question, collection_ids=[collection_id])
    return {hit.chunk.text[:40] for hit in found.chunks}


async def _vectors(actor: Actor, collection_id: UUID) -> int:
    query = await embedding.embed_query("canteen")
    return len(await vector_index.query(actor, query, collection_ids=[collection_id], top_k=1_000))


async def _rows(actor: Actor, document_id: UUID) -> tuple[int, int]:
    async with transaction(actor, readonly=True) as tx:
        counts = [
            (await tx.session.execute(select(func.count()).where(col(table.document_id) == document_id))).scalar_one()
            for table in (ChunkTable, PostingTable)
        ]
    return counts[0], counts[1]


@asynccontextmanager
async def _held_before(monkeypatch: pytest.MonkeyPatch, name: str) -> AsyncIterator[asyncio.Task[int]]:
    """Let the pipeline come as far as one of its steps, and no further until the block ends."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    step = getattr(pipeline, name)

    async def held(*arguments: object) -> object:
        reached.set()
        await go_on.wait()
        return await step(*arguments)

    monkeypatch.setattr(pipeline, name, held)
    work = asyncio.create_task(ingestion.ingest_waiting())
    await asyncio.wait_for(reached.wait(), 20)
    yield work
    go_on.set()
    await asyncio.wait_for(work, 30)


async def test_a_document_goes_through_all_steps_and_answers(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    assert await ingestion.ingest_waiting() == 1
    view = await documents.get(actor, document_id)
    assert (view.status, view.stage, view.progress, view.error) == (
        DocumentStatus.COMPLETED,
        IngestStage.DONE,
        1.0,
        "",
    )
    assert (view.active_version, view.page_count, view.title) == (1, 1, "canteen")
    chunks = await documents.list_chunks(actor, document_id)
    assert len(chunks) == view.chunk_count > 0
    assert await _vectors(actor, collection.id) == view.chunk_count
    assert await _answers(actor, collection.id)
    assert (await collections.get(actor, collection.id)).version == 1
    assert await ingestion.ingest_waiting() == 0


@pytest.mark.parametrize(
    ("filename", "data", "hint"),
    [
        ("scan.pdf", samples.pdf([""]), "text recognition"),
        ("blank.txt", b" \n\n \t\n", "no text"),
        ("broken.pdf", b"%PDF-1.7\nnothing", "damaged"),
    ],
)
async def test_what_cannot_be_read_fails_with_a_reason(
    upload: Upload, actor: Actor, filename: str, data: bytes, hint: str
) -> None:
    document_id = (await upload(filename, data)).document.id
    await ingestion.ingest_waiting()
    view = await documents.get(actor, document_id)
    assert (view.status, view.error_stage, view.active_version) == (DocumentStatus.FAILED, "parse", 0)
    assert hint in view.error
    assert await _rows(actor, document_id) == (0, 0)


async def test_the_old_version_answers_until_the_new_one_is_ready(
    upload: Upload, actor: Actor, collection: CollectionView, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    await ingestion.ingest_waiting()
    before = await _answers(actor, collection.id)
    await upload("canteen.txt", NEW, document_id=document_id)
    async with _held_before(monkeypatch, "index"):
        assert await _answers(actor, collection.id) == before
        assert (await documents.get(actor, document_id)).active_version == 1
    after = await _answers(actor, collection.id)
    assert after
    assert all("noon" in text for text in after)
    view = await documents.get(actor, document_id)
    assert (view.active_version, view.latest_version) == (2, 2)
    assert await _vectors(actor, collection.id) == view.chunk_count == (await _rows(actor, document_id))[0]


async def test_a_replacement_that_fails_leaves_the_old_version_answering(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    await ingestion.ingest_waiting()
    before = await _answers(actor, collection.id)
    await upload("canteen.pdf", b"%PDF-1.7\nnothing", document_id=document_id)
    await ingestion.ingest_waiting()
    view = await documents.get(actor, document_id)
    assert (view.status, view.active_version, view.latest_version) == (DocumentStatus.FAILED, 1, 2)
    assert await _answers(actor, collection.id) == before


@pytest.mark.parametrize("step", ["_parse", "embed", "index"])
async def test_cancelling_is_noticed_within_a_second(
    upload: Upload, actor: Actor, collection: CollectionView, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    async with _held_before(monkeypatch, step) as work:
        await documents.cancel(actor, document_id)
        await asyncio.wait_for(work, 1.5)
    view = await documents.get(actor, document_id)
    assert (view.status, view.active_version) == (DocumentStatus.CANCELLED, 0)
    assert await _vectors(actor, collection.id) == 0
    assert await _rows(actor, document_id) == (0, 0)


async def test_deleting_in_mid_ingest_leaves_nothing(
    upload: Upload, actor: Actor, collection: CollectionView, storage: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    async with _held_before(monkeypatch, "index"):
        await documents.delete(actor, document_id)
    assert await _vectors(actor, collection.id) == 0
    assert not [path for path in (storage.data_dir / "files").rglob("*") if path.is_file()]


async def test_deleting_removes_everything_within_two_seconds(
    upload: Upload, actor: Actor, collection: CollectionView, storage: Settings
) -> None:
    document_id = (await upload("canteen.txt", OLD * 20)).document.id
    await ingestion.ingest_waiting()
    started = time.monotonic()
    await documents.delete(actor, document_id)
    assert time.monotonic() - started < 2
    assert await _rows(actor, document_id) == (0, 0)
    assert await _vectors(actor, collection.id) == 0
    assert await _answers(actor, collection.id) == set()
    assert not [path for path in (storage.data_dir / "files").rglob("*") if path.is_file()]


async def test_a_moved_document_answers_in_its_new_collection_only(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    await ingestion.ingest_waiting()
    other = await collections.create(actor, name="Other")
    await documents.move(actor, document_id, other.id)
    assert await _answers(actor, collection.id) == set()
    await ingestion.ingest_waiting()
    assert await _answers(actor, other.id)
    assert await _vectors(actor, collection.id) == 0


async def test_a_dead_workers_document_is_done_again_exactly_once(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    async with system_transaction() as tx:
        dead = await ingestions.claim_next(tx, owner="dead")
    assert dead is not None
    assert await ingestion.ingest_waiting() == 0
    async with transaction(actor) as tx:
        row = await tx.session.get(DocumentTable, document_id)
        assert row is not None
        row.lease_expires_at = utc_now() - timedelta(seconds=1)
    assert await ingestion.ingest_waiting() == 1
    # The one taken for dead was only slow: what it writes now changes nothing.
    with pytest.raises(ingestions.LeaseLost):
        async with transaction(actor) as tx:
            await ingestions.finish(tx, dead, DocumentStatus.FAILED)
    view = await documents.get(actor, document_id)
    assert view.status == DocumentStatus.COMPLETED
    assert await _vectors(actor, collection.id) == view.chunk_count == (await _rows(actor, document_id))[0]


async def test_a_file_that_ends_its_worker_again_and_again_is_given_up(upload: Upload, actor: Actor) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    async with transaction(actor) as tx:
        row = await tx.session.get(DocumentTable, document_id)
        assert row is not None
        row.attempts = ingestions.MAX_ATTEMPTS
    await ingestion.ingest_waiting()
    view = await documents.get(actor, document_id)
    assert view.status == DocumentStatus.FAILED
    assert "broken off" in view.error


async def test_a_worker_asked_to_stop_gives_its_document_back(
    upload: Upload, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    reached = asyncio.Event()

    async def held(*_: object) -> None:
        reached.set()
        await asyncio.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "embed", held)
        work = asyncio.create_task(ingestion.ingest_waiting())
        await asyncio.wait_for(reached.wait(), 20)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert (await documents.get(actor, document_id)).status == DocumentStatus.QUEUED
    assert await ingestion.ingest_waiting() == 1
    assert (await documents.get(actor, document_id)).status == DocumentStatus.COMPLETED


@pytest.mark.parametrize("is_away_from_the_start", [True, False])
async def test_a_document_waits_for_the_index_and_does_not_fail(
    upload: Upload, actor: Actor, chroma: str, monkeypatch: pytest.MonkeyPatch, is_away_from_the_start: bool
) -> None:
    monkeypatch.setattr(index_step, "_PATIENCE_SECONDS", (0.01,))
    monkeypatch.setattr(ingestions, "POSTPONED_SECONDS", 1.0)
    document_id = (await upload("canteen.txt", OLD)).document.id

    async def go_away() -> None:
        await vector_index.close_vector_index()
        await vector_index.open_vector_index("http://127.0.0.1:9")

    if is_away_from_the_start:
        await go_away()
        assert await ingestion.ingest_waiting() == 1
    else:
        async with _held_before(monkeypatch, "index"):
            await go_away()
    view = await documents.get(actor, document_id)
    assert (view.status, view.stage, view.progress) == (DocumentStatus.QUEUED, IngestStage.WAITING, 0.0)
    assert "cannot be reached" in view.error
    async with transaction(actor, readonly=True) as tx:
        row = await tx.session.get(DocumentTable, document_id)
        assert row is not None
        assert row.attempts == 0
    assert await ingestion.ingest_waiting() == 0  # not at once again

    await vector_index.close_vector_index()
    await vector_index.open_vector_index(chroma)
    await asyncio.sleep(1.1)
    assert await ingestion.ingest_waiting() == 1
    view = await documents.get(actor, document_id)
    assert (view.status, view.error, view.error_stage) == (DocumentStatus.COMPLETED, "", "")


async def test_a_person_need_not_wait_for_a_postponed_document(upload: Upload, actor: Actor, chroma: str) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id
    await vector_index.close_vector_index()
    await vector_index.open_vector_index("http://127.0.0.1:9")
    await ingestion.ingest_waiting()
    await vector_index.close_vector_index()
    await vector_index.open_vector_index(chroma)
    await documents.cancel(actor, document_id)
    await documents.retry(actor, document_id)
    assert await ingestion.ingest_waiting() == 1
    assert (await documents.get(actor, document_id)).status == DocumentStatus.COMPLETED


async def test_an_unexpected_error_is_told_without_its_details(
    upload: Upload, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = (await upload("canteen.txt", OLD)).document.id

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("internal detail")

    monkeypatch.setattr(pipeline, "embed", broken)
    await ingestion.ingest_waiting()
    view = await documents.get(actor, document_id)
    assert (view.status, view.error_stage) == (DocumentStatus.FAILED, "embed")
    assert "internal detail" not in view.error
    assert str(document_id)[:8] in view.error


async def test_tenants_take_turns(upload: Upload, actor: Actor, other_actor: Actor) -> None:
    for number in range(3):
        await upload(f"{number}.txt", OLD + b"%d" % number)
    own = await collections.create(other_actor, name="Own")
    theirs = await documents.upload(other_actor, filename="theirs.txt", content=in_pieces(OLD), collection_id=own.id)
    async with system_transaction() as tx:
        first = await ingestions.claim_next(tx, owner="a")
    async with system_transaction() as tx:
        second = await ingestions.claim_next(tx, owner="b")
    assert first is not None
    assert second is not None
    assert first.tenant_id == actor.tenant_id
    assert second.document_id == theirs.document.id


async def test_another_tenant_finds_nothing_of_it(
    upload: Upload, actor: Actor, other_actor: Actor, collection: CollectionView
) -> None:
    await upload("canteen.txt", OLD)
    await ingestion.ingest_waiting()
    assert await _answers(other_actor, collection.id) == set()
    assert await _vectors(other_actor, collection.id) == 0


async def test_the_sweep_finishes_removals_and_clears_folders_nobody_knows(
    upload: Upload, actor: Actor, collection: CollectionView, storage: Settings, chroma: str
) -> None:
    import os
    from uuid import uuid4

    document_id = (await upload("canteen.txt", OLD)).document.id
    await ingestion.ingest_waiting()
    await vector_index.close_vector_index()
    await vector_index.open_vector_index("http://127.0.0.1:9")
    await documents.delete(actor, document_id)
    await vector_index.close_vector_index()
    await vector_index.open_vector_index(chroma)
    orphan = files.document_dir(actor, uuid4())
    orphan.mkdir(parents=True)
    (orphan / "content").write_bytes(b"left over")
    os.utime(orphan, (time.time() - 7200, time.time() - 7200))
    await ingestion.sweep()
    assert await _vectors(actor, collection.id) == 0
    assert not orphan.exists()
