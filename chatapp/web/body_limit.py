"""The limit on the size of a request's body."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.errors import UploadTooLarge
from chatapp.web.errors import error_response

MAX_JSON_BYTES = 4 * 1024 * 1024
"""A whole conversation fits; a file goes to `/v1/files`."""
_UPLOADS = "/v1/files"
"""The only routes that stream a body, once they know who sends it; every other holds it in memory."""
_MULTIPART_SLACK_BYTES = 64 * 1024
"""What multipart puts around a file of the largest size."""
_DRAIN_SECONDS = 30.0
"""How long a refused body is read and thrown away: a client that is cut off while it sends sees no answer."""


class BodyLimit:
    """ASGI wrapper that refuses large bodies: early by `Content-Length`, else when the limit is passed.

    A multipart body sent to where files are taken in has the upload limit, everything else the limit of JSON.
    """

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int) -> None:
        """Wrap an app.

        Args:
            app: what answers the requests let through.
            max_upload_bytes: size of the largest file.
        """
        self._app = app
        self._max_multipart_bytes = max_upload_bytes + _MULTIPART_SLACK_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the app answer it."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_form = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
        is_upload = is_form and f"{scope['path']}/".startswith(f"{_UPLOADS}/")
        limit = self._max_multipart_bytes if is_upload else MAX_JSON_BYTES
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            await _refuse(scope, receive, send, limit)
            return
        counted = _CountedBody(scope, receive, send, limit)
        await self._app(scope, counted.receive, counted.send)


class _CountedBody:
    """The two ends of one request, counting what comes in."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._received_bytes = 0
        self._is_refused = False

    async def receive(self) -> Message:
        """The next piece of the body, or the end of the request once there was too much of it."""
        if self._is_refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes <= self._limit:
            return message
        self._is_refused = True
        await _refuse(self._scope, self._receive, self._send, self._limit)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the app's answer on, unless the request was refused meanwhile."""
        if not self._is_refused:
            await self._send(message)


async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
    error = UploadTooLarge(f"At most {limit // (1024 * 1024)} MB can be sent at once.")
    await error_response(error)(scope, receive, send)
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        return
