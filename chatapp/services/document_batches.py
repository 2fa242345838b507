"""Use cases of batches: documents put into a collection with one request, and watched together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.services import documents as document_service
from chatapp.services.document_views import DocumentView
from chatapp.store import audit, collections, document_batches, documents
from chatapp.store.database import Transaction, transaction
from chatapp.store.documents import DocumentFilter

MAX_DOCUMENTS = 2_000
"""In one batch, as OpenAI has it."""
_IN_WORK = {DocumentStatus.QUEUED, DocumentStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch and where its documents stand."""

    id: UUID
    collection_id: UUID
    is_cancelled: bool
    created_at: datetime
    documents: list[DocumentView]
    """In the order of their upload. One that could not be put into the collection is failed and says why; one that
    was taken out since is cancelled; deleted ones are left out."""

    @property
    def counts(self) -> Counter[DocumentStatus]:
        """How many documents stand where."""
        return Counter(view.status for view in self.documents)

    @property
    def is_in_work(self) -> bool:
        """Whether any document is not finished."""
        return any(view.status in _IN_WORK for view in self.documents)


async def create(actor: Actor, collection_id: UUID, document_ids: Sequence[UUID]) -> BatchView:
    """Put uploaded files into a collection and have them ingested.

    A file that cannot be put there, because it is in another collection or the same bytes are there already, does
    not keep the others out: it counts as failed.

    Args:
        actor: who asks.
        collection_id: the collection.
        document_ids: 1 to `MAX_DOCUMENTS`; repeated ones count once.

    Raises:
        NotPermitted: the actor may not write documents, or not in this collection.
        NotFound: no such collection or document in this tenant; then nothing was changed.
        InvalidInput: none or too many documents.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    wanted = list(dict.fromkeys(document_ids))
    if not 1 <= len(wanted) <= MAX_DOCUMENTS:
        raise InvalidInput(f"Name 1 to {MAX_DOCUMENTS:,} files.", param="file_ids")
    async with transaction(actor, readonly=True) as tx:
        await collections.get_writable(tx, collection_id)
        if await documents.list_existing(tx, wanted) != set(wanted):
            raise NotFound("One of the files does not exist.", param="file_ids")
    refusals = {document_id: await _attach(actor, document_id, collection_id) for document_id in wanted}
    async with transaction(actor) as tx:
        await collections.get_writable(tx, collection_id)
        kept = await documents.list_existing(tx, wanted)
        members = {document_id: refusal for document_id, refusal in refusals.items() if document_id in kept}
        row = await document_batches.add(tx, collection_id=collection_id, created_by=actor.user_id, members=members)
        await audit.write(tx, "document_batch.created", row.id, documents=len(members))
        return await _view(tx, row.id, collection_id)


async def _attach(actor: Actor, document_id: UUID, collection_id: UUID) -> str:
    """Put one document into the collection; returns why that is not possible, or an empty string."""
    try:
        await document_service.attach(actor, document_id, collection_id)
    except (Conflict, NotFound) as error:
        return error.message
    return ""


async def get(actor: Actor, collection_id: UUID, batch_id: UUID) -> BatchView:
    """One batch of a collection.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such collection in this tenant, or no such batch of it.
    """
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, batch_id, collection_id)


async def cancel(actor: Actor, collection_id: UUID, batch_id: UUID) -> BatchView:
    """Stop ingesting what is not finished of a batch.

    Raises:
        NotPermitted: the actor may not write documents, or not in this collection.
        NotFound: no such collection in this tenant, or no such batch of it.
    """
    actor.require(Permission.WRITE_DOCUMENTS)
    async with transaction(actor) as tx:
        await collections.get_writable(tx, collection_id)
        row = await document_batches.get(tx, batch_id, collection_id)
        row.is_cancelled = True
        await audit.write(tx, "document_batch.cancelled", batch_id)
        view = await _view(tx, batch_id, collection_id)
    for document in view.documents:
        if document.status in _IN_WORK:
            await document_service.cancel(actor, document.id)
    return await get(actor, collection_id, batch_id)


async def _view(tx: Transaction, batch_id: UUID, collection_id: UUID) -> BatchView:
    await collections.get(tx, collection_id)
    row = await document_batches.get(tx, batch_id, collection_id)
    members = await document_batches.list_members(tx, batch_id)
    records = await documents.list_records(
        tx,
        DocumentFilter(ids=tuple(members)),
        sort="created_at",
        descending=False,
        limit=MAX_DOCUMENTS,
        after=None,
    )
    views = [_as_member(DocumentView.from_record(record), collection_id, members[record.row.id]) for record in records]
    return BatchView(row.id, row.collection_id, row.is_cancelled, row.created_at, views)


def _as_member(view: DocumentView, collection_id: UUID, refusal: str) -> DocumentView:
    """A document as its batch sees it."""
    if view.collection_id == collection_id:
        return view
    if refusal:
        return replace(view, collection_id=collection_id, status=DocumentStatus.FAILED, error=refusal)
    return replace(view, collection_id=collection_id, status=DocumentStatus.CANCELLED, error="")
