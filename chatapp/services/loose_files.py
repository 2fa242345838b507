"""The worker's part in files that nobody sees any more: those in no collection whose uploader is gone."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import NotFound
from chatapp.services.document_audit import facts_of
from chatapp.store import audit, documents, loose_files
from chatapp.store import removals as removal_rows
from chatapp.store.database import system_transaction, transaction
from chatapp.telemetry.log import get_logger
from ingest import removals

_log = get_logger(__name__)

KEPT_FOR = timedelta(days=30)
"""From when it was noticed that the uploader is gone: time enough to take a mistake back."""
_BATCH = 100


async def sweep() -> None:
    """Each minute: mark files without an owner, and remove those that have been without one for long."""
    async with system_transaction() as tx:
        await loose_files.mark(tx)
        due = await loose_files.list_marked(tx, before=utc_now() - KEPT_FOR, limit=_BATCH)
    for tenant_id, document_id in due:
        worker = Actor(tenant_id, None, frozenset({Permission.READ_DOCUMENTS}), name="worker", is_system=True)
        await _remove(worker, document_id)
    if due:
        _log.info("loose_files.removed", count=len(due))


async def _remove(actor: Actor, document_id: UUID) -> None:
    async with transaction(actor) as tx:
        try:
            row = await documents.get(tx, document_id, for_update=True)
        except NotFound:
            return
        if row.collection_id is not None:
            return
        reason = "Nobody sees it any more: it is in no collection, and who uploaded it is gone."
        await audit.write(tx, "document.deleted", document_id, before=facts_of(row), reason=reason)
        pending = [removal_rows.add(tx, collection_id=None, document_id=document_id)]
        await documents.remove(tx, document_id)
    await removals.carry_out(actor, pending)
