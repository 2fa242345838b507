from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from subprocess import Popen
from uuid import UUID

import pytest

from chatapp.domain import Actor, DocumentStatus, utc_now
from chatapp.retrieval import embedder as embedding
from chatapp.retrieval import vector_index
from chatapp.services import documents
from chatapp.services.collections import CollectionView
from chatapp.services.document_views import DocumentView
from chatapp.store.database import system_transaction
from chatapp.store.tables import DocumentTable
from tests.fixtures.ingestion import Upload

StartWorker = Callable[[], Popen[bytes]]

LONG = "".join(f"Paragraph {number} says that item {number * 7} costs {number} euros.\n\n" for number in range(1_000))


async def _until(actor: Actor, document_id: UUID, *statuses: DocumentStatus, seconds: float = 60) -> DocumentView:
    deadline = time.monotonic() + seconds
    while (view := await documents.get(actor, document_id)).status not in statuses:
        assert time.monotonic() < deadline, view
        await asyncio.sleep(0.1)
    return view


async def _let_the_lease_run_out(document_id: UUID) -> None:
    """As if its time had passed; once it is waited for in earnest."""
    async with system_transaction() as tx:
        row = await tx.session.get_one(DocumentTable, document_id)
        row.lease_expires_at = utc_now()


async def test_an_upload_is_ingested_by_a_waiting_worker(
    start_worker: StartWorker, upload: Upload, actor: Actor
) -> None:
    start_worker()
    document_id = (await upload("note.txt", b"The canteen opens at eleven.")).document.id
    view = await _until(actor, document_id, DocumentStatus.COMPLETED, DocumentStatus.FAILED)
    assert view.error == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database_url", "after_seconds"),
    [("sqlite", 0.0), ("sqlite", 1.0), ("postgres", 1.0)],  # to wait for a lease is the worker's own affair
    indirect=["database_url"],
)
async def test_a_worker_killed_in_mid_ingest_loses_and_doubles_nothing(
    start_worker: StartWorker,
    upload: Upload,
    actor: Actor,
    collection: CollectionView,
    embedder: None,
    after_seconds: float,
) -> None:
    document_id = (await upload("long.txt", LONG.encode())).document.id
    first = start_worker()
    await _until(actor, document_id, DocumentStatus.RUNNING)
    await asyncio.sleep(after_seconds)
    first.send_signal(signal.SIGKILL)
    await asyncio.to_thread(first.wait)
    half = await documents.get(actor, document_id)
    assert (half.status, half.active_version) == (DocumentStatus.RUNNING, 0)
    assert await documents.list_chunks(actor, document_id) == []
    if after_seconds:
        await _let_the_lease_run_out(document_id)

    second = start_worker()
    view = await _until(actor, document_id, DocumentStatus.COMPLETED, DocumentStatus.FAILED, seconds=240)
    assert view.status == DocumentStatus.COMPLETED
    query = await embedding.embed_query("item")
    found = await vector_index.query(actor, query, collection_ids=[collection.id], top_k=10_000)
    ids = {
        chunk.id
        for offset in (0, 500, 1000)
        for chunk in await documents.list_chunks(actor, document_id, limit=500, offset=offset)
    }
    assert {chunk_id for chunk_id, _ in found} == ids
    assert len(ids) == view.chunk_count

    second.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(second.wait, 20) == 0
