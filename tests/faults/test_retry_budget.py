"""What retries cost a provider that is in trouble already: its own log is the truth."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from chatapp.errors import ProviderOverloaded
from chatapp.routing import breaker
from chatapp.routing.breaker import FIRST_PAUSE_SECONDS, MIN_FAILURES, BreakerState, breaker_of
from chatapp.routing.retries import MAX_TRIES
from tests.faults.chains import chain, deployment, routing, run
from tests.faults.clock import use_clock
from tests.upstream.server import Upstream

__all__ = ["routing"]

pytestmark = pytest.mark.usefixtures("routing")
HALF_FAILING, HEALTHY = "a?tokens=1&fail_every=2", "b?tokens=1"
ALLOWANCE = 3


@pytest.mark.parametrize("has_fallback", [True, False])
@pytest.mark.parametrize("has_breaker", [True, False])
async def test_at_half_of_the_requests_failing_attempts_are_at_most_a_fifth_more(
    has_fallback: bool, has_breaker: bool, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_breaker:
        monkeypatch.setattr(breaker, "MIN_FAILURE_SHARE", 2)
    first = deployment(provider.url, HALF_FAILING)
    route = [first, deployment(provider.url, HEALTHY, "second")] if has_fallback else [first]
    requests, answered = 0, 0
    for together in (*[1] * 20, *[20] * 10):
        outcomes = await asyncio.gather(*(run(chain(*route)) for _ in range(together)))
        requests += together
        answered += sum(outcome.error is None for outcome in outcomes)
        assert provider.asked[HALF_FAILING] <= max(requests + ALLOWANCE, 1.2 * requests)
    assert requests == 220
    assert provider.asked[HALF_FAILING] <= 1.2 * requests
    if has_fallback:
        assert answered == requests
    elif not has_breaker:
        assert answered >= 0.6 * requests


async def test_a_budget_that_is_used_up_does_not_keep_people_from_the_fallback(provider: Upstream) -> None:
    broken = deployment(provider.url, "a?fault=empty_answer")
    healthy = deployment(provider.url, HEALTHY, "second")
    for _ in range(10):
        assert (await run(chain(broken, healthy))).error is None
    assert provider.asked["a?fault=empty_answer"] <= 10 + ALLOWANCE


async def test_who_asks_to_be_left_alone_is_asked_by_nobody_until_then_and_then_once(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "a?fault=too_many_requests&retry_after=30"
    limited, healthy = deployment(provider.url, script), deployment(provider.url, HEALTHY, "second")
    clock = use_clock(monkeypatch, limited.key)
    for moment in (0.0, 0.1, 15.0, 14.8):
        clock.now += moment
        outcomes = await asyncio.gather(*(run(chain(limited, healthy)) for _ in range(5 if moment else 1)))
        assert {outcome.text for outcome in outcomes} == {"word1 "}
        assert provider.asked[script] == 1
    clock.now += 0.2
    await asyncio.gather(*(run(chain(limited, healthy)) for _ in range(10)))
    assert provider.asked[script] == 2


async def test_alone_it_is_waited_for_as_long_as_was_asked_within_the_turns_time(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "a?fault=too_many_requests&retry_after=4"
    limited = deployment(provider.url, script)
    clock = use_clock(monkeypatch, limited.key)
    asked_at: list[float] = []

    async def note(*_: object) -> None:
        asked_at.append(clock.now)

    asked = chain(limited)
    asked.on_begin = note
    outcome = await run(asked)
    assert isinstance(outcome.error, ProviderOverloaded)
    assert provider.asked[script] == len(asked_at) == MAX_TRIES
    assert all(later - earlier >= 4 for earlier, later in itertools.pairwise(asked_at))


async def test_a_wait_that_would_outlast_the_turn_is_not_begun(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = deployment(provider.url, "a?fault=too_many_requests&retry_after=3600")
    clock = use_clock(monkeypatch, limited.key)
    outcome = await run(chain(limited))
    assert isinstance(outcome.error, ProviderOverloaded)
    assert (clock.now, len(provider.calls)) == (1_000.0, 1)


async def test_waits_grow_from_one_second_and_the_third_failure_is_the_last(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.routing.retries._FIRST_WAIT_SECONDS", 1.0)
    broken = deployment(provider.url, "a?fault=server_error")
    clock = use_clock(monkeypatch, broken.key)
    await run(chain(broken))
    assert len(provider.calls) == MAX_TRIES
    assert 3.0 <= clock.now - 1_000.0 <= 4.5


async def test_a_deployment_that_keeps_failing_is_left_alone_then_probed_by_one_request_at_a_time(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"a?tokens=1&fail_first={MIN_FAILURES + 21}"
    broken, healthy = deployment(provider.url, script), deployment(provider.url, HEALTHY, "second")
    clock = use_clock(monkeypatch, broken.key)
    monkeypatch.setattr("chatapp.routing.retries.MAX_TRIES", 1)

    async def ask(together: int) -> int:
        before = provider.asked[script]
        outcomes = await asyncio.gather(*(run(chain(broken, healthy)) for _ in range(together)))
        assert {outcome.text for outcome in outcomes} == {"word1 "}
        return provider.asked[script] - before

    # All of the first are out before any has failed; that many failures lengthen no pause.
    assert await ask(MIN_FAILURES + 20) == MIN_FAILURES + 20
    assert breaker_of(broken.key).seconds_until_probe() == FIRST_PAUSE_SECONDS
    assert await ask(20) == 0
    clock.now += FIRST_PAUSE_SECONDS
    assert await ask(20) == 1, "the probe, which fails"
    clock.now += FIRST_PAUSE_SECONDS
    assert await ask(20) == 0, "the pause has doubled"
    clock.now += FIRST_PAUSE_SECONDS
    assert await ask(20) >= 1, "the probe, which is answered, and whoever came behind it"
    assert breaker_of(broken.key).state is BreakerState.CLOSED
    assert await ask(5) == 5


async def test_a_probe_whose_person_leaves_before_it_goes_out_leaves_its_place_to_the_next(
    provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = deployment(provider.url, HEALTHY)
    clock = use_clock(monkeypatch, healthy.key)
    breaker_of(healthy.key).failed(retry_after_seconds=5)
    clock.now += 5
    asked = chain(healthy)

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    asked.on_begin = never
    task = asyncio.create_task(run(asked))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert provider.calls == []
    assert (await run(chain(healthy))).error is None
