"""Queries about turns.

A running turn is leased: its process renews the lease, and a turn whose lease ran out is taken by another process
under the next attempt number. Whoever writes names the attempt, so a process that lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, ScalarResult, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from chatapp.domain import Actor, TurnStatus, utc_now
from chatapp.errors import Conflict, NotFound
from chatapp.store.database import Transaction, insert_all, update_all
from chatapp.store.tables import TenantTable, TraceTable, TurnTable

_SUMMARY_LOOKBACK = 500
_OPEN = (TurnStatus.QUEUED, TurnStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class TurnNode:
    """A turn's place in its conversation."""

    id: UUID
    parent_id: UUID | None
    created_at: datetime


async def get(tx: Transaction, turn_id: UUID) -> TurnTable:
    """One turn of the tenant.

    Raises:
        NotFound: there is none of that id.
    """
    row = await tx.session.get(TurnTable, turn_id)
    if row is None:
        raise NotFound("There is no such answer.", param="turn_id")
    return row


def is_owner(actor: Actor, row: TurnTable) -> bool:
    """Whether the actor asked the question: the person, or the service's key where no person did."""
    if row.user_id is not None:
        return row.user_id == actor.user_id
    return row.key_id is not None and row.key_id == actor.key_id


async def get_own(tx: Transaction, turn_id: UUID) -> TurnTable:
    """One turn of the actor.

    Raises:
        NotFound: there is none of that id, or somebody else asked it.
    """
    row = await get(tx, turn_id)
    if tx.actor is None or not is_owner(tx.actor, row):
        raise NotFound("There is no such answer.", param="turn_id")
    return row


async def lock_own(tx: Transaction, turn_id: UUID) -> None:
    """Let nobody else change a turn of the actor until `tx` ends; whoever else locks it waits.

    Raises:
        NotFound: there is none of that id, or somebody else asked it.
    """
    await get_own(tx, turn_id)
    query = select(col(TurnTable.id)).where(col(TurnTable.id) == turn_id)
    # Rows that refer to the turn may still be written: only its key has to stay for them.
    await tx.session.execute(query.with_for_update(key_share=True))


async def add(tx: Transaction, row: TurnTable) -> None:
    """Write a new turn.

    Raises:
        Conflict: another request with the same idempotency key was a moment faster; the transaction is lost.
    """
    tx.session.add(row)
    try:
        await tx.session.flush()
    except IntegrityError as error:
        raise Conflict from error


async def add_all(tx: Transaction, rows: Sequence[TurnTable]) -> None:
    """Write new turns.

    Raises:
        Conflict: as of `add`, for one of them.
    """
    try:
        await insert_all(tx, rows)
    except IntegrityError as error:
        raise Conflict from error


async def find_by_idempotency_key(tx: Transaction, key: str) -> TurnTable | None:
    """The turn an earlier request with this key began."""
    query = select(TurnTable).where(col(TurnTable.idempotency_key) == key)
    return (await tx.session.execute(query)).scalar_one_or_none()


async def list_nodes(tx: Transaction, conversation_id: UUID) -> list[TurnNode]:
    """The tree of a conversation, oldest turn first, without any text."""
    query = (
        select(col(TurnTable.id), col(TurnTable.parent_id), col(TurnTable.created_at))
        .where(col(TurnTable.conversation_id) == conversation_id)
        .order_by(col(TurnTable.created_at), col(TurnTable.id))
    )
    return [TurnNode(*row) for row in (await tx.session.execute(query))]


async def list_by_ids(tx: Transaction, turn_ids: Sequence[UUID]) -> list[TurnTable]:
    """Turns in the order of their ids; one that is not there is left out."""
    rows: ScalarResult[TurnTable] = (
        await tx.session.execute(select(TurnTable).where(col(TurnTable.id).in_(turn_ids)))
    ).scalars()
    by_id = {row.id: row for row in rows}
    return [by_id[turn_id] for turn_id in turn_ids if turn_id in by_id]


async def renew_leases(
    tx: Transaction, turn_ids: Collection[UUID], *, owner: str, expires_at: datetime
) -> dict[UUID, bool]:
    """Keep running turns of the actor's tenant.

    Args:
        tx: an actor's transaction.
        turn_ids: the turns.
        owner: who has them leased.
        expires_at: until when they are kept.

    Returns:
        for each that is still `owner`'s, whether it is to stop: its asker wants it, or its tenant is suspended.
    """
    is_owned = (
        col(TurnTable.id).in_(turn_ids),
        col(TurnTable.lease_owner) == owner,
        col(TurnTable.status).in_(_OPEN),
    )
    statement = update(TurnTable).where(*is_owned).values(lease_expires_at=expires_at)
    await tx.session.execute(statement.execution_options(synchronize_session=False))
    query = (
        select(col(TurnTable.id), or_(col(TurnTable.is_cancel_requested), col(TenantTable.is_suspended)))
        .join(TenantTable, col(TenantTable.id) == col(TurnTable.tenant_id))
        .where(*is_owned)
    )
    return {turn_id: bool(is_stop_wanted) for turn_id, is_stop_wanted in await tx.session.execute(query)}


async def request_stop_of_all(tx: Transaction) -> list[UUID]:
    """Ask for the end of every open turn of the actor's tenant; returns which those are."""
    is_open = (col(TurnTable.tenant_id) == tx.tenant_id, col(TurnTable.status).in_(_OPEN))
    statement = (
        update(TurnTable).where(*is_open).values(is_cancel_requested=True).execution_options(synchronize_session=False)
    )
    await tx.session.execute(statement)
    return list((await tx.session.execute(select(col(TurnTable.id)).where(*is_open))).scalars())


async def finish(tx: Transaction, turn_id: UUID, *, attempt: int, values: dict[str, Any]) -> bool:
    """Write how a turn ended; False, and nothing written, when this attempt no longer has it."""
    statement = _of_attempt(turn_id, attempt).values(
        **values, completed_at=utc_now(), lease_owner="", lease_expires_at=None
    )
    return await _changes_a_row(tx, statement)


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """How an attempt at a turn ended."""

    turn_id: UUID
    attempt: int
    values: Mapping[str, Any]
    """Its columns by name; the same ones for every end."""
    trace: TraceTable


async def finish_all(tx: Transaction, ends: Sequence[TurnEnd]) -> list[bool]:
    """Write how turns ended, with their traces: there is never an earlier one.

    Returns:
        for each in its order, False, and nothing written, when its attempt no longer has the turn.
    """
    query = select(col(TurnTable.id), col(TurnTable.attempt)).where(
        col(TurnTable.id).in_([end.turn_id for end in ends]), col(TurnTable.status).in_(_OPEN)
    )
    # In one order everywhere, so that two processes never wait for each other.
    locked = await tx.session.execute(query.order_by(col(TurnTable.id)).with_for_update())
    attempts = {turn_id: attempt for turn_id, attempt in locked}
    held = [attempts.get(end.turn_id) == end.attempt for end in ends]
    kept = [end for end, is_held in zip(ends, held, strict=True) if is_held]
    if kept:
        ended = {"completed_at": utc_now(), "lease_owner": "", "lease_expires_at": None}
        await update_all(tx, TurnTable, {end.turn_id: {**ended, **end.values} for end in kept})
        await insert_all(tx, [end.trace for end in kept])
    return held


async def last_summary(tx: Transaction, path: Sequence[UUID]) -> tuple[UUID | None, str]:
    """The last turn of a branch that has a summary, and the summary; None and nothing where none has.

    Args:
        tx: an actor's transaction.
        path: the branch, oldest turn first; of a very long one the end is looked at.
    """
    looked_at = path[-_SUMMARY_LOOKBACK:]
    query = select(col(TurnTable.id), col(TurnTable.summary)).where(
        col(TurnTable.id).in_(looked_at), col(TurnTable.summary) != ""
    )
    found = {turn_id: summary for turn_id, summary in await tx.session.execute(query)}
    last = next((turn_id for turn_id in reversed(looked_at) if turn_id in found), None)
    return last, found[last] if last is not None else ""


async def keep_summary(tx: Transaction, turn_id: UUID, summary: str) -> None:
    """Keep the summary of a conversation up to and with a turn of the actor.

    Raises:
        NotFound: there is no such turn any more, or somebody else asked it.
    """
    (await get_own(tx, turn_id)).summary = summary


async def release(tx: Transaction, turn_id: UUID, *, attempt: int) -> None:
    """Give a running turn back, so that the next process to look takes it at once."""
    await tx.session.execute(_of_attempt(turn_id, attempt).values(lease_owner="", lease_expires_at=utc_now()))


async def claim_abandoned(
    tx: Transaction, *, owner: str, expires_at: datetime, everything: bool, limit: int = 100
) -> list[TurnTable]:
    """Take turns nobody works on, oldest first, each under its next attempt.

    Args:
        tx: a system transaction.
        owner: who takes them.
        expires_at: until when they are taken.
        everything: take also those whose lease still runs, but not `owner`'s: for the one web process of an
            installation, whose predecessor is dead for certain.
        limit: most turns to take.
    """
    now = utc_now()
    query = select(TurnTable).where(col(TurnTable.status).in_(_OPEN), col(TurnTable.lease_owner) != owner)
    if not everything:
        query = query.where(col(TurnTable.lease_expires_at) <= now)
    rows = (await tx.session.execute(query.order_by(col(TurnTable.created_at)).limit(limit))).scalars().all()
    claimed: list[TurnTable] = []
    for row in rows:
        statement = _of_attempt(row.id, row.attempt).values(
            attempt=row.attempt + 1,
            status=TurnStatus.RUNNING,
            lease_owner=owner,
            lease_expires_at=expires_at,
        )
        if await _changes_a_row(tx, statement):
            await tx.session.refresh(row)
            claimed.append(row)
    return claimed


def _of_attempt(turn_id: UUID, attempt: int) -> Any:
    # The session's own copies are not brought up to date: whoever needs one refreshes it.
    return (
        update(TurnTable)
        .where(col(TurnTable.id) == turn_id, col(TurnTable.attempt) == attempt, col(TurnTable.status).in_(_OPEN))
        .execution_options(synchronize_session=False)
    )


async def _changes_a_row(tx: Transaction, statement: Any) -> bool:
    result = await tx.session.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1
