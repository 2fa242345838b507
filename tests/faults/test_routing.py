"""What becomes of an answer when providers fail: every fault, before and after the first text, helped and not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from chatapp.domain import PromptMessage, Usage
from chatapp.errors import UpstreamError
from chatapp.outbound import Reach
from chatapp.providers.base import ProviderConfig, ProviderRequest
from chatapp.providers.connections import close_providers, open_providers
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.routing import breaker, retries
from chatapp.routing.chain import Chain, Patience, Wish
from chatapp.routing.route import Deployment, Route
from tests.fixtures.servers import free_port
from tests.upstream.faults import FAULTS
from tests.upstream.server import Upstream

TOKENS = 10
WHOLE = "".join(f"word{number} " for number in range(1, TOKENS + 1))
HARMLESS = {"no_done", "no_usage", "duplicate_finish", "byte_by_byte", "split_characters", "crlf_and_comments"}
BEFORE_ANY_TEXT = {
    *("reset_before_headers", "too_many_requests", "too_many_requests_until", "server_error", "unavailable_once"),
    *("late_headers", "late_first_byte", "unauthorized", "bad_request", "empty_body", "html_page", "empty_answer"),
}


@pytest.fixture(autouse=True)
async def _routing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)
    breaker.forget_breakers()
    retries.forget_budgets()
    open_providers()
    yield
    await close_providers()
    breaker.forget_breakers()
    retries.forget_budgets()


def _deployment(url: str, script: str, name: str = "first") -> Deployment:
    provider = OpenAICompatible(ProviderConfig(base_url=url, idle_timeout_seconds=0.3, reach=Reach.ANY))
    return Deployment(provider, name, f"{name} model", script, 1_000, 100, 1_000_000, 2_000_000)


async def _request(deployment: Deployment, wish: Wish) -> ProviderRequest:
    said = [PromptMessage("user", "Count" + " more" * (10 >> wish.reduction) + wish.problem)]
    if wish.written:
        said += [PromptMessage("assistant", wish.written), PromptMessage("user", "Your answer broke off. Go on.")]
    return ProviderRequest(deployment.provider_model, tuple(said))


async def _nothing(_: Deployment, __: str) -> None:
    return None


def _chain(*deployments: Deployment) -> Chain:
    return Chain(
        route=Route(deployments),
        request_for=_request,
        estimate=lambda request, text: Usage(len(request.messages), len(text.split()), is_estimated=True),
        patience=Patience(first_token_seconds=3, answer_seconds=15),
        on_begin=_nothing,
    )


@dataclass
class Outcome:
    text: str
    endings: int
    error: UpstreamError | None


async def _run(chain: Chain) -> Outcome:
    text, endings = "", 0
    try:
        async with aclosing(chain.stream()) as stream:
            async for delta in stream:
                assert endings == 0, "nothing comes behind the end"
                text += delta.text
                endings += bool(delta.finish_reason)
    except UpstreamError as error:
        return Outcome(text, endings, error)
    return Outcome(text, endings, None)


@pytest.mark.parametrize(
    ("fault", "after", "going_on"),
    [
        *((fault, after, "continue") for fault in sorted(FAULTS) for after in (0, 4)),
        *(
            (fault, 4, way)
            for fault in sorted(set(FAULTS) - BEFORE_ANY_TEXT - HARMLESS)
            for way in ("repeat", "restart")
        ),
    ],
)
async def test_with_a_healthy_fallback_every_answer_is_whole_and_said_once(
    fault: str, after: int, going_on: str, provider: Upstream
) -> None:
    broken = _deployment(provider.url, f"a?tokens={TOKENS}&fault={fault}&after={after}&retry_after=60")
    healthy = _deployment(provider.url, f"b?tokens={TOKENS}&going_on={going_on}", "second")
    outcome = await _run(chain := _chain(broken, healthy))
    if fault == "huge_event":
        assert outcome.endings == 1
        return
    assert outcome.error is None
    assert outcome.endings == 1
    assert outcome.text == WHOLE
    if fault in HARMLESS or fault == "unavailable_once":
        assert {attempt.provider for attempt in chain.attempts} == {"first"}
    else:
        assert chain.deployment is healthy
        assert chain.attempts[-1].text_offset == len("".join(f"word{n} " for n in range(1, 5))) * (
            after == 4 and fault not in BEFORE_ANY_TEXT
        )


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - HARMLESS - {"unavailable_once", "huge_event"}))
async def test_with_everybody_failing_the_answer_ends_with_an_error_and_what_was_written(
    fault: str, after: int, provider: Upstream
) -> None:
    script = f"tokens={TOKENS}&fault={fault}&after={after}&retry_after=0"
    outcome = await _run(
        _chain(_deployment(provider.url, f"a?{script}"), _deployment(provider.url, f"b?{script}", "second"))
    )
    assert outcome.error is not None
    assert outcome.endings == 0
    assert WHOLE.startswith(outcome.text)
    assert outcome.text.count("word1 ") == bool(after and fault not in BEFORE_ANY_TEXT)
    assert provider.open_connections == 0 or await _all_closed(provider)


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - HARMLESS - {"unavailable_once", "huge_event"}))
async def test_alone_the_answer_ends_too(fault: str, after: int, provider: Upstream) -> None:
    alone = _deployment(provider.url, f"a?tokens={TOKENS}&fault={fault}&after={after}&retry_after=0")
    outcome = await _run(_chain(alone))
    assert outcome.error is not None
    assert WHOLE.startswith(outcome.text)


async def _all_closed(provider: Upstream) -> bool:
    for _ in range(50):
        if not provider.open_connections:
            return True
        await asyncio.sleep(0.02)
    # Connections of answers that were read to their end stay open for the next request.
    return all(call.is_finished or call.closed_by_client for call in provider.calls)


async def test_somebody_nobody_can_reach_is_passed_over(provider: Upstream) -> None:
    absent = _deployment(f"http://127.0.0.1:{free_port()}/v1", "a")
    outcome = await _run(_chain(absent, _deployment(provider.url, f"b?tokens={TOKENS}", "second")))
    assert (outcome.error, outcome.text) == (None, WHOLE)


async def test_a_deployment_that_keeps_failing_is_no_longer_asked_then_probed_once(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.3)
    broken = _deployment(provider.url, "a?fault=server_error")
    healthy = _deployment(provider.url, f"b?tokens={TOKENS}", "second")
    breaker.breaker_of(broken.key)._pause_seconds = 0.3
    for _ in range(20):
        assert (await _run(_chain(broken, healthy))).text == WHOLE
    asked = sum(call.model.startswith("a?") for call in provider.calls)
    assert asked < 20
    await asyncio.sleep(0.7)
    await asyncio.gather(*(_run(_chain(broken, healthy)) for _ in range(10)))
    assert sum(call.model.startswith("a?") for call in provider.calls) == asked + 1


async def test_retries_stay_within_their_budget_when_half_of_the_requests_fail(provider: Upstream) -> None:
    names = [f"a{number}?tokens=1&fault=unavailable_once" if number % 2 else "a?tokens=1" for number in range(200)]
    deployments = [_deployment(provider.url, name) for name in names]
    for deployment in deployments:
        # One deployment, whose every second request fails: the model's name only steers the script.
        monitored = Deployment(**{field: getattr(deployment, field) for field in deployment.__slots__})
        budget = retries.budget_of("first/all")
        retries._Budgets.by_key[monitored.key] = budget
        breaker._Breakers.by_key[monitored.key] = breaker.breaker_of("first/all")
        await _run(_chain(monitored, _deployment(provider.url, "b?tokens=1", "second")))
    asked = sum(call.model.startswith("a") for call in provider.calls)
    assert asked <= 1.2 * len(deployments) + 5


async def test_a_person_who_leaves_takes_the_request_along(provider: Upstream) -> None:
    chain = _chain(_deployment(provider.url, "a?tokens=1000&gap_ms=10"))
    stream = chain.stream()
    assert (await anext(stream)).text == "word1 "
    await stream.aclose()
    await asyncio.sleep(0.2)
    assert provider.calls[0].closed_by_client is not None
    assert [(attempt.outcome, attempt.text_offset) for attempt in chain.attempts] == [("stopped", 0)]
    assert chain.usage.output_tokens == 1


async def test_each_request_is_paid_at_its_own_price(provider: Upstream) -> None:
    broken = _deployment(provider.url, "a?tokens=10&fault=close&after=4")
    healthy = _deployment(provider.url, "b?tokens=10", "second")
    chain = _chain(broken, healthy)
    await _run(chain)
    first, second = chain.attempts
    assert first.usage is not None
    assert first.usage.is_estimated
    assert second.usage is not None
    assert chain.usage == first.usage + second.usage
    assert chain.cost_micro_usd == broken.cost_micro_usd(first.usage) + healthy.cost_micro_usd(second.usage)


async def test_a_prompt_that_is_too_long_is_made_shorter(provider: Upstream) -> None:
    alone = _deployment(provider.url, "a?fault=bad_request")
    outcome = await _run(_chain(alone))
    sent = [len(call.body["messages"][0]["content"]) for call in provider.calls]
    assert outcome.error is not None
    assert sent == sorted(sent, reverse=True)
    assert len(set(sent)) == 3
