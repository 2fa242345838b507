"""Taking out again what ingestion put in: vectors and files of documents that were deleted, moved or replaced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.errors import VectorIndexUnavailable
from chatapp.retrieval import vector_index
from chatapp.retrieval.vector_index import VectorIndexRefused
from chatapp.store import files, removals
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import RemovalTable
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_BATCH = 200
_PATIENCE = timedelta(hours=24)
"""How long a removal that the index refuses is tried. Vectors that stay are harmless: retrieval believes the rows."""


async def carry_out(actor: Actor, pending: Sequence[RemovalTable]) -> None:
    """Remove vectors and files now; what cannot be removed now stays written down for the sweep.

    Nothing of it answers any more: the rows are gone, and retrieval believes only the rows.

    Args:
        actor: whose tenant.
        pending: removals written down in a transaction that is committed.
    """
    done: list[UUID] = []
    for removal in pending:
        try:
            await _carry_out_one(actor, removal)
        except VectorIndexUnavailable as error:
            if isinstance(error, VectorIndexRefused) and utc_now() - removal.created_at > _PATIENCE:
                _log.error("removal.given_up", removal_id=str(removal.id), reason=repr(error.__cause__))
                done.append(removal.id)
                continue
            # on_failure="allow": deleting must not depend on the index; the sweep tries again each minute.
            _log.warning("removal.postponed", removal_id=str(removal.id))
        else:
            done.append(removal.id)
    async with transaction(actor) as tx:
        for removal_id in done:
            await removals.finish(tx, removal_id)


async def _carry_out_one(actor: Actor, removal: RemovalTable) -> None:
    if removal.document_id is not None and not removal.keep_files:
        await files.remove_document(actor, removal.document_id)
    if removal.collection_id is None:
        return
    if removal.document_id is None:
        await vector_index.drop_collection(actor, removal.collection_id)
    else:
        await vector_index.delete_document(
            actor, removal.collection_id, removal.document_id, keep_version=removal.keep_version
        )


async def carry_out_left_over() -> int:
    """Do what earlier processes could not: part of the worker's sweep. Returns how many were tried."""
    async with system_transaction(readonly=True) as tx:
        rows = await removals.list_open(tx, limit=_BATCH)
    by_tenant: dict[UUID, list[RemovalTable]] = {}
    for row in rows:
        by_tenant.setdefault(row.tenant_id, []).append(row)
    for tenant_id, pending in by_tenant.items():
        actor = Actor(tenant_id=tenant_id, user_id=None, permissions=frozenset(), name="worker", is_system=True)
        await carry_out(actor, pending)
    return len(rows)
