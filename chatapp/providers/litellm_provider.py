"""Every provider that does not speak OpenAI's protocol, through litellm: Anthropic, Gemini, Bedrock, Azure, Cohere ...

litellm costs seconds and 165 MB to import and nearly a millisecond per streamed chunk (`tests/bench`), so it is
imported when the first such provider is asked, runs in a thread of its own (`litellm_loop`), and whatever speaks
OpenAI's protocol goes another way. Its own retries, fallbacks, caches and callbacks stay off: they are `routing`'s
business.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, ClassVar

import httpx

from chatapp.domain import PromptMessage, Usage
from chatapp.errors import (
    AnswerUnusable,
    PromptTooLong,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    UpstreamError,
)
from chatapp.outbound import AddressRefused, check_reachable
from chatapp.providers.base import Delta, ProviderConfig, ProviderRequest
from chatapp.providers.connections import policy_of
from chatapp.providers.litellm_loop import own_client, stream_from_thread
from chatapp.providers.refusals import retry_after_seconds, says_too_long

_MAX_REASON_CHARACTERS = 300
_MARKED = ("anthropic/", "bedrock/", "vertex_ai/claude")
"""Models whose provider keeps a prompt's beginning only where it is marked."""


class _Library:
    """litellm, once it is there."""

    module: Any = None


def _litellm() -> Any:
    """The library, imported on first use. In the thread of `litellm_loop`, where seconds of importing stop nobody."""
    if _Library.module is None:
        _Library.module = _import()
    return _Library.module


def _import() -> Any:
    # Without this it asks the network for its list of models and prices, at import.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    # Clouds' libraries below it would ask the machine's own addresses for credentials nobody gave us.
    os.environ.update(AWS_EC2_METADATA_DISABLED="true", NO_GCE_CHECK="true")
    import litellm
    from litellm.llms.azure import azure
    from litellm.llms.custom_httpx import http_handler

    library: Any = litellm
    library.telemetry = False
    library.suppress_debug_info = True
    library.disable_aiohttp_transport = True
    # What it asks beside the answer, such as an Ollama for a model's properties, goes through these: through no wall.
    library.module_level_client = library.module_level_aclient = _Nobody()
    library.make_handler = _handler_class(http_handler.AsyncHTTPHandler)
    openai: Any = azure
    library.make_azure_client, library.make_openai_client = openai.AsyncAzureOpenAI, openai.AsyncOpenAI
    return library


class _Nobody:
    """A client that reaches nobody."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise httpx.ConnectError("Only the answer itself is asked for.")

        return refuse


def _handler_class(base: Any) -> Any:
    class Handler(base):
        """litellm's way to HTTP, held to one client of ours: behind the wall around addresses, and asking once.

        The library's own asks a second time after a broken connection, through a fresh client without the wall.
        """

        def __init__(self, client: httpx.AsyncClient, make_openai_client: Callable[[], Any]) -> None:
            self.timeout = self.event_hooks = self.ssl_verify = self.shared_session = self.transport = None
            self.client_alias = None
            self.follow_redirects = False
            self.client = client
            self._make_openai_client = make_openai_client

        def __getattr__(self, name: str) -> Any:
            # For most who speak OpenAI's protocol the library asks by way of OpenAI's own package.
            if name.startswith("_"):
                raise AttributeError(name)
            self._openai_client = self.__dict__.get("_openai_client") or self._make_openai_client()
            return getattr(self._openai_client, name)

        def create_client(self, *_: Any, **__: Any) -> httpx.AsyncClient:
            raise httpx.ConnectError("The connection broke off.")

        def __del__(self) -> None:
            """Leave the client open: others use it."""

    return Handler


class LiteLLMProvider:
    """A provider behind litellm; `ProviderRequest.model` is litellm's name: `anthropic/claude-sonnet-4-5`."""

    kind: ClassVar[str] = "litellm"
    quotes: ClassVar[bool] = False

    def __init__(self, config: ProviderConfig) -> None:
        """Keep the configuration; open nothing."""
        self.config = config

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a stream and pass its deltas on as they arrive; see `Provider.stream`."""
        async with aclosing(stream_from_thread(partial(self._stream, request))) as deltas:
            async for delta in deltas:
                yield delta

    async def _stream(self, request: ProviderRequest) -> AsyncGenerator[Delta, None]:
        litellm = _litellm()
        finish_reason, usage = "", None
        async with _translating(litellm), _answer(litellm, self.config, request) as chunks:
            async for chunk in chunks:
                text, reason, reported = _read(chunk)
                finish_reason, usage = reason or finish_reason, reported or usage
                if text:
                    yield Delta(text=text)
        if not finish_reason:
            raise ProviderUnavailable("The model's answer broke off. Try again.")
        yield Delta(finish_reason=finish_reason, usage=usage)


@asynccontextmanager
async def _answer(litellm: Any, config: ProviderConfig, request: ProviderRequest) -> AsyncIterator[Any]:
    """The open stream; leaving it closes the connection to the provider."""
    if config.base_url:
        await check_reachable(config.base_url, policy_of(config.reach))
    response = await litellm.acompletion(
        **request.parameters,
        model=request.model,
        messages=_messages(request),
        stream=True,
        stream_options={"include_usage": True},
        **_access(litellm, config, request.model),
        timeout=httpx.Timeout(config.idle_timeout_seconds, connect=config.connect_timeout_seconds),
        num_retries=0,
        max_retries=0,
    )
    try:
        yield response
    finally:
        await _close(response)


def _access(litellm: Any, config: ProviderConfig, model: str) -> dict[str, Any]:
    """How the model's provider is reached and convinced, in litellm's words; always through a client of ours."""
    client, options = own_client(config.reach), config.options
    if model.startswith("azure/"):
        version = options.get("api_version") or litellm.AZURE_DEFAULT_API_VERSION
        azure = litellm.make_azure_client(
            azure_endpoint=config.base_url,
            api_key=config.api_key,
            api_version=version,
            http_client=client,
            max_retries=0,
        )
        return {"api_key": config.api_key, "api_base": config.base_url, "api_version": version, "client": azure}
    handler = litellm.make_handler(client, lambda: _openai_client(litellm, config, model, client))
    if model.startswith("bedrock/"):
        kept = {
            "aws_region_name": options.get("region"),
            "aws_access_key_id": options.get("access_key_id"),
            "aws_secret_access_key": options.get("secret_access_key"),
            "aws_bedrock_runtime_endpoint": config.base_url,
            "api_key": config.api_key,
        }
        return {"client": handler, **{name: value for name, value in kept.items() if value}}
    return {"api_key": config.api_key or None, "api_base": config.base_url or None, "client": handler}


def _openai_client(litellm: Any, config: ProviderConfig, model: str, client: httpx.AsyncClient) -> Any:
    found = litellm.get_llm_provider(model=model, api_base=config.base_url or None, api_key=config.api_key or None)
    _, _, key, address = found
    return litellm.make_openai_client(
        api_key=key or config.api_key, base_url=address or config.base_url or None, http_client=client, max_retries=0
    )


async def _close(response: Any) -> None:
    # The wrapper's own closing leaves the connection to the garbage collector: the iterators within are closed too.
    inner = response
    for _ in range(4):
        if inner is None:
            return
        close = getattr(inner, "aclose", None)
        if close is not None:
            await close()
        inner = next((found for name in _INNER if (found := getattr(inner, name, None)) is not None), None)


_INNER = ("completion_stream", "streaming_response", "response_iterator")


def _messages(request: ProviderRequest) -> list[dict[str, Any]]:
    """The messages, marked where what stays the same ends: behind the instructions, and behind what was said before.

    The next turn of the conversation begins with the same words up to there, and says more. Shorter beginnings than a
    provider keeps are not kept, whatever the marks say.
    Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    marked = _stable_ends(request.messages) if request.model.startswith(_MARKED) else set[int]()
    return [_message(message, is_marked=at in marked) for at, message in enumerate(request.messages)]


def _stable_ends(messages: tuple[PromptMessage, ...]) -> set[int]:
    first_said = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    last_asked = max((at for at, message in enumerate(messages) if message.role == "user"), default=0)
    return {at for at in (first_said - 1, last_asked - 1) if at >= 0 and messages[at].content}


def _message(message: PromptMessage, *, is_marked: bool) -> dict[str, Any]:
    if not is_marked:
        return {"role": message.role, "content": message.content}
    part = {"type": "text", "text": message.content, "cache_control": {"type": "ephemeral"}}
    return {"role": message.role, "content": [part]}


def _read(chunk: Any) -> tuple[str, str, Usage | None]:
    try:
        reported = getattr(chunk, "usage", None)
        usage = _usage(reported) if reported is not None else None
        if not chunk.choices:
            return "", "", usage
        choice = chunk.choices[0]
        text = choice.delta.content or ""
        return (text if isinstance(text, str) else ""), str(choice.finish_reason or ""), usage
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise AnswerUnusable("The model's answer arrived in a form that cannot be read.") from error


def _usage(reported: Any) -> Usage:
    details = getattr(reported, "prompt_tokens_details", None)
    return Usage(
        input_tokens=int(reported.prompt_tokens or 0),
        output_tokens=int(reported.completion_tokens or 0),
        cached_input_tokens=int(getattr(details, "cached_tokens", 0) or 0),
        cache_write_tokens=int(getattr(reported, "cache_creation_input_tokens", 0) or 0),
    )


@asynccontextmanager
async def _translating(litellm: Any) -> AsyncIterator[None]:
    """Litellm's errors, and those of what lies below it, as ours."""
    try:
        yield
    except (UpstreamError, AddressRefused, asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        translated = _translated(litellm, _within(error))
        if translated is None:
            raise
        raise translated from error


def _within(error: BaseException) -> BaseException:
    """What litellm wrapped: in the middle of a stream it says of everything that the connection broke."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, httpx.TimeoutException):
            return inner
        inner = inner.__cause__ or inner.__context__
    return getattr(error, "original_exception", None) or error


def _translated(litellm: Any, error: BaseException) -> UpstreamError | None:
    known: list[tuple[tuple[type[Exception], ...], UpstreamError]] = [
        ((litellm.ContextWindowExceededError,), _too_long(_reason(error))),
        (
            (litellm.AuthenticationError, litellm.PermissionDeniedError),
            ProviderRejected("The model's provider refused the key. An admin has to renew it."),
        ),
        (
            (litellm.NotFoundError,),
            ProviderRejected("The model's provider does not know this model. An admin has to correct it."),
        ),
        ((litellm.RateLimitError,), ProviderOverloaded(retry_after_seconds=_retry_after(error))),
        ((litellm.BadRequestError, litellm.UnprocessableEntityError), _refusal(error)),
        ((litellm.Timeout, httpx.TimeoutException), ProviderTimeout("The model fell silent. Try again.")),
        ((litellm.APIResponseValidationError,), AnswerUnusable()),
        (
            (litellm.ServiceUnavailableError, litellm.InternalServerError, litellm.APIError),
            ProviderUnavailable("The model's provider failed. Try again."),
        ),
        (
            (litellm.APIConnectionError, httpx.HTTPError),
            ProviderUnavailable("The model's provider cannot be reached, or broke off. Try again."),
        ),
    ]
    return next((ours for theirs, ours in known if isinstance(error, theirs)), None)


def _refusal(error: BaseException) -> ProviderRejected:
    reason = _reason(error)
    if says_too_long(reason):
        return _too_long(reason)
    return ProviderRejected(f"The model's provider refused the request: {reason}")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error).rpartition("Exception - ")[2][:_MAX_REASON_CHARACTERS]


def _too_long(reason: str) -> PromptTooLong:
    return PromptTooLong(f"{PromptTooLong.sentence()} The provider says: {reason}")


def _retry_after(error: BaseException) -> float | None:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "litellm_response_headers", None) or {}
    return retry_after_seconds(str(headers.get("retry-after", "")))
