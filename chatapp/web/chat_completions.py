"""`/v1/chat/completions`: OpenAI's request, answered from documents, in one piece or as a stream."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import Field, field_validator
from starlette.responses import JSONResponse

from chatapp import errors
from chatapp.domain import Actor
from chatapp.errors import AppError, InvalidInput
from chatapp.services import turns
from chatapp.services.turn_views import TurnView
from chatapp.services.turns import TurnEvent
from chatapp.web.auth import SignedIn
from chatapp.web.errors import error_body
from chatapp.web.event_stream import ACCESS_ENDED, EventStreamResponse, while_connected
from chatapp.web.parameters import parse_id, unix
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/chat/completions", tags=["chat"])

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]

_FINISH_REASONS = {"length": "length", "content_filter": "content_filter", "blocked": "content_filter"}
_MAX_STOP_CHARACTERS = 200
_PARAMETERS = (
    *("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"),
    *("logit_bias", "reasoning_effort", "verbosity"),
)


class TextPart(RequestBody):
    """A part of a message; only text is read here."""

    type: Literal["text"]
    text: str


class Message(RequestBody):
    """A message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The message's text, its parts joined."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(RequestBody):
    """Options of a stream. Usage stands in the last chunk whatever they say."""

    include_usage: bool = False


class ResponseFormat(RequestBody):
    """The form of the answer; what a JSON schema says is for the provider to read."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None

    @field_validator("json_schema")
    @classmethod
    def _in_json(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        # Python reads NaN and Infinity where JSON has none; neither the database nor a provider takes them.
        json.dumps(value, allow_nan=False)
        return value


class ChatRequest(RequestBody):
    """OpenAI's request, and what this product adds to it.

    A field that asks for something else than text is known here only to be refused rather than ignored.
    """

    model: str = Field(default="auto", min_length=1, max_length=200)
    messages: list[Message] = Field(min_length=1, max_length=500)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: str | list[str] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(default=None, max_length=1_024)
    reasoning_effort: str | None = Field(default=None, max_length=32)
    verbosity: str | None = Field(default=None, max_length=32)
    response_format: ResponseFormat | None = None
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    modalities: list[Literal["text"]] | None = Field(default=None, max_length=1)
    audio: None = None
    web_search_options: None = None
    tools: list[Any] | None = Field(default=None, max_length=0)
    functions: list[Any] | None = Field(default=None, max_length=0)

    collections: list[str] | None = Field(default=None, max_length=1_000)
    """Collections to ask; without it every readable one, empty: none."""
    conversation_id: str | None = Field(default=None, max_length=64)
    """Go on with this conversation; its turns are the history, and only the last message is taken from `messages`."""
    cache: Literal["use", "bypass"] = "use"
    service_tier: Literal["auto", "default", "flex", "priority", "scale"] | None = None
    """`flex`: nobody waits for the answer, so it comes after what people wait for. The others are all the same here."""
    metadata: dict[str, str] | None = Field(default=None, max_length=16)

    @field_validator("stop")
    @classmethod
    def _few_stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        stops = [value] if isinstance(value, str) else value or []
        if len(stops) > 4:
            raise ValueError("at most 4 stop sequences")
        if any(len(stop) > _MAX_STOP_CHARACTERS for stop in stops):
            raise ValueError(f"a stop sequence has at most {_MAX_STOP_CHARACTERS} characters")
        return value

    def tier_used(self) -> str | None:
        """The tier an answer is made in, for those who asked for one: here are two."""
        return None if self.service_tier is None else "flex" if self.service_tier == "flex" else "default"

    def parameters(self) -> dict[str, Any]:
        """What is passed on to the model, by our names."""
        values = {name: getattr(self, name) for name in _PARAMETERS}
        values["max_tokens"] = self.max_completion_tokens or self.max_tokens
        if self.response_format is not None:
            values["response_format"] = self.response_format.model_dump(exclude_unset=True)
        values["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        return {name: value for name, value in values.items() if value not in (None, [])}


@dataclass(slots=True)
class _Reading:
    """A turn's events as one request reads them."""

    turn: TurnView
    events: AsyncGenerator[TurnEvent, None]
    service_tier: str | None = None
    """How urgently it is answered; None: the request said nothing of that."""
    text: str = ""
    """Text of the present attempt."""
    done: dict[str, Any] | None = None
    model: str = ""
    """Our name of the model that writes; empty until one was asked."""

    async def next_text(self) -> str | None:
        """The next piece of text; None at the end, when `done` is set. Empty: nothing for a while."""
        async for event in self.events:
            if event.kind == "delta":
                piece = json.loads(event.data)
                self.text += piece
                return piece
            if event.kind == "reset":
                self.text = ""
            elif event.kind == "status":
                self.model = json.loads(event.data).get("model") or self.model
            elif event.kind == "ping":
                return ""
            elif event.kind == "done":
                self.done = done = json.loads(event.data)
                self.model = done["model"] or self.model
                return None
        raise errors.UpstreamError("The answer broke off. Try again.")


@router.post("", response_model=None)
async def create(
    request: Request, actor: SignedIn, body: ChatRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    """Answer the last message from the documents the caller may read.

    The answer's text carries marks like [1]; `annotations` say which passage each stands for. Where one model went on
    with what another had begun, `parts` beside them say from which character on each wrote; `model` and, in an answer
    in one piece, the header `X-Model` name the last. In a stream `X-Model` names the first, as it goes out before the
    text. A client that leaves stops the answer, unless it gave an `Idempotency-Key`: then it may come back for it.
    """
    turn = await _start(actor, body, idempotency_key)
    reading = _Reading(turn, turns.events(actor, turn.id), body.tier_used())

    async def stop() -> None:
        await turns.cancel(actor, turn.id)

    when_gone = stop if idempotency_key is None else None
    # Nothing is sent before there is something to say, so an answer that fails at once has its proper status.
    first = await while_connected(
        request, actor, _first_text(reading) if body.stream else _whole_text(reading), when_gone=when_gone
    )
    if reading.done is not None and reading.done["error"] and not reading.text:
        raise _as_error(reading.done["error"])
    headers = _headers(reading, body)
    if body.stream:
        return EventStreamResponse(
            _chunks(reading, first),
            actor=actor,
            headers=headers,
            when_gone=when_gone,
            last_words=_failure(errors.NotSignedIn(ACCESS_ENDED)),
        )
    if reading.done is not None and reading.done["error"]:
        raise _as_error(reading.done["error"])
    return JSONResponse(_completion(reading), headers=headers)


async def _start(actor: Actor, body: ChatRequest, idempotency_key: str | None) -> TurnView:
    question = body.messages[-1]
    if question.role != "user" or not question.text.strip():
        raise InvalidInput("The last message must be the user's and hold a question.", param="messages")
    conversation_id = parse_id(body.conversation_id, "conversation_id") if body.conversation_id else None
    collection_ids = None if body.collections is None else [parse_id(text, "collections") for text in body.collections]
    history = [{"role": message.role, "content": message.text} for message in body.messages[:-1] if message.text]
    return await turns.start(
        actor,
        question=question.text,
        conversation_id=conversation_id,
        collection_ids=collection_ids,
        model=body.model,
        messages=None if conversation_id else history,
        parameters=body.parameters(),
        feature="api",
        lane="batch" if body.service_tier == "flex" else "interactive",
        cache=body.cache,
        idempotency_key=idempotency_key,
    )


async def _first_text(reading: _Reading) -> str:
    while (piece := await reading.next_text()) is not None:
        if piece:
            return piece
    return ""


async def _whole_text(reading: _Reading) -> str:
    while await reading.next_text() is not None:
        pass
    return reading.text


def _headers(reading: _Reading, body: ChatRequest) -> dict[str, str]:
    done = reading.done or {}
    headers = {
        "X-Trace-Id": str(reading.turn.id),
        "X-Model": reading.model or reading.turn.model or body.model,
        "X-Cache": "bypass" if body.cache == "bypass" else "miss",
    }
    if done:
        headers["X-Cost-Micro-USD"] = str(done["cost_micro_usd"])
    # A model's name may be any text; a header may not.
    return {name: value.encode("ascii", "replace").decode() for name, value in headers.items()}


def _completion(reading: _Reading) -> dict[str, Any]:
    done = reading.done or {}
    message = {
        "role": "assistant",
        "content": reading.text,
        "refusal": None,
        "annotations": done["citations"],
        "parts": done["parts"],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(done)}
    return _base(reading, "chat.completion") | {"choices": [choice]} | _account(done)


async def _chunks(reading: _Reading, first: str) -> AsyncIterator[bytes]:
    base = _base(reading, "chat.completion.chunk")
    yield _chunk(base, {"role": "assistant", "content": first})
    sent = first
    async with contextlib.aclosing(reading.events):
        while reading.done is None:
            try:
                piece = await reading.next_text()
            except AppError as error:
                yield _failure(error)
                return
            if piece == "":
                yield b": ping\n\n"
            elif not (sent.startswith(reading.text) or reading.text.startswith(sent)):
                # Another attempt writes something else than what has gone out, and nothing can be called back.
                yield _failure(errors.UpstreamError("The answer was begun again. Ask once more."))
                return
            elif len(reading.text) > len(sent):
                yield _chunk(base, {"content": reading.text[len(sent) :]})
                sent = reading.text
    if reading.done["error"]:
        yield _failure(_as_error(reading.done["error"]))
        return
    last = _finish_reason(reading.done)
    beside = {"annotations": reading.done["citations"], "parts": reading.done["parts"]}
    yield _chunk(base | _account(reading.done), beside, finish_reason=last)
    yield b"data: [DONE]\n\n"


def _chunk(base: dict[str, Any], delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data(base | {"choices": [choice]})


def _failure(error: AppError) -> bytes:
    return _data(error_body(error.message, code=error.code, status_code=error.status_code))


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def _base(reading: _Reading, kind: str) -> dict[str, Any]:
    turn = reading.turn
    base = {
        "id": str(turn.id),
        "object": kind,
        "created": unix(turn.created_at),
        "model": reading.model or turn.model,
        "conversation_id": str(turn.conversation_id) if turn.conversation_id else None,
    }
    return base if reading.service_tier is None else base | {"service_tier": reading.service_tier}


def _account(done: dict[str, Any]) -> dict[str, Any]:
    used = done["usage"]
    return {
        "model": done["model"],
        "usage": {
            "prompt_tokens": used["input_tokens"],
            "completion_tokens": used["output_tokens"],
            "total_tokens": used["input_tokens"] + used["output_tokens"],
            "prompt_tokens_details": {"cached_tokens": used["cached_input_tokens"]},
        },
        "cost_micro_usd": done["cost_micro_usd"],
    }


def _finish_reason(done: dict[str, Any]) -> str:
    return _FINISH_REASONS.get(done["finish_reason"], "stop")


def _as_error(error: dict[str, Any]) -> AppError:
    kind = next((kind for kind in _kinds(AppError) if kind.code == error["code"]), errors.UpstreamError)
    if issubclass(kind, errors.RateLimited | errors.TooManyInFlight) and "retry_after_seconds" in error:
        return kind(error["message"], retry_after_seconds=error["retry_after_seconds"])
    return kind(error["message"])


def _kinds(kind: type[AppError]) -> list[type[AppError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _kinds(child))]
