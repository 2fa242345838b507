"""Answers that take their time: server-sent events, and what happens when the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_Result = TypeVar("_Result")

STREAM_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    # A proxy that gathers the stream into large pieces would make it no stream.
    "X-Accel-Buffering": "no",
}

WhenGone = Callable[[], Awaitable[Any]]


class EventStreamResponse(Response):
    """Frames sent the moment they come, until they end or the reader leaves."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        headers: Mapping[str, str] | None = None,
        when_gone: WhenGone | None = None,
    ) -> None:
        """Prepare the answer.

        Args:
            frames: encoded events; closed when the reader leaves.
            headers: further headers.
            when_gone: awaited when the reader left before the end.
        """
        super().__init__(headers={**STREAM_HEADERS, **(headers or {})})
        # The length is not known; the base class has written that of an empty body.
        del self.headers["content-length"]
        self._frames = frames
        self._when_gone = when_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the frames."""
        if await _finishes_before(self._send_frames(send), gone(receive)):
            return
        if self._when_gone is not None:
            await self._when_gone()

    async def _send_frames(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self._frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def while_connected(request: Request, work: Awaitable[_Result], *, when_gone: WhenGone | None) -> _Result:
    """Await work for as long as the client waits for it.

    Args:
        request: whose client; its body has been read.
        work: cancelled when the client leaves.
        when_gone: awaited when the client left.

    Raises:
        ClientDisconnect: the client left; nobody reads an answer any more.
    """
    results: list[_Result] = []

    async def keep() -> None:
        results.append(await work)

    if not await _finishes_before(keep(), gone(request.receive)):
        if when_gone is not None:
            await when_gone()
        raise ClientDisconnect
    return results[0]


async def gone(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finishes_before(work: Any, signal: Any) -> bool:
    worker, watcher = asyncio.ensure_future(work), asyncio.ensure_future(signal)
    try:
        await asyncio.wait({worker, watcher}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_done = worker.done()
        for task in (worker, watcher):
            task.cancel()
        outcomes = await asyncio.gather(worker, watcher, return_exceptions=True)
    error = outcomes[0]
    if is_done and isinstance(error, OSError):
        # The server could not send: the client left a moment before it was noticed.
        return False
    if is_done and isinstance(error, BaseException):
        raise error
    return is_done
