from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import collections, document_batches, documents
from chatapp.services.collections import CollectionView
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor

Q, F, C = DocumentStatus.QUEUED, DocumentStatus.FAILED, DocumentStatus.CANCELLED


@pytest.fixture
async def ids(upload: Upload) -> list[UUID]:
    """Three files that are in no collection yet."""
    return [
        (await upload(f"{number}.txt", b"Text number %d" % number, collection_id=None)).document.id
        for number in range(3)
    ]


async def test_documents_are_put_into_the_collection_and_watched_together(
    ids: list[UUID], actor: Actor, collection: CollectionView
) -> None:
    batch = await document_batches.create(actor, collection.id, [*ids, ids[0]])
    assert [view.id for view in batch.documents] == ids
    assert batch.counts == {Q: 3}
    assert batch.is_in_work
    assert (await collections.get(actor, collection.id)).counts.in_progress == 3
    assert await document_batches.get(actor, collection.id, batch.id) == batch


async def test_one_that_cannot_be_put_there_fails_and_keeps_no_other_out(
    ids: list[UUID], upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    other = await collections.create(actor, name="Other")
    await documents.attach(actor, ids[0], other.id)
    await upload("same.txt", b"Text number 1")
    batch = await document_batches.create(actor, collection.id, ids)
    assert [view.status for view in batch.documents] == [F, F, Q]
    assert "another collection" in batch.documents[0].error
    assert "same.txt" in batch.documents[1].error
    assert (await documents.get(actor, ids[0])).collection_id == other.id


async def test_an_unknown_file_changes_nothing(ids: list[UUID], actor: Actor, collection: CollectionView) -> None:
    with pytest.raises(NotFound):
        await document_batches.create(actor, collection.id, [ids[0], uuid4()])
    assert (await documents.get(actor, ids[0])).collection_id is None
    for wrong in ([], [uuid4() for _ in range(document_batches.MAX_DOCUMENTS + 1)]):
        with pytest.raises(InvalidInput):
            await document_batches.create(actor, collection.id, wrong)


async def test_cancelling_stops_what_is_not_finished(ids: list[UUID], actor: Actor, collection: CollectionView) -> None:
    batch = await document_batches.create(actor, collection.id, ids)
    cancelled = await document_batches.cancel(actor, collection.id, batch.id)
    assert cancelled.is_cancelled
    assert cancelled.counts == {C: 3}
    assert (await documents.get(actor, ids[0])).status == C


async def test_what_was_deleted_or_taken_out_since_is_no_work_left(
    ids: list[UUID], actor: Actor, collection: CollectionView, chroma: str
) -> None:
    batch = await document_batches.create(actor, collection.id, ids)
    await documents.delete(actor, ids[0])
    await documents.detach(actor, ids[1], collection.id)
    left = await document_batches.get(actor, collection.id, batch.id)
    assert [(view.id, view.status) for view in left.documents] == [(ids[1], C), (ids[2], Q)]


async def test_another_tenants_batch_collection_and_files_are_not_found(
    ids: list[UUID], actor: Actor, other_actor: Actor, collection: CollectionView
) -> None:
    batch = await document_batches.create(actor, collection.id, ids[:1])
    own = await collections.create(other_actor, name="Own")
    for collection_id in (collection.id, own.id):
        with pytest.raises(NotFound):
            await document_batches.get(other_actor, collection_id, batch.id)
        with pytest.raises(NotFound):
            await document_batches.cancel(other_actor, collection_id, batch.id)
        with pytest.raises(NotFound):
            await document_batches.create(other_actor, collection_id, ids[1:])
    assert (await documents.get(actor, ids[1])).collection_id is None


async def test_who_may_only_read_makes_and_cancels_none(
    ids: list[UUID], actor: Actor, make_actor: MakeActor, collection: CollectionView
) -> None:
    batch = await document_batches.create(actor, collection.id, ids)
    reader = await make_actor([Permission.READ_DOCUMENTS], tenant=actor.tenant_id)
    assert (await document_batches.get(reader, collection.id, batch.id)).counts == {Q: 3}
    with pytest.raises(NotPermitted):
        await document_batches.create(reader, collection.id, ids)
    with pytest.raises(NotPermitted):
        await document_batches.cancel(reader, collection.id, batch.id)
