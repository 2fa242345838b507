"""Verifying the chain of the audit log: walk a tenant's rows in order and find the first that does not fit.

What it finds, and what it cannot, stands in `docs/security.md`.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlmodel import col, func, select

from chatapp.store import audit
from chatapp.store.database import Transaction
from chatapp.store.tables import AuditHeadTable, AuditTable

Reason = Literal[
    "changed",
    "missing",
    "reordered",
    "cut_off",
    "unknown_key",
    "older_key",
    "unsealed",
    "end_changed",
    "behind_end",
    "other_history",
]

BATCH = 250
"""Rows read and checked at once: about ten milliseconds of work."""
_COLUMNS = tuple(getattr(AuditTable, name) for name in (*audit.SEALED_FIELDS, "hash"))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain as it is kept beside the rows."""

    tenant_id: UUID
    sequence: int = 0
    hash: str = ""
    seal: str = ""


@dataclass(slots=True)
class Walk:
    """How far a chain has been followed."""

    keys: Sequence[bytes]
    """The installation's seal keys, the present one first."""
    sequence: int = 0
    hash: str = ""
    """Seal of the last row followed."""
    unsealed: int = 0
    """Rows from before there were seals: nothing vouches for what they say."""
    key_index: int | None = None
    """Key of the last sealed row: from one row to the next it may become newer, never older."""

    def step(self, row: Any) -> Reason | None:
        """Follow the chain to the next row; why it does not lead there, or None where it does."""
        if row.sequence != self.sequence + 1:
            return "missing"
        if not row.hash:
            return self._unsealed(row)
        index = key_of(audit.seal, row, row.hash, self.keys)
        if index is None:
            return "changed"
        if row.previous_hash != self.hash:
            # Nobody touched this row, so what it was sealed to is no longer in front of it.
            return "missing"
        if self.key_index is not None and index > self.key_index:
            return "older_key"
        self.sequence, self.hash, self.key_index = row.sequence, row.hash, index
        return None

    def _unsealed(self, row: Any) -> Reason | None:
        if self.hash or row.previous_hash:
            return "unsealed"
        self.sequence = row.sequence
        self.unsealed += 1
        return None

    def end(self, head: Head) -> Reason | None:
        """Whether the chain ends where its end is kept; why not, or None."""
        if head.sequence != self.sequence:
            return "cut_off"
        if not self.hash and not head.hash and not head.seal:
            return None
        index = key_of(audit.seal_end, head, head.seal, self.keys)
        return None if head.hash == self.hash and index is not None and index == self.key_index else "end_changed"


def key_of(seal: Any, sealed: Any, found: str, keys: Sequence[bytes]) -> int | None:
    """Which of the keys a row or an end was sealed with; None: with none of them, or it was changed since.

    Args:
        seal: `audit.seal` or `audit.seal_end`.
        sealed: the row or the head.
        found: the seal it has.
        keys: the present one first.
    """
    for index, key in enumerate(keys):
        if hmac.compare_digest(seal(sealed, key), found):
            return index
    return None


async def read_head(tx: Transaction) -> Head:
    """The end of the tenant's chain; at 0 where nothing was written yet."""
    row = (await tx.session.execute(select(AuditHeadTable))).scalar_one_or_none()
    return Head(row.tenant_id, row.sequence, row.hash, row.seal) if row is not None else Head(tx.tenant_id)


async def read_rows(tx: Transaction, *, after: int, limit: int = BATCH) -> Sequence[Any]:
    """The next rows of the tenant's log, each with the sealed fields and `hash`.

    Args:
        tx: the transaction.
        after: sequence of the last row read.
        limit: most rows.
    """
    query = select(*_COLUMNS).where(col(AuditTable.sequence) > after).order_by(col(AuditTable.sequence)).limit(limit)
    return (await tx.session.execute(query)).all()


async def refine(tx: Transaction, walk: Walk, row: Any, reason: Reason) -> Reason:
    """Tell a changed row from one that stands in another's place, and from one sealed with a secret not known here.

    Args:
        tx: the transaction.
        walk: as it stood before the row.
        row: the first that does not fit.
        reason: what `Walk.step` said.
    """
    if reason != "changed":
        return reason
    if row.previous_hash != walk.hash and await row_of_seal(tx, row.previous_hash) is not None:
        return "reordered"
    following = await read_rows(tx, after=row.sequence)
    # Each row is sealed with what the one before says its own seal is: one that was changed leaves the others alone.
    is_alone = any(key_of(audit.seal, other, other.hash, walk.keys) is not None for other in following)
    head = await read_head(tx)
    if is_alone or walk.hash or key_of(audit.seal_end, head, head.seal, walk.keys) is not None:
        return "changed"
    return "unknown_key"


async def row_of_seal(tx: Transaction, seal: str) -> int | None:
    """The sequence of the row that has this seal."""
    query = select(AuditTable.sequence).where(col(AuditTable.hash) == seal).limit(1)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def first_outside(tx: Transaction) -> int | None:
    """The sequence of a row that is no place of the chain: below 1, or behind its end as it is at this moment."""
    end = select(func.coalesce(func.max(AuditHeadTable.sequence), 0)).scalar_subquery()
    outside = (col(AuditTable.sequence) > end) | (col(AuditTable.sequence) < 1)
    query = select(func.min(AuditTable.sequence)).where(outside)
    return (await tx.session.execute(query)).scalar_one_or_none()
