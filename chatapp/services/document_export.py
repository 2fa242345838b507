"""A list of documents as CSV, for people who go on with it in a spreadsheet."""

from __future__ import annotations

from uuid import UUID

from chatapp.domain import Actor, DocumentStatus
from chatapp.services import documents
from chatapp.services.csv_export import cell, line
from chatapp.services.document_views import DocumentView
from chatapp.store.documents import DocumentSort

MAX_ROWS = 20_000
"""More are left out: the file is made in memory."""

_PAGE = 500
_COLUMNS = (
    "filename",
    "collection",
    "status",
    "stage",
    "progress",
    "error",
    "media_type",
    "pages",
    "pieces",
    "bytes",
    "created_at",
    "created_by",
    "id",
)


async def as_csv(
    actor: Actor,
    *,
    collection_id: UUID | None = None,
    search: str = "",
    statuses: tuple[DocumentStatus, ...] = (),
    sort: DocumentSort = "created_at",
    descending: bool = True,
) -> str:
    """The documents that `documents.list_documents` lists for the same arguments, all pages of them, as CSV.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such collection in this tenant.
    """
    lines = [line(_COLUMNS)]
    after: UUID | None = None
    for _ in range(MAX_ROWS // _PAGE):
        page = await documents.list_documents(
            actor,
            collection_id=collection_id,
            search=search,
            statuses=statuses,
            sort=sort,
            descending=descending,
            limit=_PAGE,
            after=after,
        )
        lines += [line([cell(value) for value in _row(view)]) for view in page.items]
        if not page.has_more:
            break
        after = page.items[-1].id
    return "".join(lines)


def _row(view: DocumentView) -> tuple[object, ...]:
    return (
        view.filename,
        view.collection_name,
        view.status,
        view.stage,
        round(view.progress, 3),
        view.error,
        view.media_type,
        view.page_count,
        view.chunk_count,
        view.size_bytes,
        view.created_at,
        view.created_by_name,
        view.id,
    )
