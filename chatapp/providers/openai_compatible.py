"""Every provider that speaks OpenAI's chat completions: OpenAI, Ollama, vLLM, Mistral, Groq and many more.

The stream is read straight from httpx: through a client library the same chunk costs about ten times as much
(`tests/bench/stream_relay.py` prints the ratio).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from chatapp.domain import Usage
from chatapp.errors import (
    AnswerUnusable,
    AppError,
    PromptTooLong,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    UpstreamError,
)
from chatapp.outbound import AddressRefused, async_client
from chatapp.providers.base import Delta, ProviderConfig, ProviderRequest
from chatapp.providers.connections import client_of, policy_of
from chatapp.providers.event_stream import read_events
from chatapp.providers.refusals import retry_after_seconds, says_too_long

_MAX_ERROR_BYTES = 16 * 1024
_MAX_LIST_BYTES = 8 * 1024 * 1024
_MAX_REASON_CHARACTERS = 300
_READ_OUT_SECONDS = 0.1
"""Longest wait for the end of a stream that has said it is done; behind it the connection is not used again."""


class OpenAICompatible:
    """A server with `POST {base_url}/chat/completions`."""

    kind: ClassVar[str] = "openai_compatible"
    quotes: ClassVar[bool] = False

    def __init__(self, config: ProviderConfig) -> None:
        """Keep the configuration; open nothing."""
        self.config = config

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a stream and pass its deltas on as they arrive; see `Provider.stream`."""
        try:
            async with client_of(self.config.reach).stream(
                "POST",
                f"{self.config.base_url}/chat/completions",
                json=_payload(request),
                headers=_headers(self.config),
                timeout=_timeout(self.config),
            ) as response:
                await _check(response)
                async for delta in _deltas(response):
                    yield delta
        except (AddressRefused, httpx.InvalidURL) as error:
            raise _refused(error) from error
        except httpx.HTTPError as error:
            raise _translated(error) from error

    async def list_models(self) -> list[str]:
        """The names the server lists at `GET {base_url}/models`; needs no open lifespan, as set-up asks it.

        Raises:
            ProviderTimeout, ProviderUnavailable, ProviderRejected: as for `stream`.
        """
        try:
            async with async_client(
                policy_of(self.config.reach), max_bytes=_MAX_LIST_BYTES, timeout=_timeout(self.config)
            ) as client:
                response = await client.get(f"{self.config.base_url}/models", headers=_headers(self.config))
                await _check_status(response)
                return [str(model["id"]) for model in response.json()["data"]]
        except (AddressRefused, httpx.InvalidURL) as error:
            raise _refused(error) from error
        except httpx.HTTPError as error:
            raise _translated(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ProviderUnavailable(
                "The model's provider listed its models in a form that cannot be read."
            ) from error


def _payload(request: ProviderRequest) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    return {
        **request.parameters,
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _headers(config: ProviderConfig) -> dict[str, str]:
    # Compressing a stream of small events saves nothing and delays each of them.
    headers = {"Accept-Encoding": "identity"}
    if config.api_key:
        headers["Authorization"] = f"Bearer {config.api_key}"
    return headers


def _timeout(config: ProviderConfig) -> httpx.Timeout:
    idle = config.idle_timeout_seconds
    return httpx.Timeout(connect=config.connect_timeout_seconds, read=idle, write=idle, pool=idle)


@dataclass(slots=True)
class _Ending:
    """How a stream ended, as far as it has been read."""

    finish_reason: str = ""
    usage: Usage | None = None


async def _deltas(response: httpx.Response) -> AsyncGenerator[Delta, None]:
    ending = _Ending()
    pieces = response.aiter_bytes()
    async for event in read_events(pieces):
        if event is None:
            break
        text = _text_of(event, ending)
        if text:
            yield Delta(text=text)
    else:
        # Some servers leave [DONE] out; without a finish reason either, the answer was cut.
        if not ending.finish_reason:
            raise ProviderUnavailable("The model's answer broke off. Try again.")
    yield Delta(finish_reason=ending.finish_reason or "stop", usage=ending.usage)
    await _read_out(pieces)


async def _read_out(pieces: AsyncIterator[bytes]) -> None:
    """Read what comes behind the last event, which is nothing but the end: a connection left before it is closed."""
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_READ_OUT_SECONDS):
            async for _ in pieces:
                pass


def _text_of(event: dict[str, Any], ending: _Ending) -> str:
    if event.get("error"):
        raise _error_in_band(event["error"])
    try:
        if event.get("usage"):
            ending.usage = _usage(event["usage"])
        choices = event.get("choices")
        if not choices:
            return ""
        choice = choices[0]
        if choice.get("finish_reason"):
            ending.finish_reason = str(choice["finish_reason"])
        content = (choice.get("delta") or {}).get("content") or ""
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise AnswerUnusable("The model's answer arrived in a form that cannot be read.") from error
    if not isinstance(content, str):
        raise AnswerUnusable("The model's answer arrived in a form that cannot be read.")
    return content


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=int(usage.get("prompt_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        cached_input_tokens=int(details.get("cached_tokens") or 0),
    )


async def _check(response: httpx.Response) -> None:
    await _check_status(response)
    media_type = response.headers.get("content-type", "")
    if not media_type.startswith("text/event-stream"):
        raise ProviderUnavailable(
            f"The model's provider answered with {media_type.split(';')[0] or 'nothing'} instead of a stream. "
            "Check its address."
        )


async def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status < 300:
        return
    if status in {401, 403}:
        # The provider's own words may hold a part of the key.
        raise ProviderRejected("The model's provider refused the key. An admin has to renew it.")
    if status == 404:
        raise ProviderRejected("The model's provider does not know this model or address. An admin has to correct it.")
    if status == 429:
        raise ProviderOverloaded(retry_after_seconds=retry_after_seconds(response.headers.get("retry-after", "")))
    if status in {408, 504}:
        raise ProviderTimeout
    if status >= 500 or status < 400:
        raise ProviderUnavailable(f"The model's provider failed (HTTP {status}). Try again.")
    reason = await _reason(response)
    if says_too_long(reason):
        raise PromptTooLong(f"{PromptTooLong.sentence()} The provider says: {reason}")
    raise ProviderRejected(f"The model's provider refused the request: {reason}")


async def _reason(response: httpx.Response) -> str:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= _MAX_ERROR_BYTES:
            break
    try:
        error = httpx.Response(200, content=bytes(body)).json()["error"]
        reason = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status_code}"
    return str(reason)[:_MAX_REASON_CHARACTERS]


def _error_in_band(error: object) -> AppError:
    message = str(error.get("message", "")) if isinstance(error, dict) else str(error)
    reason = f": {message[:_MAX_REASON_CHARACTERS]}" if message else "."
    return ProviderUnavailable(f"The model's provider reported an error{reason}")


def _refused(error: Exception) -> ProviderRejected:
    reason = f" {error.message}" if isinstance(error, AddressRefused) else ""
    return ProviderRejected(
        f"The model's provider has an address that is not asked. An admin has to correct it.{reason}"
    )


def _translated(error: httpx.HTTPError) -> UpstreamError:
    match error:
        case httpx.ConnectTimeout():
            return ProviderTimeout("The model's provider could not be reached in time. Try again.")
        case httpx.TimeoutException():
            return ProviderTimeout("The model fell silent. Try again.")
        case httpx.ConnectError():
            return ProviderUnavailable("The model's provider cannot be reached. Try again.")
        case httpx.DecodingError():
            return AnswerUnusable("The model's answer arrived in a form that cannot be read.")
        case _:
            return ProviderUnavailable("The connection to the model broke off. Try again.")
