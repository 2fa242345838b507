"""The document index goes away, comes back, or refuses: no document is lost, and none is tried for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import update
from sqlmodel import col

from chatapp.domain import Actor, DocumentStatus, utc_now
from chatapp.retrieval import embedder as embedding
from chatapp.retrieval import vector_index
from chatapp.retrieval.retrieve import retrieve
from chatapp.services import documents, ingestion
from chatapp.services.collections import CollectionView
from chatapp.store import ingestions, removals
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import DocumentTable, RemovalTable
from ingest import index as index_step
from tests.fixtures.ingestion import Upload
from tests.fixtures.servers import free_port, running_chroma

TEXT = b"The canteen opens at eleven. " * 30
QUESTION = "When does the canteen open?"

pytestmark = pytest.mark.usefixtures("embedder")


@pytest.fixture
async def own_port(tmp_path: Path) -> AsyncIterator[int]:
    """The port on which the test starts and ends a Chroma server of its own; the index is open on it."""
    port = free_port()
    await vector_index.open_vector_index(f"http://127.0.0.1:{port}")
    yield port
    await vector_index.close_vector_index()


async def _make_due(actor: Actor, document_id: UUID) -> None:
    """As if the time a postponed document waits were over."""
    async with transaction(actor) as tx:
        past = utc_now() - timedelta(seconds=1)
        await tx.session.execute(
            update(DocumentTable).where(col(DocumentTable.id) == document_id).values(lease_expires_at=past)
        )


async def test_documents_wait_for_a_killed_index_and_answers_go_on_from_the_words(
    upload: Upload, actor: Actor, collection: CollectionView, own_port: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(index_step, "_PATIENCE_SECONDS", (0.01,))
    with running_chroma(tmp_path, own_port):
        await upload("canteen.txt", TEXT)
        await ingestion.ingest_waiting()
    # Whatever the server was doing, it is gone now.
    waiting = (await upload("garden.txt", b"The garden closes at nine. " * 30)).document.id
    await ingestion.ingest_waiting()
    view = await documents.get(actor, waiting)
    assert view.status == DocumentStatus.QUEUED
    assert view.error == (
        "The document index cannot be reached. The document is added by itself as soon as it is back."
    )
    found = await retrieve(actor, QUESTION, collection_ids=[collection.id])
    assert found.is_degraded
    assert "canteen" in found.chunks[0].chunk.text

    with running_chroma(tmp_path, own_port):
        await _make_due(actor, waiting)
        assert await ingestion.ingest_waiting() == 1
        found = await retrieve(actor, "When does the garden close?", collection_ids=[collection.id])
        assert not found.is_degraded
        assert "garden" in found.chunks[0].chunk.text
        vector = await embedding.embed_query(QUESTION)
        views = (await documents.list_documents(actor)).items
        hits = await vector_index.query(actor, vector, collection_ids=[collection.id], top_k=1_000)
        assert len(hits) == sum(one.chunk_count for one in views)


async def _refuse_vectors(actor: Actor, collection: CollectionView) -> None:
    """Have the index refuse what is to come: its collection holds vectors of another length."""
    wrong = np.ones((1, 3), dtype=np.float32)
    await vector_index.add(actor, collection.id, ids=[uuid4()], embeddings=wrong, document_id=uuid4(), version=1)


async def test_a_document_the_index_always_refuses_fails_with_a_reason_and_can_be_retried(
    upload: Upload, actor: Actor, collection: CollectionView, chroma: str
) -> None:
    await _refuse_vectors(actor, collection)
    document_id = (await upload("canteen.txt", TEXT)).document.id
    for _ in range(ingestions.MAX_ATTEMPTS - 1):
        assert await ingestion.ingest_waiting() == 1
        view = await documents.get(actor, document_id)
        assert view.status == DocumentStatus.QUEUED
        assert "tried again by itself" in view.error
        assert await ingestion.ingest_waiting() == 0  # not at once again
        await _make_due(actor, document_id)
    assert await ingestion.ingest_waiting() == 1
    view = await documents.get(actor, document_id)
    assert (view.status, view.error_stage) == (DocumentStatus.FAILED, "index")
    assert "did not take the document" in view.error

    await vector_index.drop_collection(actor, collection.id)
    await documents.retry(actor, document_id)
    assert await ingestion.ingest_waiting() == 1
    assert (await documents.get(actor, document_id)).status == DocumentStatus.COMPLETED


async def test_a_removal_the_index_refuses_is_given_up_after_a_day(
    upload: Upload, actor: Actor, other_actor: Actor, collection: CollectionView, chroma: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def refuse(*_: object, **__: object) -> None:
        raise vector_index.VectorIndexRefused

    monkeypatch.setattr(vector_index, "delete_document", refuse)
    for whose in (actor, other_actor):
        async with transaction(whose) as tx:
            removals.add(tx, collection_id=collection.id, document_id=uuid4(), keep_files=True)
    await ingestion.sweep()
    async with transaction(actor) as tx:
        old = utc_now() - timedelta(hours=25)
        await tx.session.execute(update(RemovalTable).values(created_at=old))
    await ingestion.sweep()
    async with system_transaction(readonly=True) as tx:
        left = await removals.list_open(tx, limit=10)
    # The other tenant's is not old, and is tried again.
    assert [row.tenant_id for row in left] == [other_actor.tenant_id]
