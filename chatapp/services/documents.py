"""Use cases of documents: upload, watch, replace, move, delete. Reading them is in `previews`.

Whatever changes both locks the document's row before its collection's, as the worker does: otherwise two transactions
could wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.errors import Conflict, EmptyDocument, InvalidInput
from chatapp.services.document_audit import change_of, facts_of
from chatapp.services.document_views import ChunkView, DocumentPage, DocumentView, UploadResult, VersionView
from chatapp.settings import get_settings
from chatapp.store import audit, collections, documents, files, job_queue
from chatapp.store import removals as removal_rows
from chatapp.store.database import Transaction, transaction
from chatapp.store.documents import DocumentFilter, DocumentSort
from chatapp.store.tables import DocumentTable, DocumentVersionTable, RemovalTable
from ingest import removals
from ingest.filenames import display_name
from ingest.media_types import detect_media_type

_MAX_PAGE = 500
_IN_WORK = (DocumentStatus.QUEUED, DocumentStatus.RUNNING)
_GIVEN_UP = (DocumentStatus.FAILED, DocumentStatus.CANCELLED)


async def upload(
    actor: Actor,
    *,
    filename: str,
    content: AsyncIterator[bytes],
    collection_id: UUID | None = None,
    purpose: str = "assistants",
    document_id: UUID | None = None,
) -> UploadResult:
    """Take a file in, and have it ingested when it is in a collection.

    Args:
        actor: who uploads.
        filename: what the person calls it; shown, never used as a path.
        content: the bytes as they arrive; never held in memory as a whole.
        collection_id: where it belongs; None: kept until `attach`.
        purpose: OpenAI's word for what it is for; kept and given back.
        document_id: replace this document; its present version answers until the new one is ready.

    Raises:
        NotPermitted: the actor may not write documents, or not there.
        NotFound: no such collection or document that the actor may read.
        UploadTooLarge: larger than the installation accepts.
        EmptyDocument: no bytes.
        UnsupportedMediaType: nothing here reads this kind of file, whatever its name says.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    filename = display_name(filename)
    await _require_target(actor, collection_id, document_id)
    incoming = await files.receive(content, max_bytes=get_settings().max_upload_bytes)
    try:
        if incoming.size_bytes == 0:
            raise EmptyDocument("The file is empty. Check it and upload it again.")
        media_type = await asyncio.to_thread(detect_media_type, incoming.path, filename)
        version = DocumentVersionTable(
            tenant_id=actor.tenant_id,
            document_id=document_id or uuid4(),
            version=1,
            filename=filename,
            media_type=media_type,
            size_bytes=incoming.size_bytes,
            sha256=incoming.sha256,
            title=filename,
        )
        if document_id is None:
            result = await _add(actor, version, incoming, collection_id, purpose)
        else:
            result = await _replace(actor, version, incoming)
    finally:
        await asyncio.to_thread(files.discard, incoming.path)
    if result.document.status == DocumentStatus.QUEUED:
        await job_queue.wake("ingest")
    return result


async def _require_target(actor: Actor, collection_id: UUID | None, document_id: UUID | None) -> None:
    # Asked before the bytes are read, so that a wrong id costs nobody the upload; asked again when writing.
    async with transaction(actor, readonly=True) as tx:
        if collection_id is not None:
            await collections.get_writable(tx, collection_id)
        if document_id is not None:
            await _writable(tx, document_id, for_update=False)


async def _writable(tx: Transaction, document_id: UUID, *, for_update: bool = True) -> DocumentTable:
    """A document that the transaction's actor may write: in a collection they may, or their own in none."""
    row = await documents.get(tx, document_id, for_update=for_update)
    if row.collection_id is not None:
        await collections.get_writable(tx, row.collection_id)
    return row


async def _add(
    actor: Actor,
    version: DocumentVersionTable,
    incoming: files.IncomingFile,
    collection_id: UUID | None,
    purpose: str,
) -> UploadResult:
    async with transaction(actor) as tx:
        if collection_id is not None:
            await collections.get_writable(tx, collection_id, for_update=True)
        same = await documents.find_same_bytes(tx, collection_id, incoming.sha256)
        if same is not None:
            return await _duplicate(tx, same)
        row = DocumentTable(
            id=version.document_id,
            tenant_id=actor.tenant_id,
            collection_id=collection_id,
            filename=version.filename,
            purpose=purpose,
            created_by=actor.user_id,
            created_by_key=actor.key_id if actor.user_id is None else None,
            status=DocumentStatus.UPLOADED if collection_id is None else DocumentStatus.QUEUED,
        )
        tx.session.add(row)
        await tx.session.flush()
        tx.session.add(version)
        await audit.write(tx, "document.uploaded", row.id, after=facts_of(row), size_bytes=version.size_bytes)
        await files.keep(actor, incoming, row.id, version.version)
        await tx.session.flush()
        return UploadResult(await _view(tx, row.id), is_duplicate=False)


async def _duplicate(tx: Transaction, document_id: UUID) -> UploadResult:
    row = await documents.get(tx, document_id)
    if row.status in _GIVEN_UP and row.collection_id is not None:
        # Whoever uploads a failed file again wants it tried again, and needs no second copy of it for that.
        await audit.write(tx, "document.retried", document_id, **change_of(row, status="queued"))
        await documents.restart(tx, document_id)
    return UploadResult(await _view(tx, document_id), is_duplicate=True)


async def _replace(actor: Actor, version: DocumentVersionTable, incoming: files.IncomingFile) -> UploadResult:
    async with transaction(actor) as tx:
        row = await _writable(tx, version.document_id)
        latest = await documents.get_version(tx, row.id, row.latest_version)
        if latest.sha256 == incoming.sha256:
            return await _duplicate(tx, row.id)
        version.version = row.latest_version + 1
        tx.session.add(version)
        values = {"latest_version": version.version, "filename": version.filename}
        await audit.write(tx, "document.replaced", row.id, **change_of(row, **values))
        if row.collection_id is None:
            await documents.settle(tx, row.id, DocumentStatus.UPLOADED, **values)
        else:
            await documents.restart(tx, row.id, **values)
        await files.keep(actor, incoming, row.id, version.version)
        await tx.session.flush()
        return UploadResult(await _view(tx, row.id), is_duplicate=False)


async def list_documents(
    actor: Actor,
    *,
    collection_id: UUID | None = None,
    search: str = "",
    statuses: tuple[DocumentStatus, ...] = (),
    sort: DocumentSort = "created_at",
    descending: bool = True,
    limit: int = 50,
    after: UUID | None = None,
) -> DocumentPage:
    """Documents that the actor may read, a page at a time.

    Args:
        actor: who asks.
        collection_id: only this collection's; None: all, also those in none.
        search: part of the name or title.
        statuses: only documents standing there; empty: all.
        sort: what to order by.
        descending: largest, latest, last first.
        limit: 1 to 500.
        after: id of the last document of the page before.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such collection, or no document `after`.
        InvalidInput: the limit is out of range.
    """
    actor.require(Permission.READ_DOCUMENTS)
    if not 1 <= limit <= _MAX_PAGE:
        raise InvalidInput(f"The limit must be from 1 to {_MAX_PAGE}.", param="limit")
    wanted = DocumentFilter(collection_id, statuses, search.replace("\x00", "").strip())
    async with transaction(actor, readonly=True) as tx:
        if collection_id is not None:
            await collections.get(tx, collection_id)
        records = await documents.list_records(
            tx, wanted, sort=sort, descending=descending, limit=limit + 1, after=after
        )
        total = await documents.count(tx, wanted)
    views = [DocumentView.from_record(record) for record in records]
    return DocumentPage(views[:limit], total, has_more=len(views) > limit)


async def list_by_ids(actor: Actor, ids: Sequence[UUID]) -> list[DocumentView]:
    """The documents with these ids, newest first; those the actor may not read are left out.

    Args:
        actor: who asks.
        ids: at most 500.

    Raises:
        NotPermitted: the actor may not read documents.
        InvalidInput: too many ids.
    """
    actor.require(Permission.READ_DOCUMENTS)
    if len(ids) > _MAX_PAGE:
        raise InvalidInput(f"At most {_MAX_PAGE} documents can be asked for at once.", param="ids")
    async with transaction(actor, readonly=True) as tx:
        records = await documents.list_records(
            tx, DocumentFilter(ids=tuple(ids)), sort="created_at", descending=True, limit=_MAX_PAGE, after=None
        )
    return [DocumentView.from_record(record) for record in records]


async def get(actor: Actor, document_id: UUID) -> DocumentView:
    """One document.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document that the actor may read.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, document_id)


async def list_versions(actor: Actor, document_id: UUID) -> list[VersionView]:
    """Every version kept of a document, newest first.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document that the actor may read.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        await documents.get(tx, document_id)
        return [VersionView(*values) for values in await documents.list_versions(tx, document_id)]


async def list_chunks(actor: Actor, document_id: UUID, *, limit: int = 100, offset: int = 0) -> list[ChunkView]:
    """The pieces of the version that answers, in the document's order.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document that the actor may read.
        InvalidInput: limit or offset is out of range.
    """
    actor.require(Permission.READ_DOCUMENTS)
    if not 1 <= limit <= _MAX_PAGE or offset < 0:
        raise InvalidInput(f"The limit must be from 1 to {_MAX_PAGE}, the offset 0 or more.", param="limit")
    async with transaction(actor, readonly=True) as tx:
        row = await documents.get(tx, document_id)
        rows = await documents.list_chunks(tx, document_id, row.active_version, limit=limit, offset=offset)
    return [ChunkView(c.id, c.ordinal, c.text, c.start, c.end, c.page, c.heading) for c in rows]


async def cancel(actor: Actor, document_id: UUID) -> DocumentView:
    """Stop ingesting a document; a worker on it notices within a second. One that is finished stays as it is.

    Raises:
        NotPermitted: the actor may not write documents, or not this one.
        NotFound: no such document that the actor may read.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await _writable(tx, document_id)
        if row.status in _IN_WORK:
            await audit.write(tx, "document.cancelled", document_id, **change_of(row, status="cancelled"))
            await documents.settle(tx, document_id, DocumentStatus.CANCELLED)
            await documents.remove_index_rows(tx, document_id, keep_version=row.active_version)
        return await _view(tx, document_id)


async def retry(actor: Actor, document_id: UUID) -> DocumentView:
    """Ingest a failed or cancelled document again. One that is finished or in work stays as it is.

    Raises:
        NotPermitted: the actor may not write documents, or not this one.
        NotFound: no such document that the actor may read.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await _writable(tx, document_id)
        if row.collection_id is not None and row.status in _GIVEN_UP:
            await audit.write(tx, "document.retried", document_id, **change_of(row, status="queued"))
            await documents.restart(tx, document_id)
        view = await _view(tx, document_id)
    await job_queue.wake("ingest")
    return view


async def attach(actor: Actor, document_id: UUID, collection_id: UUID) -> DocumentView:
    """Put an uploaded file into a collection and have it ingested. Nothing changes where it is there already.

    Raises:
        NotPermitted: the actor may not write documents, or not in one of the two collections.
        NotFound: no such document or collection that the actor may read.
        Conflict: it is in another collection (`move` takes it from there), or the same bytes are here already.
    """
    return await _put(actor, document_id, collection_id, is_move=False)


async def move(actor: Actor, document_id: UUID, collection_id: UUID) -> DocumentView:
    """Take a document from its collection, if any, into another, where it is ingested anew.

    Raises:
        NotPermitted: the actor may not write documents, or not in one of the two collections.
        NotFound: no such document or collection that the actor may read.
        Conflict: the same bytes are in that collection already.
    """
    return await _put(actor, document_id, collection_id, is_move=True)


async def _put(actor: Actor, document_id: UUID, collection_id: UUID, *, is_move: bool) -> DocumentView:
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await _writable(tx, document_id)
        target = await collections.get_writable(tx, collection_id, for_update=True)
        if row.collection_id == collection_id:
            return await _view(tx, document_id)
        if row.collection_id is not None and not is_move:
            raise Conflict("The file is in another collection. Move it, or upload it for this one.", param="file_id")
        latest = await documents.get_version(tx, document_id, row.latest_version)
        same = await documents.find_same_bytes(tx, collection_id, latest.sha256)
        if same is not None:
            other = await documents.get(tx, same)
            raise Conflict(f"The same file is in “{target.name}” already, as “{other.filename}”.", param="file_id")
        changed = change_of(row, collection_id=collection_id, status="queued")
        await audit.write(tx, "document.attached", document_id, **changed, collection=target.name)
        pending = await _leave_collection(tx, row)
        await documents.restart(tx, document_id, collection_id=collection_id, active_version=0)
        view = await _view(tx, document_id)
    await removals.carry_out(actor, pending)
    await job_queue.wake("ingest")
    return view


async def detach(actor: Actor, document_id: UUID, collection_id: UUID) -> DocumentView:
    """Take a document out of a collection; its bytes stay, nothing of it answers any more.

    Raises:
        NotPermitted: the actor may not write documents, or not this collection.
        NotFound: no such document in this collection.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await documents.get_in(tx, document_id, collection_id)
        await collections.get_writable(tx, collection_id)
        await audit.write(tx, "document.detached", document_id, **change_of(row, collection_id=None, status="uploaded"))
        pending = await _leave_collection(tx, row)
        # Read before: in no collection it is its uploader's alone, who need not be the one who takes it out.
        before = await _view(tx, document_id)
        await documents.settle(tx, document_id, DocumentStatus.UPLOADED, collection_id=None, active_version=0)
    await removals.carry_out(actor, pending)
    return replace(before, collection_id=None, collection_name="", status=DocumentStatus.UPLOADED, active_version=0)


async def _leave_collection(tx: Transaction, row: DocumentTable) -> list[RemovalTable]:
    if row.collection_id is None:
        return []
    await documents.remove_index_rows(tx, row.id)
    await collections.bump_version(tx, row.collection_id)
    return [removal_rows.add(tx, collection_id=row.collection_id, document_id=row.id, keep_files=True)]


async def delete(actor: Actor, document_id: UUID) -> None:
    """Delete a document: file, text, chunks, keyword rows, vectors and previews. It answers no more at once.

    Raises:
        NotPermitted: the actor may not write documents, or not this one.
        NotFound: no such document that the actor may read.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        row = await _writable(tx, document_id)
        await audit.write(tx, "document.deleted", document_id, before=facts_of(row))
        if row.collection_id is not None:
            await collections.bump_version(tx, row.collection_id)
        pending = [removal_rows.add(tx, collection_id=row.collection_id, document_id=document_id)]
        await documents.remove(tx, document_id)
    await removals.carry_out(actor, pending)


async def _view(tx: Transaction, document_id: UUID) -> DocumentView:
    return DocumentView.from_record(await documents.get_record(tx, document_id))
