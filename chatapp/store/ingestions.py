"""Who ingests which document: claims, leases, progress and the end.

The document's row is the truth and the queue only wakes workers. A worker holds a document by a lease; every write
of a worker asks for that lease, so one that lost it (cancelled, replaced, taken for dead) changes nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import aliased
from sqlmodel import col

from chatapp.domain import DocumentStatus, IngestStage, utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import DocumentTable, DocumentVersionTable, TenantTable

LEASE_SECONDS = 15.0
"""Time after which a silent worker counts as dead. Extended each two seconds, so seven beats may be missed."""

POSTPONED_SECONDS = 30.0
"""How long a document waits at least when a server it needs was away."""

MAX_ATTEMPTS = 5
"""Starts of one version before it is given up: a file that kills its worker must not do so for ever."""


class LeaseLost(Exception):
    """The document was cancelled, replaced, deleted or taken over; the worker stops without a trace."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A document taken by a worker."""

    tenant_id: UUID
    document_id: UUID
    collection_id: UUID
    version: int
    owner: str
    """Identity of the claim, unique to it."""
    attempt: int
    """1 for the first start of this version."""


@dataclass(frozen=True, slots=True)
class IngestSource:
    """What the pipeline needs to know of a claimed version."""

    filename: str
    media_type: str
    size_bytes: int


async def claim_next(tx: Transaction, *, owner: str) -> Claim | None:
    """Take the next document that waits or whose worker went silent, or None.

    Tenants take turns: the one with the fewest documents in work comes first, then the oldest upload, so one
    tenant's thousand files do not hold up another's one.

    Args:
        tx: a system transaction; two workers never get the same document.
        owner: identity of the claim.
    """
    now = utc_now()
    document, other = DocumentTable, aliased(DocumentTable)
    in_work = (
        select(func.count())
        .select_from(other)
        .where(
            col(other.tenant_id) == col(document.tenant_id),
            col(other.status) == DocumentStatus.RUNNING,
            col(other.lease_expires_at) > now,
        )
        .scalar_subquery()
    )
    query = (
        select(document)
        .where(col(document.collection_id).is_not(None), _is_free(now), _may_be_worked_for())
        .order_by(in_work, col(document.updated_at), col(document.id))
        .limit(1)
        .with_for_update(skip_locked=True, of=document)
    )
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None or row.collection_id is None:
        return None
    row.status, row.stage, row.progress = DocumentStatus.RUNNING, IngestStage.WAITING, 0.0
    row.error = row.error_stage = ""  # of what it was postponed for
    row.lease_owner, row.lease_expires_at = owner, now + timedelta(seconds=LEASE_SECONDS)
    row.attempts += 1
    row.updated_at = now
    return Claim(row.tenant_id, row.id, row.collection_id, row.latest_version, owner, row.attempts)


def _is_free(now: Any) -> Any:
    status = col(DocumentTable.status)
    until = col(DocumentTable.lease_expires_at)
    is_due = and_(status == DocumentStatus.QUEUED, or_(until.is_(None), until <= now))
    is_left = and_(status == DocumentStatus.RUNNING, until <= now)
    return or_(is_due, is_left)


def _may_be_worked_for() -> Any:
    # What a worker has begun it ends; nothing more is begun for a tenant that is suspended.
    suspended = select(col(TenantTable.id)).where(col(TenantTable.is_suspended).is_(True))
    return col(DocumentTable.tenant_id).not_in(suspended)


async def count_work(tx: Transaction, *, limit: int) -> int:
    """How many documents wait or were left by a dead worker, at most `limit`; in a system transaction, of any tenant.

    Args:
        tx: the transaction.
        limit: where to stop counting, 1 or more.
    """
    query = select(col(DocumentTable.id)).where(
        col(DocumentTable.collection_id).is_not(None), _is_free(utc_now()), _may_be_worked_for()
    )
    return len((await tx.session.execute(query.limit(limit))).all())


async def list_seconds_until_free(tx: Transaction, *, limit: int) -> list[float]:
    """Seconds until the leases of running documents run out unless they are kept, the first ones first.

    Args:
        tx: a system transaction.
        limit: leases at most.
    """
    expires_at = col(DocumentTable.lease_expires_at)
    query = select(expires_at).where(col(DocumentTable.status) == DocumentStatus.RUNNING, expires_at.is_not(None))
    found = (await tx.session.execute(query.order_by(expires_at).limit(limit))).scalars()
    return [max(0.0, (until - utc_now()).total_seconds()) for until in found if until is not None]


async def beat(tx: Transaction, claim: Claim, *, stage: IngestStage, progress: float) -> None:
    """Keep the lease and show how far the work is.

    Raises:
        LeaseLost: the document is not the claim's any more.
    """
    await _change(
        tx,
        claim,
        stage=stage,
        progress=progress,
        lease_expires_at=utc_now() + timedelta(seconds=LEASE_SECONDS),
    )


async def finish(tx: Transaction, claim: Claim, status: DocumentStatus, **values: Any) -> None:
    """End the claim: `COMPLETED` or `FAILED`, or `QUEUED` to have it done again.

    Raises:
        LeaseLost: the document is not the claim's any more.
    """
    await _change(tx, claim, status=status, **{"lease_owner": "", "lease_expires_at": None, **values})


async def give_back(tx: Transaction, claim: Claim, **values: Any) -> None:
    """End the claim as if it had not been: the document waits, and the start does not count against it.

    Args:
        tx: the transaction.
        claim: the claim.
        **values: other columns to change at the same time.

    Raises:
        LeaseLost: the document is not the claim's any more.
    """
    fresh = {"stage": IngestStage.WAITING, "progress": 0.0, "attempts": claim.attempt - 1}
    await finish(tx, claim, DocumentStatus.QUEUED, **{**fresh, **values})


async def postpone(tx: Transaction, claim: Claim, *, reason: str, stage: IngestStage, is_counted: bool = False) -> None:
    """Give the document back, to be done `POSTPONED_SECONDS` later; the row says why it waits.

    Args:
        tx: the transaction.
        claim: the claim.
        reason: what is away, for a person.
        stage: where it was missed.
        is_counted: whether this start counts among the `MAX_ATTEMPTS`.

    Raises:
        LeaseLost: the document is not the claim's any more.
    """
    until = utc_now() + timedelta(seconds=POSTPONED_SECONDS)
    attempts = claim.attempt if is_counted else claim.attempt - 1
    values = {"error": reason, "error_stage": stage.value, "lease_expires_at": until, "attempts": attempts}
    await give_back(tx, claim, **values)


async def _change(tx: Transaction, claim: Claim, **values: Any) -> None:
    statement = (
        update(DocumentTable)
        .where(
            col(DocumentTable.id) == claim.document_id,
            col(DocumentTable.lease_owner) == claim.owner,
            col(DocumentTable.latest_version) == claim.version,
            col(DocumentTable.status) == DocumentStatus.RUNNING,
        )
        .values(updated_at=utc_now(), **values)
        .execution_options(synchronize_session=False)
    )
    result: CursorResult[Any] = await tx.session.execute(statement)  # pyright: ignore[reportAssignmentType]
    if result.rowcount != 1:
        raise LeaseLost


async def get_source(tx: Transaction, claim: Claim) -> IngestSource:
    """Name, type and size of the claimed version.

    Raises:
        LeaseLost: the version is gone.
    """
    table = DocumentVersionTable
    query = select(col(table.filename), col(table.media_type), col(table.size_bytes)).where(
        col(table.document_id) == claim.document_id, col(table.version) == claim.version
    )
    found = (await tx.session.execute(query)).one_or_none()
    if found is None:
        raise LeaseLost
    return IngestSource(*found)


async def save_text(tx: Transaction, claim: Claim, **values: Any) -> None:
    """Keep what parsing gave: `title`, `text`, `page_starts`, `blocks`, `page_count`."""
    table = DocumentVersionTable
    statement = (
        update(table)
        .where(col(table.document_id) == claim.document_id, col(table.version) == claim.version)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    await tx.session.execute(statement)
