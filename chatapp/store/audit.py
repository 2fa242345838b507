"""The audit log: who changed what, and when. Rows are only ever added."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatapp.store.database import Transaction, WrongTenant
from chatapp.store.tables import AuditTable


async def write(tx: Transaction, action: str, subject_id: UUID | None = None, **details: Any) -> None:
    """Add one line in the transaction of the change itself, so that neither is there without the other.

    Args:
        tx: the open transaction of an actor.
        action: `noun.verb` in the past, as in `document.uploaded`.
        subject_id: what was changed.
        **details: JSON values that say more; never a secret, never the text of a message.

    Raises:
        WrongTenant: the transaction is a system one, which has nobody to name.
    """
    if tx.actor is None:
        raise WrongTenant("a system transaction has nobody to name in the audit log")
    tx.session.add(
        AuditTable(
            tenant_id=tx.tenant_id,
            user_id=tx.actor.user_id,
            key_id=tx.actor.key_id,
            action=action,
            subject_id=subject_id,
            details=details,
        )
    )
