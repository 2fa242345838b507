# pyright: reportAssignmentType=false
"""Collections, documents, and what is indexed of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field

from chatapp.domain import DocumentStatus, IngestStage, utc_now
from chatapp.store.tables.base import TenantRow


class CollectionTable(TenantRow, table=True):
    """A set of documents."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    description: str = ""
    version: int = 0
    """Grows with every change of what it holds; part of cache keys and traces."""
    created_by: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)


class DocumentTable(TenantRow, table=True):
    """A file someone uploaded. The row, not the queue, is the truth about it."""

    __tablename__ = "documents"
    __table_args__ = (Index("ix_documents_status_lease", "status", "lease_expires_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    collection_id: UUID | None = Field(default=None, foreign_key="collections.id", index=True, ondelete="CASCADE")
    """None: uploaded over the API and not put into a collection yet; then it is kept and not ingested."""
    filename: str
    purpose: str = "assistants"
    created_by: UUID | None = None
    created_by_key: UUID | None = None
    """The service's key it was uploaded with; None: a person's."""
    created_at: datetime = Field(default_factory=utc_now)
    active_version: int = 0
    """The version that answers; 0 until the first one is ready."""
    latest_version: int = 1
    """The version last uploaded; larger than `active_version` while it is ingested."""
    status: DocumentStatus = Field(default=DocumentStatus.QUEUED, sa_column=Column(Text, nullable=False))
    """Where the latest version stands."""
    stage: IngestStage = Field(default=IngestStage.WAITING, sa_column=Column(Text, nullable=False))
    progress: float = 0.0
    """0 to 1 through the whole of `ingest`."""
    error: str = ""
    """Why it failed and what to do, or what it waits for; for a person."""
    error_stage: str = ""
    attempts: int = 0
    lease_owner: str = ""
    lease_expires_at: datetime | None = None
    """A running ingestion whose lease ran out was killed; another worker may take it. Of a waiting one: not before."""
    updated_at: datetime = Field(default_factory=utc_now)


class DocumentVersionTable(TenantRow, table=True):
    """The bytes and the text of one version of a document."""

    __tablename__ = "document_versions"
    __table_args__ = (UniqueConstraint("document_id", "version"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    document_id: UUID = Field(foreign_key="documents.id", ondelete="CASCADE")
    version: int
    filename: str
    media_type: str
    """By content, not by name."""
    size_bytes: int
    sha256: str = Field(index=True)
    title: str = ""
    text: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The whole text; chunk offsets point into it."""
    page_starts: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Offset of the first character of each page; page n begins at `page_starts[n - 1]`."""
    blocks: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """Headings and tables as `[kind, level, start, end]`, for the preview."""
    page_count: int = 0
    chunk_count: int = 0
    created_at: datetime = Field(default_factory=utc_now)


class ChunkTable(TenantRow, table=True):
    """One indexed piece of one version of a document. Its id is its vector's id."""

    __tablename__ = "chunks"
    # SQLite takes a tenant for a few rows. Asked for a hundred chunks by id, it would read all of a tenant's by an
    # index of the tenant alone: 50 ms for 100,000.
    __table_args__ = (UniqueConstraint("document_id", "version", "ordinal"), Index(None, "tenant_id", "id"))

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    id: UUID = Field(primary_key=True)
    """`store.chunks.chunk_id` of document, version and ordinal: the keyword index computes it."""
    document_id: UUID = Field(foreign_key="documents.id", ondelete="CASCADE")
    collection_id: UUID = Field(foreign_key="collections.id", index=True, ondelete="CASCADE")
    version: int
    ordinal: int
    """0-based place in the document."""
    text: str = Field(sa_column=Column(Text, nullable=False))
    start: int
    end: int
    page: int
    heading: str = ""


class PostingTable(TenantRow, table=True):
    """Where one term occurs in one version of a document: the keyword index.

    The key is the order of reading: all of a term's rows lie side by side.
    """

    __tablename__ = "postings"
    __table_args__ = ({"sqlite_with_rowid": False},)

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    collection_id: UUID = Field(primary_key=True)
    """No foreign key: the document's removes the row, and this one would have to be searched for."""
    term: str = Field(primary_key=True)
    """Stemmed, lower case; empty for the row that holds the lengths of all chunks."""
    document_id: UUID = Field(foreign_key="documents.id", index=True, ondelete="CASCADE", primary_key=True)
    version: int = Field(primary_key=True)
    entries: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Packed (ordinal, occurrences) pairs; `retrieval.keyword_index` reads them."""


class DocumentBatchTable(TenantRow, table=True):
    """Documents put into a collection with one request, watched together from then on."""

    __tablename__ = "document_batches"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    collection_id: UUID = Field(foreign_key="collections.id", index=True, ondelete="CASCADE")
    is_cancelled: bool = False
    created_by: UUID | None = None
    created_at: datetime = Field(default_factory=utc_now)


class DocumentBatchMemberTable(TenantRow, table=True):
    """A document of a batch. Where it stands is its own row's business."""

    __tablename__ = "document_batch_members"

    batch_id: UUID = Field(foreign_key="document_batches.id", ondelete="CASCADE", primary_key=True)
    document_id: UUID = Field(foreign_key="documents.id", index=True, ondelete="CASCADE", primary_key=True)
    refusal: str = ""
    """Why it could not be put into the collection; empty where it was."""


class RemovalTable(TenantRow, table=True):
    """Vectors and files to remove whose rows are gone or changed already.

    Written in the transaction that takes the rows away and deleted when the rest is gone too, so a killed process
    or an unreachable index leaves nothing behind: the worker's sweep does it again.
    """

    __tablename__ = "removals"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    collection_id: UUID | None = None
    """Whose vectors; no foreign key, the row may be gone. None: the document was in no collection."""
    document_id: UUID | None = None
    """None: everything of the collection."""
    keep_version: int | None = None
    """The version whose vectors stay; None: no vector stays."""
    keep_files: bool = False
    """Whether the document's bytes stay: it left the collection, or an older version was replaced."""
    created_at: datetime = Field(default_factory=utc_now)
