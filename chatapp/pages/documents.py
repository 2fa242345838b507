"""The documents page: what is there, where it stands, and every change to it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

import reflex as rx

from chatapp.components.app_shell import SidebarState, app_shell
from chatapp.components.documents import (
    ChunkRow,
    CollectionAnswer,
    CollectionRow,
    CollectionsRail,
    DocumentDetail,
    DocumentDrawer,
    DocumentRow,
    DocumentsTable,
    SubjectRow,
    VersionRow,
)
from chatapp.components.page import Page
from chatapp.components.state_bases import MemberState, current_actor
from chatapp.components.uploads import upload_button, uploader
from chatapp.domain import Actor, DocumentStatus, Permission
from chatapp.errors import AppError, NotFound
from chatapp.services import collections, document_export, documents, subjects
from chatapp.services.collections import CollectionView
from chatapp.services.document_views import ChunkView, DocumentPage, DocumentView, VersionView
from chatapp.settings import get_settings

PAGE_SIZE = 50
CHUNKS_AT_ONCE = 60
MAX_CHUNK_CHARACTERS = 400
"""Of a piece's text in the drawer; the preview beside it shows all of it."""
KINDS = "PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown, text and e-mail"

_STATES: dict[str, tuple[DocumentStatus, ...]] = {
    "ready": (DocumentStatus.COMPLETED,),
    "working": (DocumentStatus.QUEUED, DocumentStatus.RUNNING),
    "failed": (DocumentStatus.FAILED, DocumentStatus.CANCELLED),
}
_SORTS = ("created_at", "filename", "size_bytes", "status")


def _collection_row(view: CollectionView) -> CollectionRow:
    return CollectionRow(
        id=str(view.id),
        name=view.name,
        description=view.description,
        documents=view.counts.total,
        failed=view.counts.failed,
        can_write=view.can_write,
        readers=view.readers,
    )


def _document_row(view: DocumentView) -> DocumentRow:
    return DocumentRow(
        id=str(view.id),
        collection_id=str(view.collection_id or ""),
        collection_name=view.collection_name,
        filename=view.filename,
        media_type=view.media_type,
        size_bytes=view.size_bytes,
        status=str(view.status),
        stage=str(view.stage),
        progress=round(view.progress, 3),
        error=view.error,
        error_stage=view.error_stage,
        page_count=view.page_count,
        chunk_count=view.chunk_count,
        created_at=view.created_at.timestamp(),
        created_by=view.created_by_name,
        active_version=view.active_version,
        latest_version=view.latest_version,
        can_write=view.can_write,
    )


def _chunk_row(view: ChunkView) -> ChunkRow:
    return ChunkRow(
        id=str(view.id),
        ordinal=view.ordinal,
        text=view.text[:MAX_CHUNK_CHARACTERS],
        start=view.start,
        end=view.end,
        page=view.page,
        heading=view.heading,
    )


def _version_row(view: VersionView) -> VersionRow:
    return VersionRow(
        version=view.version,
        filename=view.filename,
        size_bytes=view.size_bytes,
        created_at=view.created_at.timestamp(),
    )


def _no_detail(problem: str = "") -> DocumentDetail:
    row = {name: "" for name in DocumentRow.__annotations__} | {"can_write": False}
    return DocumentDetail(**row, chunks=[], versions=[], problem=problem)  # pyright: ignore[reportArgumentType]


class DocumentsState(MemberState, rx.State):
    """One page of the documents the address asks for. All of it is rebuilt from the address and the database."""

    permission: ClassVar[Permission | None] = Permission.READ_DOCUMENTS

    rows: list[DocumentRow] = []
    total: int = 0
    first: int = 1
    """Number of the first row in the whole list."""
    has_more: bool = False
    all_documents: int = 0
    collections: list[CollectionRow] = []
    subjects: list[SubjectRow] = []
    """Groups and people that match what is typed where a new collection is granted."""
    collection_answer: CollectionAnswer = CollectionAnswer(count=0, problem="", field="")
    collection_id: str = ""
    detail: DocumentDetail = _no_detail()
    is_loading: bool = True
    load_error: str = ""
    can_write: bool = False
    can_see_questions: bool = False
    max_bytes: int = 0

    @rx.event
    async def open_page(self) -> None:
        """Show what the address asks for."""
        actor = current_actor()
        self.can_write = actor.may(Permission.WRITE_DOCUMENTS)
        self.can_see_questions = actor.may(Permission.READ_TRACES)
        self.max_bytes = get_settings().max_upload_bytes
        await self._load(actor)

    @rx.event
    async def refresh(self) -> None:
        """Look again, for a list in which something is in work."""
        await self._load(current_actor())

    @rx.event
    async def retry(self, document_ids: list[str]):
        """Ingest documents again."""
        return await self._change([documents.retry(current_actor(), UUID(each)) for each in document_ids])

    @rx.event
    async def cancel(self, document_id: str):
        """Stop ingesting a document."""
        return await self._change([documents.cancel(current_actor(), UUID(document_id))])

    @rx.event
    async def delete(self, document_ids: list[str]):
        """Delete documents."""
        done = "Deleted." if len(document_ids) == 1 else f"{len(document_ids)} documents deleted."
        return await self._change([documents.delete(current_actor(), UUID(each)) for each in document_ids], done)

    @rx.event
    async def move(self, document_ids: list[str], collection_id: str):
        """Take documents into another collection, where they are ingested anew."""
        moved = [documents.move(current_actor(), UUID(each), UUID(collection_id)) for each in document_ids]
        return await self._change(moved, "Moved. Ready again in a moment.")

    @rx.event
    async def create_collection(self, name: str, description: str, audience: str, grants: list[dict[str, str]]) -> None:
        """Make an empty collection for everyone, for oneself or for some."""
        granted = subjects.granted_of(audience, grants)
        await self._save(collections.create(current_actor(), name=name, description=description, granted=granted))

    @rx.event
    async def search_subjects(self, words: str) -> None:
        """Find groups and people to grant a new collection to."""
        found = await subjects.search(current_actor(), str(words))
        self.subjects = [SubjectRow(**asdict(each)) for each in found]

    @rx.event
    async def rename_collection(self, collection_id: str, name: str, description: str) -> None:
        """Give a collection another name and description."""
        await self._save(collections.rename(current_actor(), UUID(collection_id), name=name, description=description))

    @rx.event
    async def delete_collection(self, collection_id: str):
        """Delete a collection with its documents."""
        return await self._change([collections.delete(current_actor(), UUID(collection_id))], "Collection deleted.")

    @rx.event
    async def more_chunks(self) -> None:
        """Show more pieces of the document in the drawer."""
        shown = self.detail["chunks"]
        found = await documents.list_chunks(
            current_actor(), UUID(self.detail["id"]), limit=CHUNKS_AT_ONCE, offset=len(shown)
        )
        self.detail = {**self.detail, "chunks": [*shown, *map(_chunk_row, found)]}

    @rx.event
    async def export(self):
        """Hand out what the filters let through, all pages of it, as CSV."""
        return rx.download(
            data=await document_export.as_csv(current_actor(), **self._wanted()), filename="documents.csv"
        )

    async def _save(self, saving: Awaitable[object]) -> None:
        """Save what a dialog holds, and tell it: what was refused stays there to be corrected."""
        problem, field = "", ""
        try:
            await saving
        except AppError as error:
            problem, field = error.message, error.param or ""
        await self._load(current_actor())
        self.collection_answer = CollectionAnswer(
            count=self.collection_answer["count"] + 1, problem=problem, field=field
        )

    async def _change(self, changes: Sequence[Awaitable[object]], done: str = ""):
        """Make changes one by one; the first refusal ends it. Then show what became of it."""
        problem = ""
        for index, change in enumerate(changes):
            if problem:
                _discard(change)
                continue
            try:
                await change
            except AppError as error:
                problem = error.message if index == 0 else f"{error.message} {index} were done before."
        await self._load(current_actor())
        if problem:
            return rx.toast.error(problem)
        return rx.toast.success(done) if done else None

    def _wanted(self) -> dict[str, Any]:
        """What the address asks for, as arguments of `list_documents`; anything unknown in it is ignored."""
        query = self.router.url.query_parameters
        sort = query.get("sort", "")
        sort = sort if sort in _SORTS else "created_at"
        order = query.get("order") or ("desc" if sort == "created_at" else "asc")
        return {
            "collection_id": _uuid(query.get("collection", "")),
            "search": query.get("q", "")[:200],
            "statuses": _STATES.get(query.get("state", ""), ()),
            "sort": sort,
            "descending": order == "desc",
        }

    async def _load(self, actor: Actor) -> None:
        query = self.router.url.query_parameters
        after = _uuid(query.get("after", ""))
        try:
            readable = await collections.list_readable(actor)
            page = await _list(actor, self._wanted(), after)
            everything = (await documents.list_documents(actor, limit=1)).total
            detail = await _detail(actor, query.get("document", ""), len(self.detail["chunks"]))
        except AppError as error:
            self.load_error, self.is_loading = error.message, False
            return
        number = query.get("page", "")
        self._put("first", (int(number) - 1) * PAGE_SIZE + 1 if after and number.isdecimal() and int(number) else 1)
        self._put("rows", [_document_row(each) for each in page.items])
        self._put("total", page.total)
        self._put("has_more", page.has_more)
        self._put("collection_id", query.get("collection", ""))
        self._put("collections", [_collection_row(each) for each in readable])
        self._put("all_documents", everything)
        self._put("detail", detail)
        self._put("load_error", "")
        self._put("is_loading", False)

    def _put(self, name: str, value: object) -> None:
        """Set a var only when it changed: what is set is sent."""
        if getattr(self, name) != value:
            setattr(self, name, value)


async def _list(actor: Actor, wanted: dict[str, Any], after: UUID | None) -> DocumentPage:
    """A page of the list; from the start where the document it should follow, or the collection, is gone."""
    try:
        return await documents.list_documents(actor, **wanted, limit=PAGE_SIZE, after=after)
    except NotFound:
        if after is None:
            raise
        return await documents.list_documents(actor, **wanted, limit=PAGE_SIZE)


async def _detail(actor: Actor, document_id: str, shown_chunks: int) -> DocumentDetail:
    """What the drawer shows; as many pieces as it showed before, so that a refresh takes none away."""
    if not document_id:
        return _no_detail()
    wanted = _uuid(document_id)
    try:
        if wanted is None:
            raise NotFound
        view = await documents.get(actor, wanted)
        chunks = await documents.list_chunks(actor, wanted, limit=min(max(shown_chunks, CHUNKS_AT_ONCE), 500))
        versions = await documents.list_versions(actor, wanted)
    except NotFound as error:
        return _no_detail(error.message)
    return DocumentDetail(
        **_document_row(view),
        chunks=[_chunk_row(each) for each in chunks],
        versions=[_version_row(each) for each in versions],
        problem="",
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _discard(change: Awaitable[object]) -> None:
    """Drop a change that will not be made, so that Python does not complain that nobody awaited it."""
    close = getattr(change, "close", None)
    if close:
        close()


def _rail() -> rx.Component:
    return CollectionsRail.create(
        collections=DocumentsState.collections,
        total=DocumentsState.all_documents,
        can_write=DocumentsState.can_write,
        subjects=DocumentsState.subjects,
        answer=DocumentsState.collection_answer,
        on_create=DocumentsState.create_collection,
        on_search=DocumentsState.search_subjects,
        on_rename=DocumentsState.rename_collection,
        on_delete=DocumentsState.delete_collection,
    )


def documents_page() -> rx.Component:
    return app_shell(
        rx.el.div(
            rx.el.header(
                rx.el.div(
                    rx.el.h1("Documents"),
                    rx.el.p("What answers are made from.", class_name="quiet"),
                ),
                rx.cond(DocumentsState.can_write, upload_button(label="Upload", is_primary=True)),
                class_name="page-head",
            ),
            rx.el.div(
                _rail(),
                DocumentsTable.create(
                    rows=DocumentsState.rows,
                    total=DocumentsState.total,
                    first=DocumentsState.first,
                    has_more=DocumentsState.has_more,
                    is_loading=DocumentsState.is_loading,
                    load_error=DocumentsState.load_error,
                    can_write=DocumentsState.can_write,
                    max_bytes=DocumentsState.max_bytes,
                    on_tick=DocumentsState.refresh,
                    on_retry=DocumentsState.retry,
                    on_cancel=DocumentsState.cancel,
                    on_delete=DocumentsState.delete,
                    on_move=DocumentsState.move,
                    collections=DocumentsState.collections,
                    on_export=DocumentsState.export,
                ),
                class_name="documents-page-body",
            ),
            uploader(
                collections=DocumentsState.collections,
                collection_id=DocumentsState.collection_id,
                max_bytes=DocumentsState.max_bytes,
                kinds=KINDS,
                can_write=DocumentsState.can_write,
                on_collection=DocumentsState.refresh,
            ),
            DocumentDrawer.create(
                detail=DocumentsState.detail,
                can_write=DocumentsState.can_write,
                can_see_questions=DocumentsState.can_see_questions,
                on_retry=DocumentsState.retry,
                on_more_chunks=DocumentsState.more_chunks,
            ),
            class_name="documents-page",
        ),
        active="documents",
    )


PAGE = Page(
    route="/documents",
    title="Documents",
    component=documents_page,
    on_load=[SidebarState.load, DocumentsState.open_page],
)
