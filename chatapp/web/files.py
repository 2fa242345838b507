"""`/v1/files`: documents, in the shape of OpenAI's Files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse

from chatapp.domain import DocumentStatus
from chatapp.services import document_questions, documents, previews
from chatapp.services.document_views import DocumentView, UploadResult
from chatapp.web.auth import SignedIn
from chatapp.web.headers import uploaded_file_headers
from chatapp.web.multipart import read_upload
from chatapp.web.parameters import After, Order, PathId, page_of, parse_id, unix

router = APIRouter(prefix="/v1/files", tags=["files"])

Version = Annotated[int | None, Query(ge=1, le=1_000_000)]
"""Which version; without it the one that answers."""
Offset = Annotated[int, Query(ge=0, le=2_000_000_000)]
"""A place in the document's text, in characters, or in a list."""

_MAX_PAGE = 500
_INLINE = frozenset({"application/pdf"})
"""What a browser may show in place; everything else is saved."""
_STATUS = {DocumentStatus.COMPLETED: "processed", DocumentStatus.FAILED: "error"}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "purpose": {"type": "string"},
                        "collection_id": {"type": "string", "format": "uuid"},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}
"""Fields stand before the file: it is stored while it arrives."""


def file_object(view: DocumentView) -> dict[str, Any]:
    """A document in OpenAI's shape, with where it stands beside it."""
    return {
        "id": str(view.id),
        "object": "file",
        "bytes": view.size_bytes,
        "created_at": unix(view.created_at),
        "filename": view.filename,
        "purpose": view.purpose,
        "status": _STATUS.get(view.status, "uploaded"),
        "status_details": view.error or None,
        "collection_id": str(view.collection_id) if view.collection_id else None,
        "title": view.title,
        "media_type": view.media_type,
        "ingest": {
            "status": view.status,
            "stage": view.stage,
            "progress": round(view.progress, 4),
            "error": view.error,
            "error_stage": view.error_stage,
        },
        "page_count": view.page_count,
        "chunk_count": view.chunk_count,
        "active_version": view.active_version,
        "latest_version": view.latest_version,
        "can_write": view.can_write,
    }


@router.post("", openapi_extra=_UPLOAD_BODY)
async def upload(request: Request, actor: SignedIn) -> dict[str, Any]:
    """Upload a file. With `collection_id` it is ingested at once, otherwise when it is put into a vector store.

    The same bytes in the same collection again give the file that is there, with `is_duplicate` true.
    """
    incoming = await read_upload(request)
    wanted = incoming.fields.get("collection_id") or None
    result = await documents.upload(
        actor,
        filename=incoming.filename,
        content=incoming.content,
        collection_id=parse_id(wanted, "collection_id") if wanted else None,
        purpose=incoming.fields.get("purpose") or "assistants",
    )
    return _uploaded(result)


@router.put("/{file_id}", openapi_extra=_UPLOAD_BODY)
async def replace(request: Request, actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """Upload a new version of a file. The present one answers until the new one is ready."""
    incoming = await read_upload(request)
    result = await documents.upload(actor, filename=incoming.filename, content=incoming.content, document_id=file_id)
    return _uploaded(result)


@router.get("")
async def list_files(
    actor: SignedIn,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    after: After = None,
    order: Order = "desc",
    collection_id: Annotated[str | None, Query(max_length=64)] = None,
    search: Annotated[str, Query(max_length=200)] = "",
    ids: Annotated[str | None, Query(max_length=_MAX_PAGE * 37)] = None,
) -> dict[str, Any]:
    """Files that the caller may read, a page at a time; `after` takes the last id of the page before, `ids` some."""
    if ids is not None:
        views = await documents.list_by_ids(actor, [parse_id(text, "ids") for text in ids.split(",") if text])
        return page_of([file_object(view) for view in views], has_more=False) | {"total": len(views)}
    page = await documents.list_documents(
        actor,
        collection_id=parse_id(collection_id, "collection_id") if collection_id else None,
        search=search,
        descending=order == "desc",
        limit=min(limit, _MAX_PAGE),
        after=parse_id(after, "after") if after else None,
    )
    return page_of([file_object(view) for view in page.items], has_more=page.has_more) | {"total": page.total}


@router.get("/{file_id}")
async def get_file(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """One file."""
    return file_object(await documents.get(actor, file_id))


@router.delete("/{file_id}")
async def delete_file(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """Delete a file with everything made from it."""
    await documents.delete(actor, file_id)
    return {"id": str(file_id), "object": "file", "deleted": True}


@router.get("/{file_id}/content")
async def get_content(actor: SignedIn, file_id: PathId, version: Version = None) -> FileResponse:
    """The bytes as they were uploaded; `Range` is understood."""
    content = await previews.content(actor, file_id, version=version)
    is_inline = content.media_type in _INLINE
    return FileResponse(
        content.path,
        # A browser must not take what somebody uploaded for a page of ours, whatever it is.
        media_type=content.media_type if is_inline else "application/octet-stream",
        filename=content.filename,
        content_disposition_type="inline" if is_inline else "attachment",
        headers=uploaded_file_headers(is_inline=is_inline),
    )


@router.get("/{file_id}/preview")
async def get_preview(
    actor: SignedIn,
    file_id: PathId,
    start: Offset = 0,
    end: Offset | None = None,
    version: Version = None,
) -> dict[str, Any]:
    """The text around a passage as blocks: headings, paragraphs, tables, code."""
    return asdict(await previews.preview(actor, file_id, start=start, end=end, version=version))


@router.get("/{file_id}/passage")
async def get_passage(
    actor: SignedIn, file_id: PathId, start: Offset, end: Offset, version: Version = None
) -> dict[str, Any]:
    """Where a passage stands on the pages of a PDF, in points; without pages for other formats."""
    return asdict(await previews.passage_rects(actor, file_id, start=start, end=end, version=version))


@router.get("/{file_id}/chunks")
async def list_chunks(
    actor: SignedIn,
    file_id: PathId,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The pieces the answering version was cut into, in order."""
    chunks = await documents.list_chunks(actor, file_id, limit=limit, offset=offset)
    return {"object": "list", "data": [asdict(chunk) for chunk in chunks]}


@router.get("/{file_id}/versions")
async def list_versions(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """Every version kept, newest first."""
    return {"object": "list", "data": [asdict(version) for version in await documents.list_versions(actor, file_id)]}


@router.get("/{file_id}/questions")
async def list_questions(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """The latest questions whose answers cite a file, for those who may read what others ask."""
    found = await document_questions.list_questions(actor, file_id)
    data = [asdict(question) | {"asked_at": unix(question.asked_at)} for question in found]
    return {"object": "list", "data": data}


@router.post("/{file_id}/cancel")
async def cancel(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """Stop ingesting a file."""
    return file_object(await documents.cancel(actor, file_id))


@router.post("/{file_id}/retry")
async def retry(actor: SignedIn, file_id: PathId) -> dict[str, Any]:
    """Ingest a failed or cancelled file again."""
    return file_object(await documents.retry(actor, file_id))


def _uploaded(result: UploadResult) -> dict[str, Any]:
    return file_object(result.document) | {"is_duplicate": result.is_duplicate}
