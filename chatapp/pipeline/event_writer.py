"""Writing a turn's events to the turn log, text in frames."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from chatapp.domain import Actor
from chatapp.errors import UpstreamError
from chatapp.store.turn_log import EventKind, TurnEvent, turn_log

_log = structlog.get_logger(__name__)

FIRST_FRAME_SECONDS, FRAME_SECONDS = 0.05, 0.125
"""Text of this long goes out as one event, of the shorter one while an answer begins: what comes first is looked for.
Later nobody reads faster than eight times a second, and each event costs every reader bytes and work."""
_BEGINNING_FRAMES = 10


def to_json(value: Any) -> str:
    """JSON in as few characters as it takes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class EventWriter:
    """Numbers one attempt's events and appends them in order.

    The first text goes out at once, later text in frames; adding text costs a list append.
    When the log cannot be reached the writer falls silent, as a gap would lose text without a sign: the answer goes
    on, and readers get it from the database when it is done.
    """

    def __init__(self, actor: Actor, turn_id: UUID, attempt: int, *, first: int = 1) -> None:
        """Begin before the attempt's first event, or go on where another writer of the attempt left off.

        Args:
            actor: whose tenant the turn is in.
            turn_id: the turn.
            attempt: the attempt, from 1.
            first: sequence number of the next event.
        """
        self._actor = actor
        self._turn_id = turn_id
        self._attempt = attempt
        self._sequence = first - 1
        self._is_silent = False
        self._pieces: list[str] = []
        self._sources: list[dict[str, Any]] = []
        self._has_text = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def emit(self, kind: EventKind, data: Any) -> None:
        """Append an event behind everything written so far.

        Raises:
            Superseded: another attempt at the turn has begun.
        """
        await self.flush()
        await self._append(kind, data)

    def add_text(self, text: str, sources: Sequence[dict[str, Any]] = ()) -> None:
        """Write text; it is appended within a frame.

        Args:
            text: what comes next.
            sources: those it mentions for the first time; readers know them before the text is there.
        """
        self._pieces.append(text)
        self._sources += sources
        self._has_text.set()
        if self._pump is None:
            self._pump = asyncio.create_task(self._append_frames())

    async def flush(self) -> None:
        """Append the text still held.

        Raises:
            Superseded: another attempt at the turn has begun.
        """
        pump, self._pump = self._pump, None
        if pump is not None:
            # Cancelled between two frames only: an append under way is shielded.
            pump.cancel()
            outcome = (await asyncio.gather(pump, return_exceptions=True))[0]
            if isinstance(outcome, Exception):
                raise outcome
        await self._append_text()

    async def close(self) -> None:
        """Write no more, for a turn that was given up; text still held is dropped."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _append_frames(self) -> None:
        for count in itertools.count():
            await self._has_text.wait()
            append = asyncio.ensure_future(self._append_text())
            try:
                await asyncio.shield(append)
            except asyncio.CancelledError:
                await append
                raise
            await asyncio.sleep(FIRST_FRAME_SECONDS if count < _BEGINNING_FRAMES else FRAME_SECONDS)

    async def _append_text(self) -> None:
        text, sources = "".join(self._pieces), self._sources
        self._pieces.clear()
        self._sources = []
        self._has_text.clear()
        if sources:
            await self._append("sources", sources)
        if text:
            await self._append("delta", text)

    async def _append(self, kind: EventKind, data: Any) -> None:
        if self._is_silent:
            return
        self._sequence += 1
        event = TurnEvent(kind, to_json(data), f"{self._attempt}-{self._sequence}")
        try:
            await turn_log().append(self._actor, self._turn_id, event)
        except UpstreamError as error:
            self._is_silent = True
            _log.warning("turn_log.silent", turn_id=str(self._turn_id), error=error.code)
