from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from chatapp.domain import PromptMessage, Usage
from chatapp.errors import (
    AppError,
    PromptTooLong,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from chatapp.outbound import AddressRefused, Reach
from chatapp.providers.base import Delta, ProviderConfig, ProviderRequest
from chatapp.providers.connections import close_providers, open_providers
from chatapp.providers.litellm_loop import close_litellm_loop
from chatapp.providers.litellm_provider import LiteLLMProvider
from tests.fixtures.servers import free_port
from tests.upstream.server import Upstream

# litellm leaves coroutines and clients of its own behind for the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydantic"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WIRES = ["anthropic", "ollama_chat", "azure", "openai"]


@pytest.fixture(autouse=True)
async def _connections() -> AsyncIterator[None]:
    open_providers()
    yield
    await close_litellm_loop()
    await close_providers()


def _provider(upstream: Upstream, wire: str, **config: object) -> LiteLLMProvider:
    base = upstream.url.removesuffix("/v1")
    values = {"api_key": "sk-mine", "idle_timeout_seconds": 0.5, "reach": Reach.ANY, **config}
    return LiteLLMProvider(ProviderConfig(base_url=base, **values))  # pyright: ignore[reportArgumentType]


def _request(wire: str, script: str, **parameters: object) -> ProviderRequest:
    said = (PromptMessage("system", "Be brief."), PromptMessage("user", "Count please"))
    return ProviderRequest(f"{wire}/{script}", said, {"max_tokens": 50, **parameters})


async def _read(provider: LiteLLMProvider, request: ProviderRequest) -> list[Delta]:
    async with aclosing(provider.stream(request)) as stream:
        return [delta async for delta in stream]


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_streams_with_its_usage(wire: str, provider: Upstream) -> None:
    deltas = await _read(_provider(provider, wire), _request(wire, "scripted?tokens=5"))
    assert "".join(delta.text for delta in deltas) == "word1 word2 word3 word4 word5 "
    assert len([delta for delta in deltas if delta.text]) == 5
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.output_tokens == 5
    assert deltas[-1].usage.input_tokens > 0


async def test_the_prompts_stable_beginning_is_marked_and_what_was_kept_of_it_is_read(provider: Upstream) -> None:
    said = (("system", "Be brief."), ("user", "And before?"), ("assistant", "Before."), ("user", "And now?"))
    request = ProviderRequest(
        "anthropic/scripted?tokens=1&cached=20&written=8", tuple(PromptMessage(*message) for message in said)
    )
    usage = (await _read(_provider(provider, "anthropic"), request))[-1].usage
    body = provider.calls[0].body
    mark = {"type": "ephemeral"}
    assert body["system"][0]["cache_control"] == mark
    marked = [[part.get("cache_control") for part in message["content"]] for message in body["messages"]]
    assert marked == [[None], [mark], [None]], "what was said before is kept, the question is not"
    assert provider.calls[0].headers["x-api-key"] == "sk-mine"
    assert isinstance(usage, Usage)
    assert (usage.cached_input_tokens, usage.cache_write_tokens) == (20, 8)
    assert usage.input_tokens > 28, "what was kept and what is kept anew are input too"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset_before_headers", ProviderUnavailable),
        ("server_error", ProviderUnavailable),
        ("late_headers", ProviderTimeout),
        ("unauthorized", ProviderRejected),
        ("stall", ProviderTimeout),
        ("reset", ProviderUnavailable),
    ],
)
async def test_faults_become_our_errors(wire: str, fault: str, error: type[AppError], provider: Upstream) -> None:
    with pytest.raises(error) as raised:
        await _read(_provider(provider, wire), _request(wire, f"scripted?tokens=9&fault={fault}&after=3"))
    assert "sk-" not in raised.value.message
    assert len(provider.calls) == 1, "nothing is tried again here"


async def test_an_overloaded_provider_says_when_to_come_back(provider: Upstream) -> None:
    with pytest.raises(ProviderOverloaded) as raised:
        await _read(
            _provider(provider, "anthropic"), _request("anthropic", "scripted?fault=too_many_requests&retry_after=7")
        )
    assert raised.value.retry_after_seconds == 7


async def test_a_prompt_that_does_not_fit_is_told_from_other_refusals(provider: Upstream) -> None:
    with pytest.raises(PromptTooLong):
        await _read(_provider(provider, "ollama_chat"), _request("ollama_chat", "scripted?fault=bad_request"))


async def test_leaving_closes_the_connection(provider: Upstream) -> None:
    stream = _provider(provider, "anthropic").stream(_request("anthropic", "scripted?tokens=1000&gap_ms=5"))
    assert (await anext(stream)).text == "word1 "
    await stream.aclose()
    for _ in range(15):
        if provider.calls[0].closed_by_client:
            break
        await asyncio.sleep(0.02)
    assert provider.calls[0].closed_by_client


async def test_nobody_there_is_unavailable() -> None:
    provider = LiteLLMProvider(ProviderConfig(f"http://127.0.0.1:{free_port()}", "k", reach=Reach.ANY))
    with pytest.raises(ProviderUnavailable):
        await _read(provider, _request("ollama_chat", "scripted"))


async def test_nothing_is_asked_beside_the_answer_itself(provider: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    # litellm asks an Ollama for a model's properties after each answer, at an address of its own making.
    monkeypatch.setenv("OLLAMA_API_BASE", provider.url.removesuffix("/v1"))
    allowed = _provider(provider, "ollama_chat")
    await _read(allowed, _request("ollama_chat", "scripted?tokens=2"))
    await asyncio.sleep(0.3)
    assert provider.connections_made == 1
    unnamed = LiteLLMProvider(ProviderConfig("", "k", reach=Reach.PUBLIC))
    for model in ("ollama/scripted", "ollama_chat/scripted"):
        with pytest.raises((AddressRefused, ProviderRejected, ProviderUnavailable)):
            await _read(unnamed, ProviderRequest(model, (PromptMessage("user", "Hello"),)))
    await asyncio.sleep(0.3)
    assert provider.connections_made == 1


async def test_a_private_address_is_not_asked_unless_allowed(provider: Upstream) -> None:
    with pytest.raises((AddressRefused, ProviderRejected)):
        await _read(_provider(provider, "anthropic", reach=Reach.PUBLIC), _request("anthropic", "scripted"))
    assert provider.calls == []


async def test_azure_is_asked_for_a_deployment_at_a_version(provider: Upstream) -> None:
    asked = _provider(provider, "azure", options={"api_version": "2024-10-21"})
    deltas = await _read(asked, _request("azure", "scripted"))
    assert deltas[-1].finish_reason == "stop"
    (call,) = provider.calls
    assert call.path == "/openai/deployments/scripted/chat/completions?api-version=2024-10-21"
    assert call.headers["api-key"] == "sk-mine"


async def test_bedrock_is_asked_with_a_signature_and_never_with_the_secret(provider: Upstream) -> None:
    options = {"region": "eu-central-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "never-to-be-sent"}
    asked = _provider(provider, "bedrock", api_key="", options=options)
    # The scripted provider does not speak Bedrock's binary stream: how it is asked is what counts.
    with pytest.raises(ProviderRejected):
        await _read(asked, _request("bedrock", "anthropic.claude-3-haiku-20240307-v1:0"))
    ((path, headers),) = provider.unknown
    assert path.startswith("/model/anthropic.claude-3-haiku")
    assert "Credential=AKIDEXAMPLE/" in headers["authorization"]
    assert "/eu-central-1/bedrock/aws4_request" in headers["authorization"]
    assert "never-to-be-sent" not in str(headers)
