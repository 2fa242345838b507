"""Use cases of the audit log: who changed what, one change before and after, and whether the log is whole.

Nothing here changes a line; `store.audit` writes them, in the transaction of each change.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.list_page import ListPage
from chatapp.settings import get_settings
from chatapp.store import audit, audit_chain, audit_list
from chatapp.store.audit_chain import Head, Reason, Walk
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import AuditTable

__all__ = ["AuditEntry", "ChainReport", "FieldChange", "get_entry", "list_entries", "stream_json", "verify"]

_PAGE = "1000"
_SENTENCES: Mapping[Reason, str] = {
    "changed": "Line {sequence} was changed after it was written.",
    "missing": "Line {sequence} is missing.",
    "reordered": "Line {sequence} is not the one that was written there: lines were put in another order.",
    "cut_off": "Lines from {sequence} on are missing: the end of the log was cut off.",
    "unknown_key": "Line {sequence} was sealed with a secret this installation does not have. If the secret was "
    "changed, give the earlier one in CHATAPP_PREVIOUS_SECRET_KEYS.",
    "older_key": "Line {sequence} was sealed with an earlier secret behind lines sealed with a later one.",
    "unsealed": "Line {sequence} has no seal, and stands behind lines that have.",
    "end_changed": "The mark that says line {sequence} is the last one was changed: lines behind it may be missing.",
    "behind_end": "Line {sequence} is not part of the log: it was added without being sealed to the others.",
    "other_history": "Line {sequence} is not the one noted earlier: this is another log.",
}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the log."""

    id: UUID
    sequence: int
    created_at: datetime
    actor_name: str
    """Who it was as people knew them then: an address, a key's name, or `system`."""
    user_id: UUID | None
    key_id: UUID | None
    address: str
    action: str
    subject_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str
    details: dict[str, Any]
    hash: str
    """The line's seal; empty: written before lines were sealed."""

    @classmethod
    def from_row(cls, row: AuditTable) -> AuditEntry:
        """The view of a row."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field before and after a change."""

    field: str
    """Names that lead to it, joined by dots."""
    before: Any
    after: Any
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What verifying a tenant's log found."""

    tenant_id: UUID
    is_intact: bool
    lines: int
    """Lines that hold, counted from the first."""
    unsealed: int
    """Those of them from before lines were sealed: nothing vouches for what they say."""
    end: str
    """The last line that holds, `SEQUENCE:SEAL`: noted elsewhere, it proves later that the log still has it."""
    reason: Reason | None
    """Why the log is broken; None: it is not."""
    broken_at: int | None
    entry_id: UUID | None
    message: str
    """The finding as a sentence."""


async def list_entries(actor: Actor, tenant_id: UUID, wanted: Mapping[str, str]) -> ListPage[AuditEntry]:
    """Lines of the tenant's log, the latest first.

    Args:
        actor: who reads.
        tenant_id: whose log.
        wanted: as for `store.listing`; the fields are those of `store.audit_list`.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for this actor.
        InvalidInput: an unknown field or a value that does not fit.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    async with transaction(there, readonly=True) as tx:
        return ListPage.of(await audit_list.find_entries(tx, wanted), AuditEntry.from_row)


async def get_entry(actor: Actor, tenant_id: UUID, entry_id: UUID) -> AuditEntry:
    """One line of the tenant's log.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for this actor, or no such line.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    async with transaction(there, readonly=True) as tx:
        return AuditEntry.from_row(await audit_list.get_entry(tx, entry_id))


def changes_of(entry: AuditEntry) -> list[FieldChange]:
    """The fields of a line before and after, those that differ first; nested ones by their path."""
    before, after = _flat(entry.before or {}), _flat(entry.after or {})
    names = dict.fromkeys((*before, *after))
    gone = object()
    found = [
        FieldChange(name, before.get(name), after.get(name), before.get(name, gone) != after.get(name, gone))
        for name in names
    ]
    return sorted(found, key=lambda change: not change.is_changed)


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        place = f"{path}.{name}" if path else name
        flat |= _flat(value, place) if isinstance(value, dict) and value else {place: value}
    return flat


async def stream_entries_csv(actor: Actor, tenant_id: UUID, wanted: Mapping[str, str]) -> AsyncIterator[str]:
    """Every line the filters let through, as CSV.

    Raises:
        AppError: as `list_entries` does.
    """

    async def fetch(asked: Mapping[str, str]) -> ListPage[AuditEntry]:
        return await list_entries(actor, tenant_id, asked)

    async for line in stream_csv(fetch, AuditEntry, wanted):
        yield line


async def stream_json(actor: Actor, tenant_id: UUID, wanted: Mapping[str, str]) -> AsyncIterator[str]:
    """Every line the filters let through, as one JSON array, a page in memory at a time.

    Raises:
        AppError: as `list_entries` does.
    """
    asked = {name: value for name, value in wanted.items() if name not in {"limit", "after"}} | {"limit": _PAGE}
    between = "[\n"
    while True:
        page = await list_entries(actor, tenant_id, asked)
        for entry in page.items:
            yield between + json.dumps(asdict(entry), default=_as_text, ensure_ascii=False)
            between = ",\n"
        if page.next_cursor is None:
            break
        asked["after"] = page.next_cursor
    yield "]\n" if between != "[\n" else "[]\n"


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def verify(actor: Actor, tenant_id: UUID, *, since: str = "") -> ChainReport:
    """Follow the chain of a tenant's log from its first line to its last.

    Args:
        actor: who asks.
        tenant_id: whose log.
        since: `end` of an earlier report: the log must still have that line; empty: nothing was noted.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: no such tenant for this actor.
        InvalidInput: `since` is no end of a log.
    """
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    noted = _noted(since)
    walk = Walk(seal_keys())
    async with transaction(there, readonly=True) as tx:
        head = await audit_chain.read_head(tx)
    while walk.sequence < head.sequence:
        # A transaction a batch: the log may be long, and nobody should wait for its reader.
        async with transaction(there, readonly=True) as tx:
            rows = await audit_chain.read_rows(tx, after=walk.sequence)
            broken = await _follow(tx, walk, head, [row for row in rows if row.sequence <= head.sequence], noted)
        if broken is not None:
            return broken
        if not rows:
            return _report(walk, head, "cut_off")
    return await _at_the_end(there, walk, head, noted)


async def _follow(
    tx: Transaction, walk: Walk, head: Head, rows: Sequence[Any], noted: tuple[int, str]
) -> ChainReport | None:
    for row in rows:
        if (reason := walk.step(row)) is not None:
            reason = await audit_chain.refine(tx, walk, row, reason)
            return _report(walk, head, reason, row.id if row.sequence == walk.sequence + 1 else None)
        if row.sequence == noted[0] and row.hash != noted[1]:
            return _report(walk, head, "other_history", row.id, at=row.sequence)
    return None


async def _at_the_end(there: Actor, walk: Walk, head: Head, noted: tuple[int, str]) -> ChainReport:
    reason = walk.end(head)
    if reason is not None:
        return _report(walk, head, reason, at=walk.sequence)
    async with transaction(there, readonly=True) as tx:
        outside = await audit_chain.first_outside(tx)
    if outside is not None:
        return _report(walk, head, "behind_end", at=outside)
    if noted[0] > walk.sequence:
        return _report(walk, head, "cut_off")
    return _report(walk, head, None)


async def verify_all(tenant_id: UUID | None = None, *, since: str = "") -> list[ChainReport]:
    """Verify every tenant's log, or one; for the command line.

    Raises:
        NotFound: no such tenant.
        InvalidInput: `since` is no end of a log, or is given for more than one tenant.
    """
    async with system_transaction(readonly=True) as tx:
        ids = await audit_list.tenant_ids(tx)
    wanted = ids if tenant_id is None else [tenant_id]
    if tenant_id is not None and tenant_id not in ids:
        raise NotFound(f"There is no tenant {tenant_id}.")
    if since and len(wanted) != 1:
        raise InvalidInput("Say which tenant's log the noted line is of.", param="since")
    reader = frozenset({Permission.READ_ADMIN})
    return [await verify(Actor(one, None, reader, is_system=True), one, since=since) for one in wanted]


def seal_keys() -> tuple[bytes, ...]:
    """Keys that lines may be sealed with: of the present secret, then of those before it."""
    settings = get_settings()
    secrets = (settings.effective_secret_key, *settings.previous_secret_keys)
    return tuple(audit.seal_key(secret) for secret in secrets)


def _noted(since: str) -> tuple[int, str]:
    if not since:
        return 0, ""
    sequence, _, seal = since.partition(":")
    if not (sequence.isascii() and sequence.isdigit()) or len(sequence) > 18:
        raise InvalidInput("This is no end of a log: write it as `audit verify` printed it, 12:0a1b...", param="since")
    return int(sequence), seal


def _report(
    walk: Walk, head: Head, reason: Reason | None, entry_id: UUID | None = None, *, at: int | None = None
) -> ChainReport:
    sequence = walk.sequence + 1 if at is None else at
    if reason is None:
        message = f"All {walk.sequence:,} lines are as they were written."
        if walk.unsealed:
            message += f" Nothing vouches for the first {walk.unsealed:,}, which are from before lines were sealed."
    else:
        message = _SENTENCES[reason].format(sequence=sequence)
    return ChainReport(
        tenant_id=head.tenant_id,
        is_intact=reason is None,
        lines=walk.sequence,
        unsealed=walk.unsealed,
        end=f"{walk.sequence}:{walk.hash}",
        reason=reason,
        broken_at=None if reason is None else sequence,
        entry_id=entry_id,
        message=message,
    )
