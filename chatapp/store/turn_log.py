"""What a turn tells its readers, kept so that a reader can leave and come back anywhere.

A turn's events have ids `{attempt}-{sequence}`, both from 1. A reader names the last id it has and gets exactly what
follows. Without Redis the log is a list in the one web process; with Redis it is a stream whose entry ids are the
event ids, so that Redis itself refuses an event of an attempt that another process has taken over.
A log is gone some minutes after its turn ended: the finished answer is read from the database then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import Context
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from chatapp.domain import Actor

EventKind = Literal["status", "sources", "delta", "reset", "done", "ping"]

KEEP_SECONDS = 300.0
"""How long a log is read after its last event."""
_MAX_FINISHED = 1_000
"""Finished logs kept in a process at most; about 20 MB of answers."""


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """One event of a turn."""

    kind: EventKind
    data: str = "{}"
    """JSON: an object, or for a delta a string."""
    id: str = ""
    """`{attempt}-{sequence}`; empty for events that are made for one reader and cannot be resumed from."""

    def encode(self) -> bytes:
        """The event as it goes over the wire, in as few bytes as the format allows.

        Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
        """
        if self.kind == "ping":
            return b": ping\n\n"
        event = "" if self.kind == "delta" else f"event:{self.kind}\n"
        identity = f"id:{self.id}\n" if self.id else ""
        return f"{event}{identity}data:{self.data}\n\n".encode()


class Superseded(RuntimeError):
    """Another attempt at the turn has begun; this one has nothing more to say."""


class TurnLog(Protocol):
    """Where events are kept."""

    async def append(self, actor: Actor, turn_id: UUID, event: TurnEvent) -> None:
        """Add an event behind the last one.

        Raises:
            Superseded: an event of this id or a later one is there already.
        """
        ...

    async def exists(self, actor: Actor, turn_id: UUID) -> bool:
        """Whether anything of the turn is kept."""
        ...

    def read(self, actor: Actor, turn_id: UUID, *, after: str, idle_seconds: float) -> AsyncGenerator[TurnEvent, None]:
        """Read from behind an event, then follow.

        Args:
            actor: whose tenant the turn is in.
            turn_id: the turn.
            after: id of the last event the reader has; empty for all.
            idle_seconds: a `ping` is yielded when nothing happened for so long.

        Yields:
            events without a gap or a repetition; `done` is the last, and nothing follows for who has that already.
        """
        ...

    async def request_stop(self, turn_id: UUID) -> None:
        """Tell every process that the turn is to stop."""
        ...

    def stop_requests(self) -> AsyncGenerator[UUID, None]:
        """The turns other processes want stopped, as they say so; ends only when closed."""
        ...

    async def forget_tenant(self, actor: Actor) -> None:
        """Forget every turn of the actor's tenant."""
        ...


def parse_id(event_id: str) -> tuple[int, int]:
    """Attempt and sequence of an event id; (0, 0), before everything, when it is none."""
    attempt, _, sequence = event_id.partition("-")
    if attempt.isascii() and sequence.isascii() and attempt.isdigit() and sequence.isdigit() and len(event_id) <= 24:
        return int(attempt), int(sequence)
    return 0, 0


class _Entry:
    """The log of one turn in this process."""

    __slots__ = ("arrived", "events", "readers")

    def __init__(self) -> None:
        self.events: list[TurnEvent] = []
        self.arrived = asyncio.Event()
        self.readers = 0

    @property
    def is_finished(self) -> bool:
        return bool(self.events) and self.events[-1].kind == "done"


class InProcessTurnLog:
    """The log of an installation with one web process."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: dict[tuple[UUID, UUID], _Entry] = {}
        self._finished: dict[tuple[UUID, UUID], asyncio.TimerHandle] = {}
        """Those of `_entries` with their last event, the first to end in front, and what ends their time."""

    async def append(self, actor: Actor, turn_id: UUID, event: TurnEvent) -> None:
        """See `TurnLog.append`."""
        key = (actor.tenant_id, turn_id)
        entry = self._entries.get(key) or self._entries.setdefault(key, _Entry())
        if entry.events and parse_id(entry.events[-1].id) >= parse_id(event.id):
            raise Superseded
        entry.events.append(event)
        arrived, entry.arrived = entry.arrived, asyncio.Event()
        arrived.set()
        if event.kind == "done":
            self._forget_later(key)

    async def exists(self, actor: Actor, turn_id: UUID) -> bool:
        """See `TurnLog.exists`."""
        entry = self._entries.get((actor.tenant_id, turn_id))
        return entry is not None and bool(entry.events)

    async def read(
        self, actor: Actor, turn_id: UUID, *, after: str, idle_seconds: float
    ) -> AsyncGenerator[TurnEvent, None]:
        """See `TurnLog.read`."""
        key = (actor.tenant_id, turn_id)
        entry = self._entries.get(key) or self._entries.setdefault(key, _Entry())
        entry.readers += 1
        last = parse_id(after)
        try:
            position = 0
            while True:
                arrived = entry.arrived
                while position < len(entry.events):
                    event = entry.events[position]
                    position += 1
                    if parse_id(event.id) > last:
                        yield event
                if entry.is_finished:
                    return
                if not await _is_set_within(arrived, idle_seconds):
                    yield TurnEvent("ping")
        finally:
            entry.readers -= 1
            if not entry.events and not entry.readers:
                self._entries.pop(key, None)

    async def request_stop(self, turn_id: UUID) -> None:
        """Nothing to do: there is no other process."""

    async def stop_requests(self) -> AsyncGenerator[UUID, None]:
        """Never yields: there is no other process."""
        await asyncio.Event().wait()
        yield UUID(int=0)

    async def forget_tenant(self, actor: Actor) -> None:
        """See `TurnLog.forget_tenant`; those still being answered go by themselves, minutes after their end."""
        for key in [key for key in self._entries if key[0] == actor.tenant_id]:
            self._forget(key)

    def _forget_later(self, key: tuple[UUID, UUID]) -> None:
        # In no context: that of a turn would keep everything of the turn for as long.
        later = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, key, context=Context())
        self._finished[key] = later
        while len(self._finished) > _MAX_FINISHED:
            self._forget(next(iter(self._finished)))

    def _forget(self, key: tuple[UUID, UUID]) -> None:
        later = self._finished.pop(key, None)
        if later is not None:
            later.cancel()
            del self._entries[key]


async def _is_set_within(arrived: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await arrived.wait()
    except TimeoutError:
        return False


class _Log:
    """The process's turn log; opened and closed by the lifespan."""

    log: TurnLog | None = None


def open_turn_log(log: TurnLog | None = None) -> None:
    """Open the process's turn log.

    Args:
        log: the Redis log where there is more than one web process; None: a log in this process.
    """
    _Log.log = log or InProcessTurnLog()


def close_turn_log() -> None:
    """Forget the process's turn log."""
    _Log.log = None


def turn_log() -> TurnLog:
    """The process's turn log.

    Raises:
        RuntimeError: the lifespan has not opened it.
    """
    if _Log.log is None:
        raise RuntimeError("the turn log is not open: run inside the lifespan")
    return _Log.log
