"""`/v1/vector_stores`: collections, their documents and a search without an answer, as OpenAI's Vector Stores."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Response
from pydantic import Field

from chatapp.domain import Actor, DocumentStatus, RetrievedChunk
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.services import collections, documents, search
from chatapp.services.collections import CollectionView
from chatapp.services.document_views import DocumentView
from chatapp.services.subjects import MAX_GRANTS
from chatapp.web.auth import SignedIn
from chatapp.web.grant_body import GrantBody, as_grants
from chatapp.web.parameters import After, Order, PathId, page_of, parse_id, unix
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
_STATUS: dict[DocumentStatus, FileStatus] = {
    DocumentStatus.COMPLETED: "completed",
    DocumentStatus.FAILED: "failed",
    DocumentStatus.CANCELLED: "cancelled",
}
WANTED: dict[FileStatus, tuple[DocumentStatus, ...]] = {
    "in_progress": (DocumentStatus.QUEUED, DocumentStatus.RUNNING),
    "completed": (DocumentStatus.COMPLETED,),
    "failed": (DocumentStatus.FAILED,),
    "cancelled": (DocumentStatus.CANCELLED,),
}
"""Where a document may stand for each word of OpenAI's."""
POLL_AFTER_MS = "300"
"""How long a client waits before it asks again, in milliseconds, as a header has it."""


class NewVectorStore(RequestBody):
    """A collection to make."""

    name: str | None = Field(default=None, max_length=400)
    description: str = Field(default="", max_length=4_000)
    file_ids: list[str] = Field(default_factory=list, max_length=500)
    expires_after: None = None
    """Collections do not expire here; one that should is refused rather than kept."""
    grants: list[GrantBody] | None = Field(default=None, max_length=MAX_GRANTS)
    """Who may read and write it, beside the caller, who always may; left out: everyone of the tenant may do both."""


class ChangedVectorStore(RequestBody):
    """What to change; what is left out stays."""

    name: str | None = Field(default=None, max_length=400)
    description: str | None = Field(default=None, max_length=4_000)
    expires_after: None = None


class NewVectorStoreFile(RequestBody):
    """An uploaded file to put into a collection."""

    file_id: str = Field(max_length=64)


class RankingOptions(RequestBody):
    """How results are ranked."""

    score_threshold: float = Field(default=0.0, ge=0.0, le=1.0)


class Search(RequestBody):
    """A search."""

    query: str | list[str]
    max_num_results: int = Field(default=10, ge=1, le=50)
    ranking_options: RankingOptions = Field(default_factory=RankingOptions)
    rewrite_query: bool = False
    filters: None = None
    """Files carry no attributes of their own here; a filter that would be ignored is refused."""


def vector_store_object(view: CollectionView) -> dict[str, Any]:
    """A collection in OpenAI's shape."""
    counts = view.counts
    return {
        "id": str(view.id),
        "object": "vector_store",
        "created_at": unix(view.created_at),
        "last_active_at": None,
        "name": view.name,
        "description": view.description,
        "status": "in_progress" if counts.in_progress else "completed",
        "usage_bytes": counts.size_bytes,
        "file_counts": {
            "in_progress": counts.in_progress,
            "completed": counts.completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
            "total": counts.total,
        },
        "expires_after": None,
        "expires_at": None,
        "metadata": {},
        "can_write": view.can_write,
        "readers": view.readers or "Everyone",
    }


def vector_store_file_object(view: DocumentView) -> dict[str, Any]:
    """A document in its collection, in OpenAI's shape."""
    status = _STATUS.get(view.status, "in_progress")
    code = "unsupported_file" if view.error_stage == "parse" else "server_error"
    return {
        "id": str(view.id),
        "object": "vector_store.file",
        "created_at": unix(view.created_at),
        "vector_store_id": str(view.collection_id) if view.collection_id else "",
        "status": status,
        "last_error": {"code": code, "message": view.error} if status == "failed" else None,
        "usage_bytes": view.size_bytes,
        "attributes": {"filename": view.filename, "title": view.title[:512]},
        "chunking_strategy": {"type": "other"},
        "stage": view.stage,
        "progress": round(view.progress, 4),
    }


@router.post("")
async def create(actor: SignedIn, body: NewVectorStore) -> dict[str, Any]:
    """Make a collection, and put uploaded files into it where some are named."""
    file_ids = [parse_id(text, "file_ids") for text in body.file_ids]
    name = body.name if body.name is not None else f"Vector store {uuid4().hex[:8]}"
    granted = None if body.grants is None else as_grants(body.grants)
    await _require_in_no_collection(actor, file_ids)
    view = await collections.create(actor, name=name, description=body.description, granted=granted)
    for file_id in file_ids:
        await documents.attach(actor, file_id, view.id)
    return vector_store_object(await collections.get(actor, view.id) if file_ids else view)


async def _require_in_no_collection(actor: Actor, file_ids: list[UUID]) -> None:
    # Asked before there is a collection, so that a wrong id leaves none behind.
    found = {view.id: view for view in await documents.list_by_ids(actor, file_ids)} if file_ids else {}
    for file_id in file_ids:
        if file_id not in found:
            raise NotFound("There is no such document.", param="file_ids")
        if found[file_id].collection_id is not None:
            raise Conflict("The file is in another collection. Move it, or upload it for this one.", param="file_ids")


@router.get("")
async def list_vector_stores(
    actor: SignedIn, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: After = None, order: Order = "desc"
) -> dict[str, Any]:
    """The collections the caller may read, by the moment they were made."""
    views = sorted(
        await collections.list_readable(actor),
        key=lambda view: (view.created_at, view.id),
        reverse=order == "desc",
    )
    if after:
        after_id = parse_id(after, "after")
        place = next((index for index, view in enumerate(views) if view.id == after_id), None)
        if place is None:
            raise NotFound("Nothing has the id given as after.", param="after")
        views = views[place + 1 :]
    return page_of([vector_store_object(view) for view in views[:limit]], has_more=len(views) > limit)


@router.get("/{vector_store_id}")
async def get_vector_store(actor: SignedIn, vector_store_id: PathId) -> dict[str, Any]:
    """One collection."""
    return vector_store_object(await collections.get(actor, vector_store_id))


@router.post("/{vector_store_id}")
async def update(actor: SignedIn, vector_store_id: PathId, body: ChangedVectorStore) -> dict[str, Any]:
    """Change a collection's name or description."""
    view = await collections.rename(actor, vector_store_id, name=body.name, description=body.description)
    return vector_store_object(view)


@router.delete("/{vector_store_id}")
async def delete(actor: SignedIn, vector_store_id: PathId) -> dict[str, Any]:
    """Delete a collection with all its documents."""
    await collections.delete(actor, vector_store_id)
    return {"id": str(vector_store_id), "object": "vector_store.deleted", "deleted": True}


@router.post("/{vector_store_id}/files")
async def attach(
    actor: SignedIn, vector_store_id: PathId, body: NewVectorStoreFile, response: Response
) -> dict[str, Any]:
    """Put an uploaded file into a collection; it is ingested from then on."""
    view = await documents.attach(actor, parse_id(body.file_id, "file_id"), vector_store_id)
    return _file_answer(view, response)


@router.get("/{vector_store_id}/files")
async def list_files(
    actor: SignedIn,
    vector_store_id: PathId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: After = None,
    order: Order = "desc",
    filter: Annotated[FileStatus | None, Query()] = None,
) -> dict[str, Any]:
    """Documents of a collection, a page at a time."""
    page = await documents.list_documents(
        actor,
        collection_id=vector_store_id,
        statuses=WANTED[filter] if filter else (),
        descending=order == "desc",
        limit=limit,
        after=parse_id(after, "after") if after else None,
    )
    return page_of([vector_store_file_object(view) for view in page.items], has_more=page.has_more)


@router.get("/{vector_store_id}/files/{file_id}")
async def get_file(actor: SignedIn, vector_store_id: PathId, file_id: PathId, response: Response) -> dict[str, Any]:
    """A document of a collection, and where it stands."""
    return _file_answer(await _in_collection(actor, file_id, vector_store_id), response)


@router.delete("/{vector_store_id}/files/{file_id}")
async def detach(actor: SignedIn, vector_store_id: PathId, file_id: PathId) -> dict[str, Any]:
    """Take a document out of a collection; its bytes stay under `/v1/files`."""
    await documents.detach(actor, file_id, vector_store_id)
    return {"id": str(file_id), "object": "vector_store.file.deleted", "deleted": True}


@router.get("/{vector_store_id}/files/{file_id}/content")
async def get_file_content(actor: SignedIn, vector_store_id: PathId, file_id: PathId) -> dict[str, Any]:
    """The pieces a document was cut into, in order."""
    await _in_collection(actor, file_id, vector_store_id)
    chunks = await documents.list_chunks(actor, file_id, limit=500)
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": chunk.text} for chunk in chunks],
        "has_more": False,
        "next_page": None,
    }


@router.post("/{vector_store_id}/search")
async def search_vector_store(actor: SignedIn, vector_store_id: PathId, body: Search) -> dict[str, Any]:
    """The passages of a collection that fit a query best, without an answer."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    if len(queries) != 1:
        raise InvalidInput("Give one query.", param="query")
    found = await search.search(actor, vector_store_id, queries[0], max_results=body.max_num_results)
    results = [_result(item) for item in found if item.score >= body.ranking_options.score_threshold]
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": results,
        "has_more": False,
        "next_page": None,
    }


def _result(found: RetrievedChunk) -> dict[str, Any]:
    chunk = found.chunk
    return {
        "file_id": str(chunk.document_id),
        "filename": found.filename,
        "score": found.score,
        "attributes": {
            "page": chunk.page,
            "start": chunk.start,
            "end": chunk.end,
            "heading": chunk.heading,
            "title": found.title,
            "chunk_id": str(chunk.id),
            "version": found.version,
        },
        "content": [{"type": "text", "text": chunk.text}],
    }


def _file_answer(view: DocumentView, response: Response) -> dict[str, Any]:
    answer = vector_store_file_object(view)
    if answer["status"] == "in_progress":
        # OpenAI's client waits this long before it asks again.
        response.headers["openai-poll-after-ms"] = POLL_AFTER_MS
    return answer


async def _in_collection(actor: SignedIn, file_id: UUID, collection_id: UUID) -> DocumentView:
    view = await documents.get(actor, file_id)
    if view.collection_id != collection_id:
        raise NotFound("There is no such file in this vector store.", param="file_id")
    return view
