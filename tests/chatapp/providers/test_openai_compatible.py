from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from chatapp.domain import PromptMessage
from chatapp.errors import ProviderRejected, ProviderTimeout, ProviderUnavailable
from chatapp.outbound import Reach
from chatapp.providers.base import ProviderConfig, ProviderRequest
from chatapp.providers.connections import close_providers, open_providers
from chatapp.providers.openai_compatible import OpenAICompatible
from tests.fixtures.servers import free_port
from tests.upstream.server import Upstream

ANSWER = "".join(f"word{number} " for number in range(1, 11))


@pytest.fixture(autouse=True)
async def _open() -> AsyncIterator[None]:
    open_providers()
    yield
    await close_providers()


def ask(script: str) -> ProviderRequest:
    return ProviderRequest(script, (PromptMessage("user", "Count to ten"),), {"temperature": 0.5})


async def read(upstream: Upstream, script: str, *, idle_seconds: float = 5.0) -> tuple[str, str, object]:
    config = ProviderConfig(
        upstream.url, "sk-1", connect_timeout_seconds=2, idle_timeout_seconds=idle_seconds, reach=Reach.ANY
    )
    text, reason, usage = "", "", None
    async with aclosing(OpenAICompatible(config).stream(ask(script))) as stream:
        async for delta in stream:
            text += delta.text
            reason, usage = delta.finish_reason or reason, delta.usage or usage
    return text, reason, usage


async def test_a_stream_arrives_whole(provider: Upstream) -> None:
    text, reason, usage = await read(provider, "scripted?tokens=10")

    assert (text, reason) == (ANSWER, "stop")
    assert usage is not None
    call = provider.calls[0]
    assert call.headers["authorization"] == "Bearer sk-1"
    assert call.body["temperature"] == 0.5
    assert call.body["messages"] == [{"role": "user", "content": "Count to ten"}]


async def test_one_connection_serves_one_answer_after_the_other(provider: Upstream) -> None:
    for _ in range(5):
        assert (await read(provider, "scripted?tokens=10"))[0] == ANSWER

    assert (len(provider.calls), provider.connections_made) == (5, 1)


@pytest.mark.parametrize(
    "fault",
    ["no_done", "done_without_end", "duplicate_finish", "byte_by_byte", "split_characters", "crlf_and_comments"],
)
async def test_odd_but_whole_streams_are_read(provider: Upstream, fault: str) -> None:
    assert (await read(provider, f"scripted?tokens=10&fault={fault}"))[:2] == (ANSWER, "stop")


async def test_a_character_cut_in_two_arrives_whole(provider: Upstream) -> None:
    script = "scripted?answer=Gr%C3%BC%C3%9Fe+%F0%9F%8E%89+%E4%BD%A0%E5%A5%BD&piece=1&fault=split_characters"
    assert (await read(provider, script))[0] == "Grüße 🎉 你好"


async def test_missing_usage_is_left_to_the_caller(provider: Upstream) -> None:
    text, reason, usage = await read(provider, "scripted?tokens=10&fault=no_usage")
    assert (text, reason, usage) == (ANSWER, "stop", None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset_before_headers", ProviderUnavailable),
        ("too_many_requests", ProviderUnavailable),
        ("server_error", ProviderUnavailable),
        ("unauthorized", ProviderRejected),
        ("bad_request", ProviderRejected),
        ("empty_body", ProviderUnavailable),
        ("html_page", ProviderUnavailable),
        ("late_headers", ProviderTimeout),
        ("late_first_byte", ProviderTimeout),
        ("stall", ProviderTimeout),
        ("close", ProviderUnavailable),
        ("reset", ProviderUnavailable),
        ("broken_event", ProviderUnavailable),
        ("error_event", ProviderUnavailable),
        ("huge_event", ProviderUnavailable),
        ("no_finish", ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("after", [0, 4])
async def test_every_fault_becomes_one_of_our_errors(
    provider: Upstream, fault: str, error: type[Exception], after: int
) -> None:
    with pytest.raises(error) as caught:
        await read(provider, f"scripted?tokens=10&fault={fault}&after={after}", idle_seconds=0.3)
    assert "sk-" not in str(caught.value)


async def test_nobody_there_is_unavailable() -> None:
    upstream = Upstream()
    upstream.port = free_port()
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await read(upstream, "scripted")


async def test_the_reason_of_a_refusal_is_passed_on(provider: Upstream) -> None:
    with pytest.raises(ProviderRejected, match="maximum context length"):
        await read(provider, "scripted?fault=bad_request")


async def test_leaving_a_stream_closes_the_connection(provider: Upstream) -> None:
    config = ProviderConfig(provider.url, reach=Reach.ANY)
    async with aclosing(OpenAICompatible(config).stream(ask("scripted?tokens=1000&gap_ms=5"))) as stream:
        async for _ in stream:
            break
    left = time.perf_counter()
    await asyncio.sleep(0.1)

    call = provider.calls[0]
    assert call.closed_by_client is not None
    assert call.closed_by_client - left < 0.1


async def test_the_server_lists_its_models(provider: Upstream) -> None:
    assert await OpenAICompatible(ProviderConfig(provider.url, reach=Reach.ANY)).list_models() == ["scripted"]


@pytest.mark.parametrize(("reach", "is_asked"), [(Reach.PUBLIC, False), (Reach.PRIVATE, True), (Reach.ANY, True)])
async def test_a_provider_on_loopback_is_asked_only_where_that_is_allowed(
    provider: Upstream, reach: Reach, is_asked: bool
) -> None:
    # Open for another provider: its connection must not be lent.
    await read(provider, "scripted?tokens=1")
    served = OpenAICompatible(ProviderConfig(provider.url, reach=reach))
    if is_asked:
        assert await served.list_models() == ["scripted"]
        async with aclosing(served.stream(ask("scripted?tokens=1"))) as stream:
            assert [delta.text async for delta in stream] == ["word1 ", ""]
        return
    with pytest.raises(ProviderRejected, match="CHATAPP_ALLOW_PRIVATE_PROVIDERS"):
        await served.list_models()
    with pytest.raises(ProviderRejected, match="CHATAPP_ALLOW_PRIVATE_PROVIDERS"):
        async with aclosing(served.stream(ask("scripted?tokens=1"))) as stream:
            _ = [delta async for delta in stream]
    assert len(provider.calls) == 1


@pytest.mark.parametrize("url", ["not an address", "http:127.0.0.1/v1", "ftp://127.0.0.1/v1", "http://[::1", ""])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ProviderRejected, match="An admin has to correct it"):
        await OpenAICompatible(ProviderConfig(url, reach=Reach.ANY)).list_models()
