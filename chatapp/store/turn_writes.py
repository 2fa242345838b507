"""The beginnings and ends of turns, each written with those that come at the same moment.

A transaction takes as long for one turn as for twenty, and SQLite lets one write at a time. So who comes while one is
under way is written by the next, with all who have come by then; nobody goes on before the commit. What is written
together is of one tenant: the transaction is an actor's, with its walls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatapp.domain import Actor
from chatapp.store import turns
from chatapp.store.answers import Answer, answered
from chatapp.store.database import transaction
from chatapp.store.tables import TurnTable
from chatapp.store.turns import TurnEnd

_MAX_TOGETHER = 64
_OF_NO_TURN = (OperationalError, InterfaceError, PoolTimeout, OSError)
"""The database is away or busy, whatever is written."""


@dataclass(eq=False, slots=True)
class _Write:
    """What one turn wants written."""

    what: TurnTable | TurnEnd
    is_written: Answer = field(default_factory=Answer)


class _Queues:
    """What waits to be written, by tenant; a tenant stands here while there is a task that writes."""

    waiting: dict[UUID, list[_Write]] = {}  # noqa: RUF012  # one set a process is what this is
    tasks: set[asyncio.Task[None]] = set()  # noqa: RUF012  # the loop itself holds on to no task


async def begin(actor: Actor, row: TurnTable) -> None:
    """Write a new turn that stands in no conversation.

    Who is cancelled meanwhile is so behind it: what is written can be begun to be answered first.

    Raises:
        Conflict: another request with the same idempotency key was a moment faster.
    """
    await _written(actor, row)


async def end(actor: Actor, ending: TurnEnd) -> bool:
    """Write how a turn ended, with its trace; False, and nothing written, when its attempt no longer has it."""
    return await _written(actor, ending)


async def _written(actor: Actor, what: TurnTable | TurnEnd) -> bool:
    write = _Write(what)
    waiting = _Queues.waiting.get(actor.tenant_id)
    if waiting is None:
        waiting = _Queues.waiting[actor.tenant_id] = []
        task = asyncio.create_task(_write_all(actor, waiting))
        _Queues.tasks.add(task)
        task.add_done_callback(partial(_leave, actor.tenant_id, waiting))
    waiting.append(write)
    return await answered(write.is_written)


async def _write_all(actor: Actor, waiting: list[_Write]) -> None:
    while waiting:
        together = waiting[:_MAX_TOGETHER]
        del waiting[:_MAX_TOGETHER]
        await _write(actor, together)
    # At once: whoever comes now needs a task of their own.
    del _Queues.waiting[actor.tenant_id]


def _leave(tenant_id: UUID, waiting: list[_Write], task: asyncio.Task[None]) -> None:
    _Queues.tasks.discard(task)
    if _Queues.waiting.get(tenant_id) is waiting:
        # The process ends.
        del _Queues.waiting[tenant_id]
        _tell(waiting, error=asyncio.CancelledError())


async def _write(actor: Actor, together: Sequence[_Write]) -> None:
    try:
        results = await _committed(actor, together)
    except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits is told
        if len(together) == 1 or isinstance(error, _OF_NO_TURN):
            _tell(together, error=error)
            return
    except BaseException as error:
        _tell(together, error=error)
        raise
    else:
        for each, result in zip(together, results, strict=True):
            each.is_written.set_result(result)
        return
    await _write_singly(actor, together)


async def _write_singly(actor: Actor, together: Sequence[_Write]) -> None:
    """One of them spoils it for all: each by itself."""
    for position, each in enumerate(together, 1):
        try:
            await _write(actor, [each])
        except BaseException as error:
            _tell(together[position:], error=error)
            raise


async def _committed(actor: Actor, together: Sequence[_Write]) -> list[bool]:
    async with transaction(actor) as tx:
        ends = [each.what for each in together if isinstance(each.what, TurnEnd)]
        held = iter(await turns.finish_all(tx, ends) if ends else ())
        if begun := [each.what for each in together if isinstance(each.what, TurnTable)]:
            await turns.add_all(tx, begun)
        return [next(held) if isinstance(each.what, TurnEnd) else True for each in together]


def _tell(together: Sequence[_Write], *, error: BaseException) -> None:
    for each in together:
        each.is_written.set_exception(error)
