"""The parts of the documents page: collections, table and drawer. What they show is decided by the address."""

from __future__ import annotations

from typing import TypedDict

import reflex as rx

from chatapp.components import document_view, uploads
from chatapp.components.local_asset import local_asset

# The parts that the components load; they stand beside them among the assets.
for _part in (
    "document_row.jsx",
    "confirm_delete.jsx",
    "collection_dialog.jsx",
    "grants_field.jsx",
    "documents_format.js",
):
    local_asset(_part)


class CollectionRow(TypedDict):
    """A collection as the rail lists it."""

    id: str
    name: str
    description: str
    documents: int
    failed: int
    can_write: bool
    readers: str
    """Who may read it, in a few words; empty: everyone may."""


class CollectionAnswer(TypedDict):
    """What became of the last collection that was made or renamed here."""

    count: int
    """Grows with each answer, so that a dialog knows its own."""
    problem: str
    """Why it was refused; empty: it was not."""
    field: str
    """The field at fault; empty: none of them."""


class SubjectRow(TypedDict):
    """Somebody a collection can be granted to."""

    subject_kind: str
    subject: str
    name: str
    detail: str


class DocumentRow(TypedDict):
    """A document as the table lists it. Times are seconds since 1970."""

    id: str
    collection_id: str
    collection_name: str
    filename: str
    media_type: str
    size_bytes: int
    status: str
    stage: str
    progress: float
    error: str
    error_stage: str
    page_count: int
    chunk_count: int
    created_at: float
    created_by: str
    active_version: int
    latest_version: int
    can_write: bool


class ChunkRow(TypedDict):
    """A piece as the drawer lists it."""

    id: str
    ordinal: int
    text: str
    start: int
    end: int
    page: int
    heading: str


class VersionRow(TypedDict):
    """A version as the drawer lists it."""

    version: int
    filename: str
    size_bytes: int
    created_at: float


class DocumentDetail(DocumentRow):
    """A document as the drawer shows it."""

    chunks: list[ChunkRow]
    versions: list[VersionRow]
    problem: str
    """Why there is nothing to show; `id` is empty then."""


class DocumentsTable(rx.Component):
    """Search, filters, sorting, pages, choosing and acting on documents."""

    library = local_asset("documents_table.jsx")
    tag = "DocumentsTable"
    lib_dependencies: list[str] = [*uploads.PACKAGES]

    rows: rx.Var[list[DocumentRow]]
    total: rx.Var[int]
    first: rx.Var[int]
    has_more: rx.Var[bool]
    is_loading: rx.Var[bool]
    load_error: rx.Var[str]
    can_write: rx.Var[bool]
    max_bytes: rx.Var[int]
    collections: rx.Var[list[CollectionRow]]

    on_tick: rx.EventHandler[rx.event.no_args_event_spec]
    on_retry: rx.EventHandler[rx.event.passthrough_event_spec(list[str])]
    on_cancel: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_delete: rx.EventHandler[rx.event.passthrough_event_spec(list[str])]
    on_move: rx.EventHandler[rx.event.passthrough_event_spec(list[str], str)]  # pyright: ignore[reportCallIssue]
    on_export: rx.EventHandler[rx.event.no_args_event_spec]


def _new_collection(
    name: rx.Var[str], description: rx.Var[str], audience: rx.Var[str], grants: rx.Var[list[dict[str, str]]]
) -> tuple[rx.Var[str], rx.Var[str], rx.Var[str], rx.Var[list[dict[str, str]]]]:
    return name, description, audience, grants


class CollectionsRail(rx.Component):
    """The collections beside the table, with making, renaming and deleting them."""

    library = local_asset("collections_rail.jsx")
    tag = "CollectionsRail"
    lib_dependencies: list[str] = [*uploads.PACKAGES]

    collections: rx.Var[list[CollectionRow]]
    total: rx.Var[int]
    can_write: rx.Var[bool]
    subjects: rx.Var[list[SubjectRow]]
    answer: rx.Var[CollectionAnswer]

    on_create: rx.EventHandler[_new_collection]
    on_search: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_rename: rx.EventHandler[rx.event.passthrough_event_spec(str, str, str)]  # pyright: ignore[reportCallIssue]
    on_delete: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class DocumentDrawer(rx.Component):
    """One document: preview beside pieces, versions, and why it failed. Open while the address names one."""

    library = local_asset("document_drawer.jsx")
    tag = "DocumentDrawer"
    lib_dependencies: list[str] = [*uploads.PACKAGES, *document_view.PACKAGES]

    detail: rx.Var[DocumentDetail]
    can_write: rx.Var[bool]
    can_see_questions: rx.Var[bool]

    on_retry: rx.EventHandler[rx.event.passthrough_event_spec(list[str])]
    on_more_chunks: rx.EventHandler[rx.event.no_args_event_spec]
