"""Whether somebody who reads a long answer may still do so.

A stream outlives the moment its reader was looked up. All streams of a process are watched together, with one look at
the database for all of them in each round, so a thousand readers cost what one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.services import rights
from chatapp.store import api_keys, sessions
from chatapp.store.database import system_transaction
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_ROUND_SECONDS = 0.7
"""A reader whose access ends is gone within a second: a round, and the look at the end of it."""


class _Reader:
    """Somebody who reads a stream."""

    __slots__ = ("actor", "ended")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.ended = asyncio.Event()


class _Watch:
    """Who is watched in this process; the task lives while there is somebody."""

    readers: set[_Reader] = set()  # noqa: RUF012  # one watch a process is what this is
    task: asyncio.Task[None] | None = None


async def ended(actor: Actor) -> None:
    """Return when the actor's sign-in or key has ended, or allows less than it did.

    Args:
        actor: as they were when they began to read; without a sign-in and a key this never returns.
    """
    reader = _Reader(actor)
    if actor.session_id is None and actor.key_id is None:
        await reader.ended.wait()
    _Watch.readers.add(reader)
    if _Watch.task is None or _Watch.task.done():
        _Watch.task = asyncio.create_task(_look_each_round())
    try:
        await reader.ended.wait()
    finally:
        _Watch.readers.discard(reader)


async def _look_each_round() -> None:
    while _Watch.readers:
        await asyncio.sleep(_ROUND_SECONDS)
        readers = tuple(_Watch.readers)
        try:
            living = await _living([reader.actor for reader in readers])
        except sessions.DATABASE_FAILURES as error:
            # Nobody is turned away because the database blinked; who is still there is looked up in the next round.
            _log.warning("access_watch.skipped", reason=type(error).__name__)
            continue
        for reader in readers:
            now = living.get(reader.actor.session_id or reader.actor.key_id)
            if now is None or not now.permissions >= reader.actor.permissions:
                reader.ended.set()


async def _living(actors: Sequence[Actor]) -> dict[UUID | None, Actor]:
    """Whom the credentials of these actors stand for at this moment, by sign-in or key."""
    session_ids = list({actor.session_id for actor in actors if actor.session_id is not None})
    key_ids = {actor.key_id for actor in actors if actor.session_id is None and actor.key_id is not None}
    living: dict[UUID | None, Actor] = {}
    if not session_ids and not key_ids:
        return living
    async with system_transaction(readonly=True) as tx:
        for row, user, place in await sessions.find_by_ids(tx, session_ids, now=utc_now()):
            living[row.id] = rights.person(user, place, tenant_id=row.tenant_id, session_id=row.id, method=row.method)
        for key_id in key_ids:
            found = await api_keys.find_by_id(tx, key_id, now=utc_now())
            if found is not None:
                living[key_id] = rights.key_actor(*found)
    return living
