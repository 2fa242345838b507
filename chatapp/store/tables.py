# pyright: reportAssignmentType=false
"""Every table, as plain SQLModel classes.

A table that belongs to a tenant inherits `TenantRow`; `database.transaction` then adds the tenant to every
statement on it. The few tables without a tenant (tenants, users, sessions, keys, providers, models) are
reached only by the modules named in `tests/architecture`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from chatapp.domain import DocumentStatus, IngestStage, TurnStatus, utc_now

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


class TenantRow(SQLModel):
    """Base of every row that belongs to one tenant."""

    tenant_id: UUID = Field(foreign_key="tenants.id", index=True, ondelete="CASCADE")


class TenantTable(SQLModel, table=True):
    """A customer."""

    __tablename__ = "tenants"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    created_at: datetime = Field(default_factory=utc_now)


class UserTable(SQLModel, table=True):
    """A person; belongs to tenants through memberships."""

    __tablename__ = "users"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str = Field(unique=True)
    """Lower case."""
    name: str = ""
    password_hash: str | None = None
    """Argon2id; None for people who have not set one."""
    is_platform_admin: bool = False
    is_disabled: bool = False
    created_at: datetime = Field(default_factory=utc_now)


class MembershipTable(TenantRow, table=True):
    """A person's roles in one tenant."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    roles: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)


class SessionTable(SQLModel, table=True):
    """A sign-in. Only the hash of the cookie's value is kept."""

    __tablename__ = "sessions"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE")
    """The tenant the person is looking at."""
    address: str = ""
    user_agent: str = ""
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    revoked_at: datetime | None = None


class OneTimeLinkTable(SQLModel, table=True):
    """A link that lets its holder set a password once."""

    __tablename__ = "one_time_links"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime
    used_at: datetime | None = None


class ApiKeyTable(SQLModel, table=True):
    """A key for the HTTP API. Only its hash is kept."""

    __tablename__ = "api_keys"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    tenant_id: UUID = Field(foreign_key="tenants.id", index=True, ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    """None: the key belongs to a service."""
    name: str
    prefix: str
    """First characters of the key, for people to tell keys apart."""
    key_hash: str = Field(unique=True)
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class ProviderTable(SQLModel, table=True):
    """Who serves models; belongs to the installation."""

    __tablename__ = "providers"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(unique=True)
    kind: str
    """`openai_compatible`, `litellm` or `extractive`."""
    base_url: str = ""
    encrypted_api_key: str = ""
    """Encrypted with the installation's secret key; empty when none is needed."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


class ModelTable(SQLModel, table=True):
    """What a provider serves, and what it costs."""

    __tablename__ = "models"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(unique=True)
    provider_id: UUID = Field(foreign_key="providers.id", index=True, ondelete="CASCADE")
    provider_model: str
    """The provider's own name of the model."""
    input_micro_usd_per_mtok: int = 0
    output_micro_usd_per_mtok: int = 0
    max_input_tokens: int = 8_192
    max_output_tokens: int = 1_024
    capabilities: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    is_default: bool = False
    """What `auto` means until a tenant has a route of its own."""
    is_enabled: bool = True
    created_at: datetime = Field(default_factory=utc_now)


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
    """Why it failed and what to do, for a person."""
    error_stage: str = ""
    attempts: int = 0
    lease_owner: str = ""
    lease_expires_at: datetime | None = None
    """A running ingestion whose lease ran out was killed; another worker may take it."""
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
    __table_args__ = (UniqueConstraint("document_id", "version", "ordinal"),)

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


class ConversationTable(TenantRow, table=True):
    """A thread of turns, belonging to one person."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_list", "tenant_id", "user_id", "updated_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    key_id: UUID | None = None
    """The service key that opened it, when no person did."""
    title: str = ""
    is_title_edited: bool = False
    is_pinned: bool = False
    collection_ids: list[str] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    """Collections asked; None means every readable one."""
    model: str = "auto"
    active_turn_id: UUID | None = None
    """The leaf of the branch shown."""
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    deleted_at: datetime | None = None
    """Deleted with undo; removed for good by the worker later."""


class TurnTable(TenantRow, table=True):
    """A question and its answer. Turns with the same parent are siblings."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("tenant_id", "idempotency_key"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    conversation_id: UUID | None = Field(default=None, foreign_key="conversations.id", index=True, ondelete="CASCADE")
    """None for a request over the API that named no conversation."""
    parent_id: UUID | None = Field(default=None, index=True)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    key_id: UUID | None = None
    question: str = Field(sa_column=Column(Text, nullable=False))
    answer: str = Field(default="", sa_column=Column(Text, nullable=False))
    citations: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`message.annotations` of the contract."""
    sources: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """The numbered sources as readers get them, so that a finished answer replays without its trace."""
    status: TurnStatus = Field(default=TurnStatus.QUEUED, sa_column=Column(Text, nullable=False))
    request: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What was asked for: model, collections, earlier messages, parameters. Enough to run it again."""
    model: str = ""
    """The model that answered."""
    finish_reason: str = ""
    error_code: str = ""
    error_message: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    is_usage_estimated: bool = False
    """The provider reported no usage and the tokens were counted here."""
    idempotency_key: str | None = None
    """The asker's id and their `Idempotency-Key`: the same key starts no second turn."""
    attempt: int = 0
    """Grows each time the turn is run; first half of an event's id."""
    lease_owner: str = ""
    lease_expires_at: datetime | None = None
    is_cancel_requested: bool = False
    created_at: datetime = Field(default_factory=utc_now)
    completed_at: datetime | None = None


class TraceTable(TenantRow, table=True):
    """Everything known about how a turn was answered. Its id is the turn's."""

    __tablename__ = "traces"
    __table_args__ = (Index("ix_traces_list", "tenant_id", "created_at"),)

    id: UUID = Field(primary_key=True)
    user_id: UUID | None = None
    key_id: UUID | None = None
    feature: str = "chat"
    provider: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    finish_reason: str = ""
    error: str = ""
    body: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """The rest of the contract's fields."""
    created_at: datetime = Field(default_factory=utc_now)


class FeedbackTable(TenantRow, table=True):
    """A thumb on an answer."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("trace_id", "user_id"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    trace_id: UUID = Field(index=True)
    user_id: UUID | None = None
    key_id: UUID | None = None
    rating: str
    """`up` or `down`."""
    reasons: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    comment: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)


class AuditTable(TenantRow, table=True):
    """Who changed what, and when."""

    __tablename__ = "audit"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = None
    key_id: UUID | None = None
    action: str
    """`noun.verb` in the past: `document.uploaded`."""
    subject_id: UUID | None = None
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(default_factory=utc_now)
