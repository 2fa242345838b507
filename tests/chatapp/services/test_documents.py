from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.errors import (
    Conflict,
    EmptyDocument,
    InvalidInput,
    NotFound,
    NotPermitted,
    UnsupportedMediaType,
    UploadTooLarge,
)
from chatapp.services import audit, collections, documents
from chatapp.services.collections import CollectionView
from chatapp.settings import Settings, get_settings
from chatapp.store import files, ingestions
from chatapp.store.database import system_transaction, transaction
from tests.fixtures.ingestion import Upload, in_pieces
from tests.fixtures.people import MakeActor
from tests.ingest import samples

TEXT = b"The office closes at six. " * 10


def _files_on_disk(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.data_dir / "files").rglob("*") if path.is_file())


async def test_an_upload_waits_for_a_worker(upload: Upload, collection: CollectionView, actor: Actor) -> None:
    result = await upload("../../etc/Hours.txt", TEXT)
    view = result.document
    assert not result.is_duplicate
    assert (view.filename, view.media_type, view.size_bytes) == ("Hours.txt", "text/plain", len(TEXT))
    assert (view.status, view.progress, view.active_version) == (DocumentStatus.QUEUED, 0.0, 0)
    assert (view.collection_id, view.collection_name, view.created_by_name) == (
        collection.id,
        "Reports",
        "Test Person",
    )
    assert files.content_path(actor, view.id, 1).read_bytes() == TEXT


async def test_the_same_bytes_are_not_taken_twice(upload: Upload, storage: Settings) -> None:
    first = await upload("a.txt", TEXT)
    second = await upload("b.txt", TEXT)
    assert second.is_duplicate
    assert second.document.id == first.document.id
    assert _files_on_disk(storage) == ["content"]


async def test_the_same_bytes_may_be_in_two_collections(upload: Upload, actor: Actor) -> None:
    other = await collections.create(actor, name="Other")
    first = await upload("a.txt", TEXT)
    second = await upload("a.txt", TEXT, collection_id=other.id)
    assert not second.is_duplicate
    assert second.document.id != first.document.id


async def test_a_failed_document_uploaded_again_is_tried_again(upload: Upload, actor: Actor) -> None:
    first = await upload("a.txt", TEXT)
    await documents.cancel(actor, first.document.id)
    again = await upload("a.txt", TEXT)
    assert again.is_duplicate
    assert again.document.status == DocumentStatus.QUEUED


async def test_too_large_an_upload_is_refused_and_leaves_nothing(
    upload: Upload, storage: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_MAX_UPLOAD_BYTES", "2048")
    get_settings.cache_clear()
    with pytest.raises(UploadTooLarge):
        await upload("a.txt", b"x" * 2049)
    assert _files_on_disk(storage) == []
    assert (await upload("a.txt", b"x" * 2048)).document.size_bytes == 2048


async def test_an_upload_broken_off_leaves_nothing(upload: Upload, actor: Actor, storage: Settings) -> None:
    async def broken_off():
        yield b"x" * 3_000_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await documents.upload(actor, filename="a.txt", content=broken_off())
    assert _files_on_disk(storage) == []


@pytest.mark.parametrize(
    ("filename", "data", "error"),
    [
        ("a.txt", b"", EmptyDocument),
        ("report.pdf", b"\x7fELF" + bytes(2000), UnsupportedMediaType),
    ],
)
async def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    upload: Upload, storage: Settings, actor: Actor, filename: str, data: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await upload(filename, data)
    assert _files_on_disk(storage) == []
    assert (await documents.list_documents(actor)).total == 0


async def test_an_unknown_collection_is_refused_before_the_bytes_are_read(upload: Upload) -> None:
    async def never():
        raise AssertionError("the bytes were read")
        yield b""

    with pytest.raises(NotFound):
        await upload("a.txt", TEXT, collection_id=uuid4())


async def test_a_replacement_is_a_new_version(upload: Upload, actor: Actor) -> None:
    first = await upload("a.txt", TEXT)
    second = await upload("b.md", b"# New\n\ntext", document_id=first.document.id)
    view = second.document
    assert (view.id, view.latest_version, view.filename, view.media_type) == (
        first.document.id,
        2,
        "b.md",
        "text/markdown",
    )
    assert [version.version for version in await documents.list_versions(actor, view.id)] == [2, 1]


async def test_replacing_by_the_same_bytes_does_nothing(upload: Upload) -> None:
    first = await upload("a.txt", TEXT)
    second = await upload("a.txt", TEXT, document_id=first.document.id)
    assert second.is_duplicate
    assert second.document.latest_version == 1


async def test_documents_are_listed_by_page_filter_and_order(upload: Upload, actor: Actor) -> None:
    for number in range(5):
        await upload(f"file {number}.txt", TEXT + b"x" * (10 - number))
    await upload("100% sure.md", b"# Sure\n")
    names, after = [], None
    while True:
        page = await documents.list_documents(actor, sort="filename", descending=False, limit=2, after=after)
        assert page.total == 6
        names += [view.filename for view in page.items]
        if not page.has_more:
            break
        after = page.items[-1].id
    assert names == ["100% sure.md", *(f"file {number}.txt" for number in range(5))]
    assert [view.filename for view in (await documents.list_documents(actor, search="0%")).items] == ["100% sure.md"]
    by_size = await documents.list_documents(actor, sort="size_bytes", search="FILE", limit=1)
    assert by_size.items[0].filename == "file 0.txt"
    assert (await documents.list_documents(actor, statuses=(DocumentStatus.FAILED,))).total == 0


async def test_a_list_takes_a_sensible_limit_only(storage: Settings, actor: Actor) -> None:
    with pytest.raises(InvalidInput):
        await documents.list_documents(actor, limit=0)


async def test_a_file_without_a_collection_waits_until_it_is_attached(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    loose = await upload("a.txt", TEXT, collection_id=None)
    assert loose.document.status == DocumentStatus.UPLOADED
    attached = await documents.attach(actor, loose.document.id, collection.id)
    assert (attached.status, attached.collection_id) == (DocumentStatus.QUEUED, collection.id)
    assert await documents.attach(actor, loose.document.id, collection.id) == attached


async def test_attaching_what_is_there_already_is_a_conflict(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    await upload("first.txt", TEXT)
    loose = await upload("second.txt", TEXT, collection_id=None)
    with pytest.raises(Conflict, match=r"first\.txt"):
        await documents.attach(actor, loose.document.id, collection.id)


async def test_a_document_is_moved_on_request_only(upload: Upload, actor: Actor, chroma: str) -> None:
    first = await upload("a.txt", TEXT)
    other = await collections.create(actor, name="Other")
    with pytest.raises(Conflict):
        await documents.attach(actor, first.document.id, other.id)
    moved = await documents.move(actor, first.document.id, other.id)
    assert (moved.collection_name, moved.status) == ("Other", DocumentStatus.QUEUED)


async def test_a_detached_document_keeps_its_bytes(
    upload: Upload, actor: Actor, collection: CollectionView, chroma: str
) -> None:
    first = await upload("a.txt", TEXT)
    view = await documents.detach(actor, first.document.id, collection.id)
    assert (view.status, view.collection_id) == (DocumentStatus.UPLOADED, None)
    assert files.content_path(actor, view.id, 1).exists()
    with pytest.raises(NotFound):
        await documents.detach(actor, first.document.id, collection.id)


async def test_cancel_and_retry_change_only_what_they_may(upload: Upload, actor: Actor) -> None:
    document_id = (await upload("a.txt", TEXT)).document.id
    assert (await documents.retry(actor, document_id)).status == DocumentStatus.QUEUED
    assert (await documents.cancel(actor, document_id)).status == DocumentStatus.CANCELLED
    assert (await documents.cancel(actor, document_id)).status == DocumentStatus.CANCELLED
    assert (await documents.retry(actor, document_id)).status == DocumentStatus.QUEUED


async def test_deleting_removes_rows_and_bytes(upload: Upload, actor: Actor, storage: Settings, chroma: str) -> None:
    document_id = (await upload("a.txt", TEXT)).document.id
    await documents.delete(actor, document_id)
    with pytest.raises(NotFound):
        await documents.get(actor, document_id)
    assert _files_on_disk(storage) == []
    assert not (await upload("a.txt", TEXT)).is_duplicate


async def test_deleting_does_not_depend_on_the_index(upload: Upload, actor: Actor, storage: Settings) -> None:
    from chatapp.retrieval import vector_index
    from chatapp.store import removals
    from chatapp.store.database import transaction

    await vector_index.open_vector_index("http://127.0.0.1:9")
    document_id = (await upload("a.txt", TEXT)).document.id
    await documents.delete(actor, document_id)
    assert _files_on_disk(storage) == []
    async with transaction(actor, readonly=True) as tx:
        assert [row.document_id for row in await removals.list_open(tx, limit=10)] == [document_id]
    await vector_index.close_vector_index()


async def test_other_tenants_documents_are_not_found(
    upload: Upload, collection: CollectionView, other_actor: Actor
) -> None:
    document_id = (await upload("a.txt", TEXT)).document.id
    own = await collections.create(other_actor, name="Own")
    for attempt in (
        documents.get(other_actor, document_id),
        documents.cancel(other_actor, document_id),
        documents.retry(other_actor, document_id),
        documents.delete(other_actor, document_id),
        documents.list_versions(other_actor, document_id),
        documents.list_chunks(other_actor, document_id),
        documents.attach(other_actor, document_id, own.id),
        documents.move(other_actor, document_id, own.id),
        documents.detach(other_actor, document_id, collection.id),
        documents.list_documents(other_actor, collection_id=collection.id),
        documents.list_documents(other_actor, after=document_id),
        documents.upload(other_actor, filename="a", content=in_pieces(TEXT), collection_id=collection.id),
        documents.upload(other_actor, filename="a", content=in_pieces(TEXT), document_id=document_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await documents.list_documents(other_actor)).items == []
    twin = await documents.upload(other_actor, filename="a.txt", content=in_pieces(TEXT), collection_id=own.id)
    assert not twin.is_duplicate


async def test_a_reader_may_read_and_not_write(
    upload: Upload, actor: Actor, collection: CollectionView, make_actor: MakeActor
) -> None:
    document_id = (await upload("a.pdf", samples.pdf(["x"]))).document.id
    reader = await make_actor({Permission.READ_DOCUMENTS}, tenant=actor.tenant_id)
    assert (await documents.get(reader, document_id)).filename == "a.pdf"
    for attempt in (
        documents.upload(reader, filename="a", content=in_pieces(TEXT)),
        documents.cancel(reader, document_id),
        documents.retry(reader, document_id),
        documents.delete(reader, document_id),
        documents.move(reader, document_id, collection.id),
        documents.detach(reader, document_id, collection.id),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    nobody = await make_actor(set(), tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await documents.list_documents(nobody)


async def test_cancelling_what_is_finished_in_the_same_moment_takes_nothing_back(upload: Upload, actor: Actor) -> None:
    document_id = (await upload("a.txt", TEXT)).document.id
    async with system_transaction() as tx:
        claim = await ingestions.claim_next(tx, owner="worker")
    assert claim is not None
    async with transaction(actor) as tx:
        await ingestions.finish(tx, claim, DocumentStatus.COMPLETED, active_version=1)
        cancelling = asyncio.create_task(documents.cancel(actor, document_id))
        await asyncio.sleep(0.3)
    view = await cancelling
    assert (view.status, view.active_version) == (DocumentStatus.COMPLETED, 1)


@pytest.mark.usefixtures("chroma")
async def test_each_change_of_a_document_is_audited_as_it_was_and_as_it_is(upload: Upload, actor: Actor) -> None:
    first, second = await collections.create(actor, name="First"), await collections.create(actor, name="Second")
    view = (await upload("a.txt", TEXT, collection_id=first.id)).document
    await documents.move(actor, view.id, second.id)
    await documents.cancel(actor, view.id)
    await documents.retry(actor, view.id)
    await documents.detach(actor, view.id, second.id)
    await documents.delete(actor, view.id)

    wanted = {"subject_id": str(view.id), "order": "sequence"}
    entries = (await audit.list_entries(actor, actor.tenant_id, wanted)).items

    def told(name: str) -> list[tuple[str, object, object]]:
        verbs = [entry.action.partition(".")[2] for entry in entries]
        before, after = (
            [(each or {}).get(name) for each in sides]
            for sides in zip(*((e.before, e.after) for e in entries), strict=True)
        )
        return list(zip(verbs, before, after, strict=True))

    one, two = str(first.id), str(second.id)
    assert told("collection_id") == [
        ("uploaded", None, one),
        ("attached", one, two),
        ("cancelled", two, two),
        ("retried", two, two),
        ("detached", two, None),
        ("deleted", None, None),
    ]
    assert [after for _, _, after in told("status")] == ["queued", "queued", "cancelled", "queued", "uploaded", None]
