"""Taking every row of a tenant away, a batch at a time, by a worker that may be killed at any moment.

The row in `tenant_deletions` is the truth and the queue only wakes workers, as for documents. A worker holds a
deletion by a lease. Rows go in batches, each in a transaction of its own, so that other tenants go on writing; what is
small, and what must not go before the tenant itself (its audit log), goes with the tenant's own row at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import CursorResult
from sqlmodel import SQLModel, col

from chatapp.domain import DocumentStatus, IngestStage, TurnStatus, utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import (
    AuditHeadTable,
    AuditTable,
    AuditValueTable,
    DocumentTable,
    MembershipTable,
    SessionTable,
    TenantDeletionTable,
    TenantRow,
    TenantTable,
    TurnTable,
    UserTable,
)

LEASE_SECONDS = 60.0
"""Time after which a silent worker counts as dead; the lease is renewed with every batch."""
_BATCH_ROWS = 1_000
_BATCH_DOCUMENTS = 10
"""With a document go its versions, pieces and keyword rows, thousands of them."""
_WITH_THE_TENANT = (AuditTable, AuditHeadTable, AuditValueTable, MembershipTable, TenantDeletionTable)
"""What goes with the tenant's own row."""
_OPEN_TURNS = (TurnStatus.QUEUED, TurnStatus.RUNNING)
_OPEN_DOCUMENTS = (DocumentStatus.QUEUED, DocumentStatus.RUNNING)


class DeletionLost(Exception):
    """Another worker has the deletion, or it is done; this one stops."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion taken by a worker."""

    tenant_id: UUID
    owner: str
    """Identity of the claim, unique to it."""


async def begin(tx: Transaction) -> datetime:
    """Write down that the actor's tenant is to go, and let nobody begin anything in it.

    Documents that wait or are being read are cancelled. A worker that is reading one notices within a second; one
    that does not has lost it when its lease runs out.

    Args:
        tx: a transaction in the tenant.

    Returns:
        the moment from which nobody works for the tenant any more.
    """
    document = DocumentTable
    query = select(func.max(col(document.lease_expires_at))).where(
        col(document.tenant_id) == tx.tenant_id, col(document.status) == DocumentStatus.RUNNING
    )
    busy_until = (await tx.session.execute(query)).scalar_one()
    cancel = (
        update(document)
        .where(col(document.tenant_id) == tx.tenant_id, col(document.status).in_(_OPEN_DOCUMENTS))
        .values(status=DocumentStatus.CANCELLED, stage=IngestStage.WAITING, lease_owner="", lease_expires_at=None)
        .execution_options(synchronize_session=False)
    )
    await tx.session.execute(cancel)
    moment = max(utc_now(), busy_until) if busy_until is not None else utc_now()
    tx.session.add(TenantDeletionTable(tenant_id=tx.tenant_id, lease_expires_at=moment))
    return moment


async def claim_next(tx: Transaction, *, owner: str) -> Deletion | None:
    """Take the oldest deletion that nobody has, or None.

    Args:
        tx: a system transaction; two workers never get the same.
        owner: identity of the claim.
    """
    table = TenantDeletionTable
    query = (
        select(table)
        .where(col(table.lease_expires_at) <= utc_now())
        .order_by(col(table.requested_at))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await tx.session.execute(query)).scalar_one_or_none()
    if row is None:
        return None
    row.lease_owner, row.lease_expires_at = owner, _lease_end()
    return Deletion(row.tenant_id, owner)


async def next_due(tx: Transaction) -> datetime | None:
    """When the next deletion can be taken; None: there is none. System transactions only."""
    query = select(func.min(col(TenantDeletionTable.lease_expires_at)))
    return (await tx.session.execute(query)).scalar_one()


async def renew(tx: Transaction, deletion: Deletion, *, removed_rows: int) -> None:
    """Keep the lease and show how far the work is.

    Raises:
        DeletionLost: the deletion is not this worker's any more.
    """
    values = {"removed_rows": col(TenantDeletionTable.removed_rows) + removed_rows, "lease_expires_at": _lease_end()}
    await _change(tx, deletion, values)


async def put_back(tx: Transaction, deletion: Deletion, *, until: datetime) -> None:
    """Give the deletion back, to be taken again at a moment.

    Raises:
        DeletionLost: the deletion is not this worker's any more.
    """
    await _change(tx, deletion, {"lease_owner": "", "lease_expires_at": until})


async def _change(tx: Transaction, deletion: Deletion, values: dict[str, Any]) -> None:
    table = TenantDeletionTable
    statement = (
        update(table)
        .where(col(table.tenant_id) == deletion.tenant_id, col(table.lease_owner) == deletion.owner)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    result: CursorResult[Any] = await tx.session.execute(statement)  # pyright: ignore[reportAssignmentType]
    if result.rowcount != 1:
        raise DeletionLost


async def is_answering(tx: Transaction) -> bool:
    """Whether a process may still be answering a question in the actor's tenant."""
    turn = TurnTable
    query = select(col(turn.id)).where(
        col(turn.tenant_id) == tx.tenant_id,
        col(turn.status).in_(_OPEN_TURNS),
        col(turn.lease_expires_at) > utc_now(),
    )
    return (await tx.session.execute(query.limit(1))).first() is not None


async def count_rows(tx: Transaction, deletion: Deletion) -> None:
    """Write down how many rows there are to remove, where nobody has yet.

    Args:
        tx: a transaction in the tenant.
        deletion: the claim.

    Raises:
        DeletionLost: the deletion is not this worker's any more.
    """
    row = await tx.session.get(TenantDeletionTable, deletion.tenant_id)
    if row is None or row.total_rows:
        return
    total = 0
    for table in batched_tables():
        query = select(func.count()).select_from(table).where(col(table.tenant_id) == tx.tenant_id)
        total += (await tx.session.execute(query)).scalar_one()
    await _change(tx, deletion, {"total_rows": total})


def batched_tables() -> Sequence[Any]:
    """The tables whose rows go in batches: documents first, then what others refer to last."""
    order = {table.name: place for place, table in enumerate(SQLModel.metadata.sorted_tables)}
    tables = [
        table
        for table in TenantRow.__subclasses__()
        # A table without an id of its own (keyword rows, people in groups) goes with what it belongs to.
        if table not in _WITH_THE_TENANT and "id" in table.__table__.primary_key.columns  # pyright: ignore[reportAttributeAccessIssue]
    ]
    return sorted(tables, key=lambda table: (table is not DocumentTable, -order[str(table.__tablename__)]))


async def remove_batch(tx: Transaction, table: Any) -> int:
    """Delete some rows of the actor's tenant and all that hangs on them; returns how many, 0: none is left."""
    limit = _BATCH_DOCUMENTS if table is DocumentTable else _BATCH_ROWS
    some = select(col(table.id)).where(col(table.tenant_id) == tx.tenant_id).limit(limit)
    statement = delete(table).where(col(table.id).in_(some)).execution_options(synchronize_session=False)
    result: CursorResult[Any] = await tx.session.execute(statement)  # pyright: ignore[reportAssignmentType]
    return result.rowcount


async def finish(tx: Transaction, deletion: Deletion) -> bool:
    """Delete the tenant's own row, and with it the people who have no other place.

    Args:
        tx: a system transaction.
        deletion: the claim.

    Returns:
        False, and nothing deleted, when something was written for the tenant meanwhile: begin again.

    Raises:
        DeletionLost: the deletion is not this worker's any more.
    """
    # Whoever writes a row of the tenant waits for this lock or is waited for: behind it nothing comes any more.
    lock = select(col(TenantTable.id)).where(col(TenantTable.id) == deletion.tenant_id).with_for_update()
    await tx.session.execute(lock)
    await _change(tx, deletion, {"lease_expires_at": _lease_end()})
    for table in batched_tables():
        query = select(col(table.id)).where(col(table.tenant_id) == deletion.tenant_id).limit(1)
        if (await tx.session.execute(query)).first() is not None:
            return False
    place = MembershipTable
    here = select(col(place.user_id)).where(col(place.tenant_id) == deletion.tenant_id)
    elsewhere = select(col(place.user_id)).where(col(place.tenant_id) != deletion.tenant_id)
    for statement in (
        delete(UserTable).where(
            col(UserTable.id).in_(here),
            col(UserTable.id).not_in(elsewhere),
            col(UserTable.is_platform_admin).is_(False),
        ),
        delete(SessionTable).where(col(SessionTable.tenant_id) == deletion.tenant_id),
        delete(TenantTable).where(col(TenantTable.id) == deletion.tenant_id),
    ):
        await tx.session.execute(statement.execution_options(synchronize_session=False))
    return True


def _lease_end() -> datetime:
    return utc_now() + timedelta(seconds=LEASE_SECONDS)
