from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chatapp.domain import Actor, TurnStatus
from chatapp.errors import Conflict
from chatapp.store import turn_writes, turns
from chatapp.store.database import WrongTenant, system_transaction, transaction
from chatapp.store.tables import TraceTable, TurnTable
from chatapp.store.turns import TurnEnd

pytestmark = pytest.mark.usefixtures("database")


def turn_of(actor: Actor, **values: Any) -> TurnTable:
    row = TurnTable(tenant_id=actor.tenant_id, user_id=actor.user_id, question="Why?", attempt=1)
    row.status = TurnStatus.RUNNING
    for name, value in values.items():
        setattr(row, name, value)
    return row


def end_of(actor: Actor, turn_id: UUID, *, attempt: int = 1, answer: str = "So.") -> TurnEnd:
    trace = TraceTable(id=turn_id, tenant_id=actor.tenant_id, model="a", body={})
    return TurnEnd(turn_id, attempt, {"status": TurnStatus.COMPLETED, "answer": answer}, trace)


async def answers() -> dict[UUID, str]:
    async with system_transaction(readonly=True) as tx:
        return {row.id: row.answer for row in (await tx.session.execute(select(TurnTable))).scalars()}


async def traces() -> set[UUID]:
    async with system_transaction(readonly=True) as tx:
        return set((await tx.session.execute(select(TraceTable.id))).scalars())


async def test_turns_that_come_together_are_all_written_and_ended(actor: Actor, other_actor: Actor) -> None:
    rows = [turn_of(one) for one in (actor, other_actor) for _ in range(5)]
    owners = [actor] * 5 + [other_actor] * 5

    await asyncio.gather(*(turn_writes.begin(one, row) for one, row in zip(owners, rows, strict=True)))
    ended = await asyncio.gather(
        *(turn_writes.end(one, end_of(one, row.id, answer=str(row.id))) for one, row in zip(owners, rows, strict=True))
    )

    assert ended == [True] * 10
    assert await answers() == {row.id: str(row.id) for row in rows}
    assert await traces() == {row.id for row in rows}
    async with transaction(actor, readonly=True) as tx:
        row = await turns.get(tx, rows[0].id)
    assert (row.lease_owner, row.lease_expires_at, row.completed_at is not None) == ("", None, True)


async def test_a_key_used_twice_spoils_nobody_elses_turn(actor: Actor) -> None:
    rows = [turn_of(actor, idempotency_key="same" if at in {1, 3} else None) for at in range(5)]

    outcomes = await asyncio.gather(*(turn_writes.begin(actor, row) for row in rows), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), type(None), Conflict, type(None)]
    assert await answers() == {row.id: "" for at, row in enumerate(rows) if at != 3}


async def test_the_end_of_an_attempt_that_lost_its_turn_is_not_written(actor: Actor) -> None:
    rows = [turn_of(actor, attempt=attempt) for attempt in (1, 2, 1)]
    rows[2].status = TurnStatus.COMPLETED
    await asyncio.gather(*(turn_writes.begin(actor, row) for row in rows))

    ended = await asyncio.gather(*(turn_writes.end(actor, end_of(actor, row.id)) for row in rows))

    assert ended == [True, False, False]
    assert await answers() == {rows[0].id: "So.", rows[1].id: "", rows[2].id: ""}
    assert await traces() == {rows[0].id}


async def test_nobody_ends_the_turn_of_another_tenant(actor: Actor, other_actor: Actor) -> None:
    row = turn_of(actor)
    await turn_writes.begin(actor, row)

    assert await turn_writes.end(other_actor, end_of(other_actor, row.id)) is False

    assert await answers() == {row.id: ""}
    assert await traces() == set()


async def test_nobody_writes_a_turn_or_a_trace_into_another_tenant(actor: Actor, other_actor: Actor) -> None:
    row = turn_of(actor)
    await turn_writes.begin(actor, row)

    with pytest.raises(WrongTenant):
        await turn_writes.begin(other_actor, turn_of(actor))
    with pytest.raises(WrongTenant):
        await turn_writes.end(actor, end_of(other_actor, row.id))

    assert await answers() == {row.id: ""}
    assert await traces() == set()


async def test_who_is_cancelled_meanwhile_knows_that_it_is_written(actor: Actor) -> None:
    row, is_known = turn_of(actor), False

    async def begin() -> None:
        nonlocal is_known
        await turn_writes.begin(actor, row)
        is_known = True
        await asyncio.sleep(60)

    task = asyncio.create_task(begin())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert is_known
    assert await answers() == {row.id: ""}


async def test_at_the_end_of_a_process_nobody_waits_for_what_is_not_written(actor: Actor) -> None:
    rows = [turn_of(actor, idempotency_key="same") for _ in range(3)]
    waiting = [asyncio.create_task(turn_writes.begin(actor, row)) for row in rows]
    while not turn_writes._Queues.tasks:
        await asyncio.sleep(0)
    for task in (*turn_writes._Queues.tasks, *waiting):
        task.cancel()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(outcome, asyncio.CancelledError | Conflict | None) for outcome in outcomes)
    assert actor.tenant_id not in turn_writes._Queues.waiting
