"""The audit log: who changed what, when and from where. Rows are only ever added, and each is sealed to the one before.

A row's seal is an HMAC over the row and the seal before it, so whoever changes, removes or reorders rows in the
database without the installation's secret breaks the chain. A row per tenant keeps the end of the chain under a seal
of its own, so cutting rows off at the end shows too. Source of the construction: Schneier and Kelsey, Secure Audit
Logs to Support Computer Forensics, 1999, section 3, without their key evolution. `store.audit_chain` verifies it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from chatapp.errors import NotFound
from chatapp.settings import get_settings
from chatapp.store.database import Transaction, WrongTenant
from chatapp.store.tables import AuditHeadTable, AuditTable, AuditValueTable, TenantTable

_MAX_ADDRESS_CHARACTERS = 64
_PURPOSE = b"chatapp audit log, version 1"
SEALED_FIELDS = (
    *("id", "tenant_id", "sequence", "user_id", "key_id", "actor_name", "address", "action", "subject_id"),
    *("before", "after", "reason", "details", "created_at", "previous_hash"),
)
"""Every column but the seal itself."""
SEARCHED_FIELDS = ("actor_name", "action", "address", "reason")
"""Fields whose texts are kept once more in `AuditValueTable`, for searches."""


async def write(
    tx: Transaction,
    action: str,
    subject_id: UUID | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    **details: Any,
) -> None:
    """Add one line in the transaction of the change itself, so that neither is there without the other.

    The line is numbered and sealed at the end of the transaction: the end of the chain is the last thing locked.

    Args:
        tx: the open transaction of an actor.
        action: `noun.verb` in the past, as in `document.uploaded`.
        subject_id: what was changed.
        before: the changed fields as they were; None: nothing was there.
        after: the same fields as they are now; None: nothing is there any more.
        reason: why, in the words of who did it.
        **details: JSON values that say more; never a secret, never the text of a message.

    Raises:
        WrongTenant: the transaction is a system one, which has nobody to name.
        NotFound: at the end of the transaction, when the tenant was deleted meanwhile.
    """
    if tx.actor is None:
        raise WrongTenant("a system transaction has nobody to name in the audit log")
    row = AuditTable(
        tenant_id=tx.tenant_id,
        sequence=0,
        user_id=tx.actor.user_id,
        key_id=tx.actor.key_id,
        actor_name=tx.actor.email or tx.actor.name or "system",
        address=tx.actor.address[:_MAX_ADDRESS_CHARACTERS],
        action=action,
        subject_id=subject_id,
        before=_as_json(before),
        after=_as_json(after),
        reason=reason,
        details=_as_json(details) or {},
    )
    pending: list[AuditTable] = tx.session.info.setdefault("audit", [])
    if not pending:
        tx.at_end.append(_append)
    pending.append(row)


async def _append(tx: Transaction) -> None:
    pending: list[AuditTable] = tx.session.info.pop("audit")
    head = await _lock_head(tx)
    key = seal_key(get_settings().effective_secret_key)
    for row in pending:
        head.sequence += 1
        row.sequence = head.sequence
        row.previous_hash = head.hash
        head.hash = row.hash = seal(row, key)
        tx.session.add(row)
    head.seal = seal_end(head, key)
    await _note_values(tx, pending)


async def _note_values(tx: Transaction, rows: Sequence[AuditTable]) -> None:
    # The end of the chain is locked: nobody else writes these of this tenant meanwhile.
    found = {(field, value) for row in rows for field in SEARCHED_FIELDS if (value := getattr(row, field))}
    values = [{"tenant_id": tx.tenant_id, "field": field, "value": value} for field, value in sorted(found)]
    await tx.session.execute(_insert(tx)(AuditValueTable).values(values).on_conflict_do_nothing())


async def _lock_head(tx: Transaction) -> AuditHeadTable:
    # The tenant first, as whoever deletes one locks it first: two transactions never wait for each other.
    place = select(TenantTable.id).where(col(TenantTable.id) == tx.tenant_id).with_for_update(read=True, key_share=True)
    if (await tx.session.execute(place)).scalar_one_or_none() is None:
        raise NotFound("This tenant was deleted.")
    query = select(AuditHeadTable).where(col(AuditHeadTable.tenant_id) == tx.tenant_id).with_for_update()
    head = (await tx.session.execute(query)).scalar_one_or_none()
    if head is None:
        await _begin_chain(tx)
        head = (await tx.session.execute(query)).scalar_one()
    return head


async def _begin_chain(tx: Transaction) -> None:
    # Two first lines of a tenant may be written at once: whoever comes second waits here and finds the row.
    begin = _insert(tx)(AuditHeadTable).values(tenant_id=tx.tenant_id, sequence=0, hash="", seal="")
    await tx.session.execute(begin.on_conflict_do_nothing())


def _insert(tx: Transaction) -> Any:
    """The database's own `insert`, which can leave out what is there."""
    if tx.session.get_bind().dialect.name == "postgresql":
        return postgresql.insert
    return sqlite.insert


def seal(row: Any, key: bytes) -> str:
    """The seal of a row: HMAC-SHA256 over its fields and the seal before it, in hexadecimal.

    Args:
        row: an `AuditTable`, or anything with its `SEALED_FIELDS`; `sequence` and `previous_hash` are set.
        key: as `seal_key` derives it.
    """
    return _hmac(key, {name: _plain(getattr(row, name)) for name in SEALED_FIELDS})


def seal_end(head: Any, key: bytes) -> str:
    """The seal of the end of a chain. Without the key nobody can make the chain end earlier.

    Args:
        head: an `AuditHeadTable`, or anything with its fields.
        key: as `seal_key` derives it.
    """
    return _hmac(key, {"end_of": str(head.tenant_id), "sequence": head.sequence, "hash": head.hash})


def _hmac(key: bytes, fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def seal_key(secret_key: str) -> bytes:
    """The key of the seals, derived from one of the installation's secrets."""
    return hmac.new(secret_key.encode(), _PURPOSE, hashlib.sha256).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "astimezone"):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value


def _as_json(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    # What the database gives back must be what was sealed: through JSON once, so that both are alike.
    return None if values is None else json.loads(json.dumps(dict(values), default=str))
