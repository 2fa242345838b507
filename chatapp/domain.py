"""The glossary as frozen dataclasses: what travels between the rooms of the house.

Nothing here knows a database, a framework or a vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chatapp.errors import NotPermitted


def utc_now() -> datetime:
    """The present moment, UTC-aware."""
    return datetime.now(UTC)


class Permission(StrEnum):
    """What an actor may do; services check these, never roles."""

    CHAT = "chat"
    READ_DOCUMENTS = "read_documents"
    WRITE_DOCUMENTS = "write_documents"
    REVIEW = "review"
    READ_TRACES = "read_traces"
    READ_METRICS = "read_metrics"
    READ_ADMIN = "read_admin"
    ADMIN = "admin"
    PLATFORM = "platform"


class Role(StrEnum):
    """A person's place in one tenant."""

    MEMBER = "member"
    CONTENT_OWNER = "content_owner"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMIN = "admin"


_MEMBER = frozenset({Permission.CHAT, Permission.READ_DOCUMENTS})
ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.MEMBER: _MEMBER,
    Role.CONTENT_OWNER: _MEMBER | {Permission.WRITE_DOCUMENTS},
    Role.REVIEWER: _MEMBER | {Permission.REVIEW, Permission.READ_TRACES},
    Role.AUDITOR: frozenset(
        {
            Permission.READ_DOCUMENTS,
            Permission.READ_TRACES,
            Permission.READ_METRICS,
            Permission.READ_ADMIN,
        }
    ),
    Role.ADMIN: frozenset(Permission) - {Permission.PLATFORM},
}

SCOPE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "use:chat": _MEMBER,
    "write:documents": frozenset({Permission.READ_DOCUMENTS, Permission.WRITE_DOCUMENTS}),
    "read:traces": frozenset({Permission.READ_TRACES}),
    "read:metrics": frozenset({Permission.READ_METRICS}),
    "admin": frozenset(Permission) - {Permission.PLATFORM},
}
"""What each scope of an API key allows."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which tenant, with which rights."""

    tenant_id: UUID
    user_id: UUID | None
    """None for a service's key."""
    permissions: frozenset[Permission]
    roles: tuple[Role, ...] = ()
    """Places in the tenant, for grants made to a role; none for a service's key."""
    email: str = ""
    name: str = ""
    address: str = ""
    """Network address the actor acts from, for the audit log; empty: the command line or the worker."""
    is_system: bool = False
    """The worker and set-up: no grant on a collection limits what they see of the tenant."""
    session_id: UUID | None = None
    is_confined: bool = False
    """Signed in through the tenant's identity provider, which speaks for this tenant only: no other one is theirs to
    look at, and they are no platform admin."""
    key_id: UUID | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the actor has the permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise unless the actor has the permission.

        Raises:
            NotPermitted: the actor does not have it.
        """
        if permission not in self.permissions:
            raise NotPermitted


class DocumentStatus(StrEnum):
    """Where a document stands; `COMPLETED` and later replacements keep answering."""

    UPLOADED = "uploaded"
    """Kept, but in no collection yet: nothing to do."""
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class IngestStage(StrEnum):
    """The steps of `ingest`, in order, as the progress bar names them."""

    WAITING = "waiting"
    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    INDEX = "index"
    DONE = "done"


class TurnStatus(StrEnum):
    """Where a turn stands. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    BLOCKED = "blocked"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the turn."""
        return self not in {TurnStatus.QUEUED, TurnStatus.RUNNING}


class Support(StrEnum):
    """How far the cited passage carries the sentence that cites it."""

    SUPPORTED = "supported"
    WEAK = "weak"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One indexed piece of a document.

    `start` (inclusive) and `end` (exclusive) are characters in the document's text, and
    `document_text[start:end] == text` holds always.
    """

    id: UUID
    document_id: UUID
    collection_id: UUID
    ordinal: int
    text: str
    start: int
    end: int
    page: int
    """1-based page on which the chunk begins; slide or sheet number for those formats."""
    heading: str = ""
    """Path of headings above the chunk, joined by " > "."""

    def embedding_text(self, title: str) -> str:
        """What is embedded and keyword-indexed: title and heading path in front of the text.

        Source: contextual retrieval without a model, https://www.anthropic.com/news/contextual-retrieval
        """
        context = " > ".join(part for part in (title, self.heading) if part)
        return f"{context}\n{self.text}" if context else self.text


@dataclass(frozen=True, slots=True)
class RetrievedChunk:
    """A chunk found for a question, with the scores that brought it up."""

    chunk: Chunk
    filename: str
    title: str
    score: float
    """Fused score, higher is better; comparable within one retrieval only."""
    version: int = 1
    """The version of the document the chunk is of."""
    keyword_score: float | None = None
    """BM25, 0 or more; None when the keyword side did not find the chunk."""
    vector_score: float | None = None
    """Cosine similarity in [-1, 1]; None when the vector side did not find the chunk."""


@dataclass(frozen=True, slots=True)
class Source:
    """A retrieved chunk as the model sees it: with its number."""

    number: int
    """1-based, as written in the answer: [1]."""
    retrieved: RetrievedChunk


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in the answer and the passage it rests on."""

    number: int
    file_id: UUID
    """The document."""
    filename: str
    page: int
    quote: str
    """The exact characters of the document's text from `passage_start` to `passage_end`."""
    passage_start: int
    passage_end: int
    start_index: int
    """First character in the answer of the text that cites, inclusive."""
    end_index: int
    """Behind the last character in the answer, exclusive; the mark [n] is inside."""
    chunk_id: UUID
    version: int = 1
    """The version of the document whose text `passage_start` and `passage_end` are places in."""
    support: Support = Support.SUPPORTED


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A stretch of an answer that one model wrote, up to the next part."""

    start: int
    """Its first character in the answer."""
    model: str
    """Our name of the model."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn, as the provider reports them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """Of the input, what the provider had kept from an earlier request."""
    is_estimated: bool = False
    """True when the provider sent no usage and we counted ourselves."""
    cache_write_tokens: int = 0
    """Of the input, what the provider kept for later requests and charges for, where it does."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.is_estimated or other.is_estimated,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A span a guardrail found, as in Presidio."""

    entity_type: str
    start: int
    end: int
    score: float
    """0 to 1, higher is surer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guardrail decided about a text."""

    guardrail: str
    action: str
    """`allow`, `redact` or `block`."""
    findings: tuple[Finding, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a turn in time."""

    name: str
    start_ms: float
    """Milliseconds since the turn began."""
    duration_ms: float
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message as sent to a provider."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str
