"""What people and programs see of documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import DocumentStatus, IngestStage
from chatapp.store.documents import DocumentRecord


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document and where it stands."""

    id: UUID
    collection_id: UUID | None
    """None: uploaded over the API and in no collection yet."""
    collection_name: str
    filename: str
    title: str
    media_type: str
    size_bytes: int
    status: DocumentStatus
    """Of the latest version; with `active_version` above 0 an older one may be answering meanwhile."""
    stage: IngestStage
    progress: float
    """0 to 1."""
    error: str
    """Why it failed and what to do, or what a waiting one waits for; empty otherwise."""
    error_stage: str
    page_count: int
    chunk_count: int
    created_at: datetime
    updated_at: datetime
    created_by_name: str
    active_version: int
    """The version that answers; 0: none yet."""
    latest_version: int
    purpose: str
    can_write: bool
    """Whether the one who asks may change it."""

    @classmethod
    def from_record(cls, record: DocumentRecord) -> DocumentView:
        """The view of a record."""
        row = record.row
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            collection_name=record.collection_name,
            filename=row.filename,
            title=record.title,
            media_type=record.media_type,
            size_bytes=record.size_bytes,
            status=DocumentStatus(row.status),
            stage=IngestStage(row.stage),
            progress=row.progress,
            error=row.error,
            error_stage=row.error_stage,
            page_count=record.page_count,
            chunk_count=record.chunk_count,
            created_at=row.created_at,
            updated_at=row.updated_at,
            created_by_name=record.created_by_name,
            active_version=row.active_version,
            latest_version=row.latest_version,
            purpose=row.purpose,
            can_write=record.can_write,
        )

    @property
    def is_answering(self) -> bool:
        """Whether some version of it can be cited now."""
        return self.active_version > 0


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What became of an upload."""

    document: DocumentView
    is_duplicate: bool
    """The same bytes were there already; nothing was done and `document` is the one there."""


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Part of a list."""

    items: list[DocumentView]
    total: int
    """Documents the filter lets through, on all pages."""
    has_more: bool


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document."""

    version: int
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    page_count: int
    chunk_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChunkView:
    """One indexed piece of the version that answers."""

    id: UUID
    ordinal: int
    text: str
    start: int
    end: int
    page: int
    heading: str


@dataclass(frozen=True, slots=True)
class ContentFile:
    """The bytes of a version, for sending."""

    path: str
    media_type: str
    filename: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PreviewBlock:
    """A stretch of a document's text that is shown as one thing."""

    kind: str
    """`heading`, `paragraph`, `table` (rows as lines, cells divided by " | ") or `code`."""
    level: int
    """1 to 6 for a heading, otherwise 0."""
    start: int
    end: int
    page: int
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A window of a document's text, around a passage where one is asked for."""

    document_id: UUID
    version: int
    is_replaced: bool
    """Whether a newer version answers now."""
    filename: str
    title: str
    media_type: str
    page_count: int
    total_characters: int
    start: int
    """First character of the window, inclusive."""
    end: int
    """Behind the last character of the window, exclusive."""
    blocks: list[PreviewBlock]


@dataclass(frozen=True, slots=True)
class PageRects:
    """Where a passage is on a page."""

    page: int
    """1-based."""
    page_width: float
    """In PDF points, as displayed (rotation applied)."""
    page_height: float
    rects: list[tuple[float, float, float, float]]
    """`left, top, right, bottom` in points from the page's upper left corner as displayed."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a passage is on the pages of a PDF; without pages for every other format."""

    document_id: UUID
    version: int
    is_replaced: bool
    """Whether a newer version answers now."""
    start: int
    end: int
    pages: list[PageRects]
