"""The ways a provider fails, each as one coroutine over an open answer.

Faults of the first group come instead of an answer; those of the second come in its middle, `Script.after` deltas in;
those of the third change the whole answer's form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.upstream.server import Answer

Fault = Callable[["Answer"], Awaitable[None]]
_FOREVER = 3_600.0


async def reset_before_headers(answer: Answer) -> None:
    answer.abort()


async def too_many_requests(answer: Answer) -> None:
    answer.refuse(429, "Rate limit reached", {"Retry-After": str(answer.script.retry_after)})


async def too_many_requests_until(answer: Answer) -> None:
    answer.refuse(429, "Rate limit reached", {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"})


async def server_error(answer: Answer) -> None:
    answer.refuse(500, "The server had an error")


async def unavailable_once(answer: Answer) -> None:
    if answer.is_first_of_model:
        answer.refuse(503, "Overloaded")
    else:
        await answer.whole()


async def late_headers(answer: Answer) -> None:
    await asyncio.sleep(_FOREVER)


async def late_first_byte(answer: Answer) -> None:
    answer.begin()
    await asyncio.sleep(_FOREVER)


async def unauthorized(answer: Answer) -> None:
    answer.refuse(401, "Incorrect API key provided: sk-secret-part")


async def bad_request(answer: Answer) -> None:
    answer.refuse(400, "This model's maximum context length is 10 tokens")


async def empty_body(answer: Answer) -> None:
    answer.begin()
    answer.end()


async def html_page(answer: Answer) -> None:
    answer.respond(200, "text/html", b"<html><body>Welcome to the captive portal</body></html>")


async def empty_answer(answer: Answer) -> None:
    answer.begin()
    answer.finish()


async def stall(answer: Answer) -> None:
    await answer.some()
    await asyncio.sleep(_FOREVER)


async def close(answer: Answer) -> None:
    await answer.some()
    answer.close()


async def reset(answer: Answer) -> None:
    await answer.some()
    # What was sent must be on its way before the reset drops what is not.
    await asyncio.sleep(0.05)
    answer.abort()


async def broken_event(answer: Answer) -> None:
    await answer.some()
    answer.send(b'data: {"choices": [{"delta": {"cont\n\n')
    await answer.rest()


async def error_event(answer: Answer) -> None:
    await answer.some()
    answer.send(b'data: {"error": {"message": "The engine is overloaded", "code": "overloaded"}}\n\n')
    answer.end()


async def huge_event(answer: Answer) -> None:
    await answer.some()
    answer.delta("x" * 5_000_000)
    answer.finish()


async def no_finish(answer: Answer) -> None:
    await answer.some()
    answer.end()


async def no_done(answer: Answer) -> None:
    await answer.all_deltas()
    answer.finish_event()
    answer.usage_event()
    answer.end()


async def no_usage(answer: Answer) -> None:
    await answer.all_deltas()
    answer.finish_event()
    answer.done_event()
    answer.end()


async def done_without_end(answer: Answer) -> None:
    await answer.all_deltas()
    answer.finish_event()
    answer.usage_event()
    answer.done_event()
    await asyncio.sleep(_FOREVER)


async def duplicate_finish(answer: Answer) -> None:
    await answer.all_deltas()
    answer.finish_event()
    answer.finish()


async def byte_by_byte(answer: Answer) -> None:
    answer.byte_seconds = 0.001
    await answer.whole()


async def split_characters(answer: Answer) -> None:
    answer.split_at = 7
    await answer.whole()


async def crlf_and_comments(answer: Answer) -> None:
    answer.line_end = b"\r\n"
    answer.begin()
    answer.send(b": keep-alive\r\n\r\nevent: message\r\nid: 1\r\nretry: 10\r\n\r\n")
    await answer.whole()


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        reset_before_headers,
        too_many_requests,
        too_many_requests_until,
        server_error,
        unavailable_once,
        late_headers,
        late_first_byte,
        unauthorized,
        bad_request,
        empty_body,
        html_page,
        empty_answer,
        stall,
        close,
        reset,
        broken_event,
        error_event,
        huge_event,
        no_finish,
        no_done,
        no_usage,
        done_without_end,
        duplicate_finish,
        byte_by_byte,
        split_characters,
        crlf_and_comments,
    )
}
