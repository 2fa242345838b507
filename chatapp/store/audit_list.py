"""Reading the audit log: lists, and one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.listing import Found, ListField, Listing, find
from chatapp.store.tables import AuditTable, TenantTable

LISTING = Listing(
    statement=select(AuditTable),
    identity=AuditTable.id,
    fields=(
        ListField("sequence", AuditTable.sequence, "number"),
        ListField("created_at", AuditTable.created_at, "moment"),
        ListField("actor_name", AuditTable.actor_name, is_searched=True),
        ListField("action", AuditTable.action, is_searched=True),
        ListField("address", AuditTable.address, is_searched=True),
        ListField("reason", AuditTable.reason, is_searched=True),
        ListField("user_id", AuditTable.user_id, "id", is_sorted=False),
        ListField("key_id", AuditTable.key_id, "id", is_sorted=False),
        ListField("subject_id", AuditTable.subject_id, "id", is_sorted=False),
    ),
    order="-sequence",
)


async def find_entries(tx: Transaction, wanted: Mapping[str, str]) -> Found:
    """One page of the tenant's log; each row an `AuditTable`.

    Raises:
        InvalidInput: as `listing.find` does.
    """
    return await find(tx, LISTING, wanted)


async def get_entry(tx: Transaction, entry_id: UUID) -> AuditTable:
    """One line.

    Raises:
        NotFound: the tenant's log has no such line.
    """
    row = (await tx.session.execute(select(AuditTable).where(col(AuditTable.id) == entry_id))).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


async def tenant_ids(tx: Transaction) -> Sequence[UUID]:
    """Every tenant, oldest first; in a system transaction."""
    query = select(TenantTable.id).order_by(col(TenantTable.created_at), col(TenantTable.id))
    return (await tx.session.execute(query)).scalars().all()
