"""The scripted provider's HTTP server, on a bare asyncio protocol: it must cost little beside what it measures."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.upstream.faults import FAULTS
from tests.upstream.script import Script, asks_for_summary, read_script


@dataclass(slots=True)
class Call:
    """What one request came to: the truth about calls, tokens and closed connections."""

    model: str
    body: dict[str, Any]
    headers: dict[str, str]
    path: str = ""
    """With its query."""
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    tokens_sent: int = 0
    is_finished: bool = False
    """The answer was sent to its end."""
    closed_by_client: float | None = None
    """When the client went before the end, on the clock of `time.perf_counter`."""


class Upstream:
    """The server and its log."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.unknown: list[tuple[str, dict[str, str]]] = []
        """Path and headers of requests that nothing here answers."""
        self.asked: Counter[str] = Counter()
        """How often, by model."""
        self.port = 0
        self.connections_made = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def open(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        for connection in list(self._connections):
            await connection.drop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def open_connections(self) -> int:
        return len(self._connections)


class _Connection(asyncio.Protocol):
    """One connection, with requests one after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.transport: asyncio.Transport
        self._received = b""
        self._task: asyncio.Task[None] | None = None
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.upstream.connections_made += 1
        self.upstream._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.upstream._connections.discard(self)
        if self._call is not None and not self._call.is_finished:
            self._call.closed_by_client = time.perf_counter()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        request_line, *lines = head.decode().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._received = rest[length:]
        self._task = asyncio.ensure_future(self._handle(request_line, headers, rest[:length]))

    async def drop(self) -> None:
        self.transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _handle(self, request_line: str, headers: dict[str, str], content: bytes) -> None:
        method, path, _ = request_line.split(" ", 2)
        if method == "POST" and "model" in (body := json.loads(content)):
            self._call = call = Call(body["model"], body, headers, path)
            kind = ANSWERS.get(path.partition("?")[0].rpartition("/")[2], Answer)
            self.upstream.calls.append(call)
            self.upstream.asked[call.model] += 1
            number = self.upstream.asked[call.model]
            answer = kind(self.transport, call, is_first_of_model=number == 1)
            if answer.is_failing(number):
                answer.refuse(503, "Overloaded")
                return
            await answer.play()
            return
        answer = Answer(self.transport, Call("", {}, {}), is_first_of_model=True)
        if path == "/v1/models":
            listed = {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
            answer.respond(200, "application/json", json.dumps(listed).encode())
        elif path == "/calls":
            answer.respond(200, "application/json", json.dumps([asdict(call) for call in self.upstream.calls]).encode())
        else:
            self.upstream.unknown.append((path, headers))
            answer.refuse(404, "Not found")


class Answer:
    """One response on its way; the faults play on it."""

    def __init__(self, transport: asyncio.Transport, call: Call, *, is_first_of_model: bool) -> None:
        self.call = call
        self.script: Script = read_script(call.model)
        self.is_first_of_model = is_first_of_model
        self.line_end = b"\n"
        self.byte_seconds = 0.0
        self.split_at = 0
        self._transport = transport
        self._has_begun = False
        self._deltas = self.script.deltas(call.body)
        self._held: list[bytes] = []

    def is_failing(self, number: int) -> bool:
        """Whether the model's request of this number, from 1, is refused."""
        every = self.script.fail_every
        return number <= self.script.fail_first or bool(every and number % every == 0)

    async def play(self) -> None:
        if self.script.latency_ms:
            await asyncio.sleep(self.script.latency_ms / 1000)
        if self.script.summary == "fail" and asks_for_summary(self.call.body):
            self.refuse(500, "No summary today")
        elif not self.call.body.get("stream"):
            self._complete()
        elif self.script.fault:
            await FAULTS[self.script.fault](self)
        else:
            await self.whole()

    async def whole(self) -> None:
        await self.all_deltas()
        self.finish()
        await self._drip()

    async def all_deltas(self) -> None:
        await self._send_deltas(0, len(self._deltas))

    async def some(self) -> None:
        await self._send_deltas(0, self.script.after)

    async def rest(self) -> None:
        await self._send_deltas(self.script.after, len(self._deltas))
        self.finish()

    async def _send_deltas(self, first: int, end: int) -> None:
        self.begin()
        for text in self._deltas[first:end]:
            self.delta(text)
            if self.script.gap_ms:
                await asyncio.sleep(self.script.gap_ms / 1000)

    def begin(self) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        self.call.status = 200
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def delta(self, text: str) -> None:
        self.call.tokens_sent += 1
        self._event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    def finish(self) -> None:
        self.finish_event()
        self.usage_event()
        self.done_event()
        self.end()

    def finish_event(self) -> None:
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": self.script.reason}]})

    def usage_event(self) -> None:
        self._event({"choices": [], "usage": self._usage()})

    def done_event(self) -> None:
        self.send(b"data: [DONE]" + self.line_end * 2)

    def _usage(self) -> dict[str, Any]:
        sent = sum(len(str(message.get("content", "")).split()) for message in self.call.body["messages"])
        tokens = self.call.tokens_sent
        usage: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": tokens, "total_tokens": sent + tokens}
        if self.script.cached:
            usage["prompt_tokens_details"] = {"cached_tokens": self.script.cached}
        return usage

    def _event(self, fields: dict[str, Any]) -> None:
        event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", **fields}
        self.send(b"data: " + json.dumps(event, ensure_ascii=False).encode() + self.line_end * 2)

    def send(self, data: bytes) -> None:
        if self.byte_seconds:
            self._held.append(data)
        elif self.split_at:
            for at in range(0, len(data), self.split_at):
                self._chunk(data[at : at + self.split_at])
        else:
            self._chunk(data)

    def _chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def _drip(self) -> None:
        for byte in b"".join(self._held):
            self._chunk(bytes([byte]))
            await asyncio.sleep(self.byte_seconds)
        if self._held:
            self._transport.write(b"0\r\n\r\n")
            self.call.is_finished = True

    def end(self) -> None:
        if not self.byte_seconds:
            self._transport.write(b"0\r\n\r\n")
            self.call.is_finished = True

    def close(self) -> None:
        self.call.is_finished = True
        self._transport.close()

    def abort(self) -> None:
        self.call.is_finished = True
        self._transport.abort()

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
        self.respond(status, "application/json", body, headers)

    def respond(self, status: int, media_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self._transport.write(head.encode() + body)
        self.call.status = status
        self.call.is_finished = True

    def _complete(self) -> None:
        self.call.tokens_sent = len(self._deltas)
        message = {"role": "assistant", "content": "".join(self._deltas)}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self._usage(),
        }
        self.respond(200, "application/json", json.dumps(completion).encode())


class AnthropicAnswer(Answer):
    """The same answer as `POST /v1/messages` sends it: https://docs.anthropic.com/en/api/messages-streaming."""

    def begin(self) -> None:
        if self._has_begun:
            return
        super().begin()
        usage = {"input_tokens": self._usage()["prompt_tokens"], "output_tokens": 1}
        usage |= {
            "cache_read_input_tokens": self.script.cached,
            "cache_creation_input_tokens": self.script.written,
        }
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "content": []}
        self._named("message_start", message={**message, "stop_reason": None, "usage": usage})
        self._named("content_block_start", index=0, content_block={"type": "text", "text": ""})

    def delta(self, text: str) -> None:
        self.call.tokens_sent += 1
        self._named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def finish_event(self) -> None:
        self._named("content_block_stop", index=0)

    def usage_event(self) -> None:
        usage = {"output_tokens": self.call.tokens_sent}
        self._named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage)

    def done_event(self) -> None:
        self._named("message_stop")

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        error = {"type": kinds.get(status, "api_error"), "message": message}
        body = json.dumps({"type": "error", "error": error}).encode()
        self.respond(status, "application/json", body, headers)

    def _named(self, name: str, **fields: Any) -> None:
        data = json.dumps({"type": name, **fields}, ensure_ascii=False).encode()
        self.send(b"event: " + name.encode() + self.line_end + b"data: " + data + self.line_end * 2)


class OllamaAnswer(Answer):
    """The same answer as `POST /api/chat` sends it: https://docs.ollama.com/api/chat."""

    def delta(self, text: str) -> None:
        self.call.tokens_sent += 1
        self._line({"message": {"role": "assistant", "content": text}, "done": False})

    def finish_event(self) -> None:
        return

    def usage_event(self) -> None:
        usage = self._usage()
        counts = {"prompt_eval_count": usage["prompt_tokens"], "eval_count": usage["completion_tokens"]}
        self._line({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", **counts})

    def done_event(self) -> None:
        return

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.respond(status, "application/json", json.dumps({"error": message}).encode(), headers)

    def _line(self, fields: dict[str, Any]) -> None:
        event = {"model": "scripted", "created_at": "2026-01-01T00:00:00Z", **fields}
        self.send(json.dumps(event, ensure_ascii=False).encode() + b"\n")


ANSWERS: dict[str, type[Answer]] = {"messages": AnthropicAnswer, "chat": OllamaAnswer, "generate": OllamaAnswer}
"""By the last part of the address; everything else is answered as OpenAI does."""
