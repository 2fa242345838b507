"""`/v1/vector_stores/{id}/file_batches`: files put into a collection together, as OpenAI's file batches."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatapp.domain import DocumentStatus
from chatapp.errors import InvalidInput, NotFound
from chatapp.services import document_batches
from chatapp.services.document_batches import MAX_DOCUMENTS, BatchView
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import After, Order, PathId, page_of, parse_id, unix
from chatapp.web.request_body import RequestBody
from chatapp.web.vector_stores import POLL_AFTER_MS, WANTED, FileStatus, NewVectorStoreFile, vector_store_file_object

router = APIRouter(prefix="/v1/vector_stores/{vector_store_id}/file_batches", tags=["vector stores"])


class NewFileBatch(RequestBody):
    """Uploaded files to put into a collection: as ids, or as objects with an id."""

    file_ids: list[str] = Field(default_factory=list, max_length=MAX_DOCUMENTS)
    files: list[NewVectorStoreFile] = Field(default_factory=list, max_length=MAX_DOCUMENTS)


def file_batch_object(view: BatchView) -> dict[str, Any]:
    """A batch in OpenAI's shape."""
    counts = view.counts
    return {
        "id": str(view.id),
        "object": "vector_store.files_batch",
        "created_at": unix(view.created_at),
        "vector_store_id": str(view.collection_id),
        "status": _status(view),
        "file_counts": {
            "in_progress": sum(counts[status] for status in WANTED["in_progress"]),
            "completed": counts[DocumentStatus.COMPLETED],
            "failed": counts[DocumentStatus.FAILED],
            "cancelled": counts[DocumentStatus.CANCELLED],
            "total": counts.total(),
        },
    }


def _status(view: BatchView) -> FileStatus:
    if view.is_cancelled:
        return "cancelled"
    if view.is_in_work:
        return "in_progress"
    has_failed_whole = bool(view.documents) and view.counts[DocumentStatus.FAILED] == len(view.documents)
    return "failed" if has_failed_whole else "completed"


@router.post("")
async def create(actor: SignedIn, vector_store_id: PathId, body: NewFileBatch, response: Response) -> dict[str, Any]:
    """Put uploaded files into a collection; a file that cannot be put there counts as failed and says why."""
    if bool(body.file_ids) == bool(body.files):
        raise InvalidInput("Give file_ids or files, one of the two.", param="file_ids")
    ids = body.file_ids or [file.file_id for file in body.files]
    file_ids = [parse_id(text, "file_ids") for text in ids]
    return _answer(await document_batches.create(actor, vector_store_id, file_ids), response)


@router.get("/{batch_id}")
async def get_batch(actor: SignedIn, vector_store_id: PathId, batch_id: PathId, response: Response) -> dict[str, Any]:
    """One batch, and how many of its files stand where."""
    return _answer(await document_batches.get(actor, vector_store_id, batch_id), response)


@router.post("/{batch_id}/cancel")
async def cancel(actor: SignedIn, vector_store_id: PathId, batch_id: PathId) -> dict[str, Any]:
    """Stop what is not finished of a batch; what is finished stays."""
    return file_batch_object(await document_batches.cancel(actor, vector_store_id, batch_id))


@router.get("/{batch_id}/files")
async def list_files(
    actor: SignedIn,
    vector_store_id: PathId,
    batch_id: PathId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: After = None,
    order: Order = "desc",
    filter: Annotated[FileStatus | None, Query()] = None,
) -> dict[str, Any]:
    """The files of a batch, a page at a time."""
    view = await document_batches.get(actor, vector_store_id, batch_id)
    found = view.documents if order == "asc" else view.documents[::-1]
    if after:
        after_id = parse_id(after, "after")
        place = next((index for index, document in enumerate(found) if document.id == after_id), None)
        if place is None:
            raise NotFound("Nothing has the id given as after.", param="after")
        found = found[place + 1 :]
    if filter:
        found = [document for document in found if document.status in WANTED[filter]]
    return page_of([vector_store_file_object(document) for document in found[:limit]], has_more=len(found) > limit)


def _answer(view: BatchView, response: Response) -> dict[str, Any]:
    if view.is_in_work:
        # OpenAI's client waits this long before it asks again.
        response.headers["openai-poll-after-ms"] = POLL_AFTER_MS
    return file_batch_object(view)
