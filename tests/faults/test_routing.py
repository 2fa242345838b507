"""What becomes of an answer when providers fail: every fault, before and after the first text, helped and not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from chatapp.routing.breaker import breaker_of
from tests.faults.chains import chain, deployment, routing, run
from tests.fixtures.servers import free_port
from tests.upstream.faults import FAULTS
from tests.upstream.server import Upstream

__all__ = ["routing"]

pytestmark = pytest.mark.usefixtures("routing")
TOKENS = 10
WHOLE = "".join(f"word{number} " for number in range(1, TOKENS + 1))
HARMLESS = {
    *("no_done", "no_usage", "done_without_end", "duplicate_finish"),
    *("byte_by_byte", "split_characters", "crlf_and_comments"),
}
BEFORE_ANY_TEXT = {
    *("reset_before_headers", "too_many_requests", "too_many_requests_until", "server_error", "unavailable_once"),
    *("late_headers", "late_first_byte", "unauthorized", "bad_request", "empty_body", "html_page", "empty_answer"),
}


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
    broken = deployment(provider.url, f"a?tokens={TOKENS}&fault={fault}&after={after}&retry_after=60")
    healthy = deployment(provider.url, f"b?tokens={TOKENS}&going_on={going_on}", "second")
    outcome = await run(asked := chain(broken, healthy))
    if fault == "huge_event":
        assert outcome.endings == 1
        return
    assert outcome.error is None
    assert outcome.endings == 1
    assert outcome.text == WHOLE
    if fault in HARMLESS or fault == "unavailable_once":
        assert {attempt.provider for attempt in asked.attempts} == {"first"}
    else:
        assert asked.deployment is healthy
        assert asked.attempts[-1].text_offset == len("".join(f"word{n} " for n in range(1, 5))) * (
            after == 4 and fault not in BEFORE_ANY_TEXT
        )


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - HARMLESS - {"unavailable_once", "huge_event"}))
async def test_with_everybody_failing_the_answer_ends_with_an_error_and_what_was_written(
    fault: str, after: int, provider: Upstream
) -> None:
    script = f"tokens={TOKENS}&fault={fault}&after={after}&retry_after=0"
    outcome = await run(
        chain(deployment(provider.url, f"a?{script}"), deployment(provider.url, f"b?{script}", "second"))
    )
    assert outcome.error is not None
    assert outcome.endings == 0
    assert WHOLE.startswith(outcome.text)
    assert outcome.text.count("word1 ") == bool(after and fault not in BEFORE_ANY_TEXT)
    assert provider.open_connections == 0 or await _all_closed(provider)


@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - HARMLESS - {"unavailable_once", "huge_event"}))
async def test_alone_the_answer_ends_too(fault: str, after: int, provider: Upstream) -> None:
    alone = deployment(provider.url, f"a?tokens={TOKENS}&fault={fault}&after={after}&retry_after=0")
    outcome = await run(chain(alone))
    assert outcome.error is not None
    assert WHOLE.startswith(outcome.text)


async def _all_closed(provider: Upstream) -> bool:
    for _ in range(50):
        if not provider.open_connections:
            return True
        await asyncio.sleep(0.02)
    # Connections of answers that were read to their end stay open for the next request.
    return all(call.is_finished or call.closed_by_client for call in provider.calls)


@pytest.fixture(params=["refused", "not answered"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address where nothing listens, and one whose connections are never taken."""
    if request.param == "refused":
        yield f"http://127.0.0.1:{free_port()}/v1"
        return
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for taker in (first, second):
            taker.setblocking(False)
            taker.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}/v1"


async def test_somebody_nobody_can_reach_is_passed_over(nowhere: str, provider: Upstream) -> None:
    absent = deployment(nowhere, "a", connect_timeout_seconds=0.2)
    outcome = await run(chain(absent, deployment(provider.url, f"b?tokens={TOKENS}", "second")))
    assert (outcome.error, outcome.text) == (None, WHOLE)


async def test_when_nobody_can_be_reached_it_is_said(nowhere: str) -> None:
    asked = (deployment(nowhere, name, name, connect_timeout_seconds=0.2) for name in ("a", "b"))
    outcome = await run(chain(*asked))
    assert outcome.error is not None
    assert outcome.error.code in {"provider_unavailable", "provider_timeout"}
    assert outcome.text == ""


@pytest.mark.parametrize("fault", ["close", "reset", "stall", "error_event", "broken_event", "no_finish"])
async def test_who_broke_off_goes_on_when_nobody_else_may(fault: str, provider: Upstream) -> None:
    """The others rest or cannot go on; the one that broke off has said half of it already."""
    cut = deployment(provider.url, f"a?tokens={TOKENS}&fault={fault}&after={TOKENS // 2}")
    resting = deployment(provider.url, "b", "second")
    breaker_of(resting.key).hold_open(60)
    outcome = await run(asked := chain(cut, resting))
    assert [attempt.outcome for attempt in asked.attempts][:3] == ["failed", "skipped", "failed"]
    assert outcome.text == WHOLE
    assert len(provider.calls) == 2


async def test_a_person_who_leaves_takes_the_request_along(provider: Upstream) -> None:
    asked = chain(deployment(provider.url, "a?tokens=1000&gap_ms=10"))
    stream = asked.stream()
    assert (await anext(stream)).text == "word1 "
    await stream.aclose()
    await asyncio.sleep(0.2)
    assert provider.calls[0].closed_by_client is not None
    assert [(attempt.outcome, attempt.text_offset) for attempt in asked.attempts] == [("stopped", 0)]
    assert asked.usage.output_tokens == 1


async def test_each_request_is_paid_at_its_own_price(provider: Upstream) -> None:
    broken = deployment(provider.url, "a?tokens=10&fault=close&after=4")
    healthy = deployment(provider.url, "b?tokens=10", "second")
    asked = chain(broken, healthy)
    await run(asked)
    first, second = asked.attempts
    assert first.usage is not None
    assert first.usage.is_estimated
    assert second.usage is not None
    assert asked.usage == first.usage + second.usage
    assert asked.cost_micro_usd == broken.cost_micro_usd(first.usage) + healthy.cost_micro_usd(second.usage)


async def test_a_prompt_that_is_too_long_is_made_shorter(provider: Upstream) -> None:
    alone = deployment(provider.url, "a?fault=bad_request")
    outcome = await run(chain(alone))
    sent = [len(call.body["messages"][0]["content"]) for call in provider.calls]
    assert outcome.error is not None
    assert sent == sorted(sent, reverse=True)
    assert len(set(sent)) == 3
