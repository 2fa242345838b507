# pyright: reportAssignmentType=false
"""Conversations, turns, and what is known about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from chatapp.domain import TurnStatus, utc_now
from chatapp.store.tables.base import TenantRow


class ConversationTable(TenantRow, table=True):
    """A thread of turns, belonging to one person."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_list", "tenant_id", "user_id", "updated_at"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", index=True, ondelete="CASCADE")
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
    user_id: UUID | None = Field(default=None, foreign_key="users.id", index=True, ondelete="CASCADE")
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
    parts: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """`{"start", "model"}` of each model that wrote some of it, where more than one did; `start` in characters."""
    summary: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The conversation up to and with this turn, in short, where that was needed to make a prompt fit."""
    finish_reason: str = ""
    error_code: str = ""
    error_message: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Of the input, what the provider had kept."""
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
    __table_args__ = (
        # The overview and lists by time read this index alone, never the wide rows.
        Index(
            "ix_traces_measures",
            *("tenant_id", "created_at", "latency_ms", "ttft_ms", "cost_micro_usd"),
            *("input_tokens", "output_tokens", "citation_count", "finish_reason"),
        ),
    )

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
    citation_count: int = 0
    finish_reason: str = ""
    error: str = ""
    body: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """The rest of the contract's fields."""
    created_at: datetime = Field(default_factory=utc_now)


class TraceDayTable(TenantRow, table=True):
    """What a day's traces come to, kept once the day is over so that long spans are read from few rows."""

    __tablename__ = "trace_days"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    day: str = Field(primary_key=True)
    """UTC, `2026-01-31`."""
    measures: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """`store.overview` writes and reads it."""


class RefusalTable(TenantRow, table=True):
    """How many questions were turned away in an hour because too much was being asked."""

    __tablename__ = "refusals"

    tenant_id: UUID = Field(foreign_key="tenants.id", ondelete="CASCADE", primary_key=True)
    hour: datetime = Field(primary_key=True)
    """UTC, the first moment of the hour."""
    reason: str = Field(primary_key=True)
    """Of `limits.refusals.Reason`."""
    count: int = 0


class FeedbackTable(TenantRow, table=True):
    """A thumb on an answer."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("trace_id", "user_id"), Index("ix_feedback_list", "tenant_id", "created_at"))

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
