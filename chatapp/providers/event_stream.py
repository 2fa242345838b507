"""Reading server-sent events whose data is JSON, as providers of OpenAI's wire send them.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from chatapp.errors import ProviderUnavailable

_MAX_EVENT_BYTES = 1024 * 1024
_DONE = b"[DONE]"


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any] | None, None]:
    """Turn bytes, cut anywhere, into events.

    Args:
        pieces: the response's bytes as they arrive.

    Yields:
        the object of each event, and None for `[DONE]`; what follows it is not read.

    Raises:
        ProviderUnavailable: an event is larger than 1 MiB or not a JSON object.
    """
    held = b""
    data: list[bytes] = []
    async for piece in pieces:
        held += piece
        if len(held) > _MAX_EVENT_BYTES:
            raise ProviderUnavailable("The model's provider sent an event that is far too large.")
        # A CR at the very end may be the first half of a CRLF: it waits for what follows.
        complete = max(held.rfind(b"\n"), held.rfind(b"\r", 0, -1)) + 1
        lines, held = held[:complete].splitlines(), held[complete:]
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
            elif not line and data:
                yield _parsed(data)
                data.clear()
    data += [line[5:].strip() for line in held.splitlines() if line.startswith(b"data:")]
    if data:
        yield _parsed(data)


def _parsed(data: list[bytes]) -> dict[str, Any] | None:
    text = data[0] if len(data) == 1 else b"\n".join(data)
    if text == _DONE:
        return None
    try:
        event = json.loads(text)
    except ValueError as error:
        raise ProviderUnavailable("The model's answer arrived damaged. Try again.") from error
    if not isinstance(event, dict):
        raise ProviderUnavailable("The model's answer arrived damaged. Try again.")
    return event
