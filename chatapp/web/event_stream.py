"""Answers that take their time: server-sent events, and what happens when the reader leaves or may not read on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatapp.domain import Actor
from chatapp.errors import NotSignedIn
from chatapp.services import access_watch

_Result = TypeVar("_Result")

STREAM_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    # A proxy that gathers the stream into large pieces would make it no stream.
    "X-Accel-Buffering": "no",
}

ACCESS_ENDED = "Your access ended while this was being written."

WhenGone = Callable[[], Awaitable[Any]]


class EventStreamResponse(Response):
    """Frames sent the moment they come, until they end or the reader leaves."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        actor: Actor,
        headers: Mapping[str, str] | None = None,
        when_gone: WhenGone | None = None,
        last_words: bytes = b"",
    ) -> None:
        """Prepare the answer.

        Args:
            frames: encoded events; closed when the reader leaves.
            actor: who reads; when their access ends, so does the answer, within a second.
            headers: further headers.
            when_gone: awaited when the reader left, or was turned away, before the end.
            last_words: sent to a reader who is turned away.
        """
        super().__init__(headers={**STREAM_HEADERS, **(headers or {})})
        # The length is not known; the base class has written that of an empty body.
        del self.headers["content-length"]
        self._frames = frames
        self._actor = actor
        self._when_gone = when_gone
        self._last_words = last_words

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the frames."""
        outcome = await _first_of(self._send_frames(send), gone(receive), access_watch.ended(self._actor))
        if outcome is _Outcome.DONE:
            return
        if outcome is _Outcome.TURNED_AWAY:
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": self._last_words, "more_body": False})
        if self._when_gone is not None:
            await self._when_gone()

    async def _send_frames(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self._frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def while_connected(
    request: Request, actor: Actor, work: Awaitable[_Result], *, when_gone: WhenGone | None
) -> _Result:
    """Await work for as long as the client waits for it and may have it.

    Args:
        request: whose client; its body has been read.
        actor: who asked.
        work: cancelled when the client leaves, or their access ends.
        when_gone: awaited then.

    Raises:
        ClientDisconnect: the client left; nobody reads an answer any more.
        NotSignedIn: the client's access has ended.
    """
    results: list[_Result] = []

    async def keep() -> None:
        results.append(await work)

    outcome = await _first_of(keep(), gone(request.receive), access_watch.ended(actor))
    if outcome is _Outcome.DONE:
        return results[0]
    if when_gone is not None:
        await when_gone()
    raise ClientDisconnect if outcome is _Outcome.LEFT else NotSignedIn(ACCESS_ENDED)


async def gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Outcome(Enum):
    """What happened first."""

    DONE = "done"
    LEFT = "left"
    TURNED_AWAY = "turned away"


async def _first_of(
    work: Coroutine[Any, Any, None], leaving: Coroutine[Any, Any, None], access_ending: Coroutine[Any, Any, None]
) -> _Outcome:
    tasks = [asyncio.ensure_future(each) for each in (work, leaving, access_ending)]
    worker, _, access = tasks
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_done, is_turned_away = worker.done(), access.done()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    error = outcomes[0]
    if is_done and isinstance(error, OSError):
        # The server could not send: the client left a moment before it was noticed.
        return _Outcome.LEFT
    if is_done and isinstance(error, BaseException):
        raise error
    if is_done:
        return _Outcome.DONE
    return _Outcome.TURNED_AWAY if is_turned_away else _Outcome.LEFT
