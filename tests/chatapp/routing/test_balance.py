from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from chatapp.outbound import Reach
from chatapp.providers.base import ProviderConfig
from chatapp.providers.connections import close_providers, open_providers
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.routing import balance
from chatapp.routing.balance import Balance, arrange, note_begin, note_end
from chatapp.routing.breaker import breaker_of, forget_breakers
from chatapp.routing.route import Deployment
from tests.faults import chains
from tests.upstream.server import Upstream


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(balance, "_now", clock)
    monkeypatch.setattr(balance._Loads, "random", random.Random(7))
    balance.forget_loads()
    forget_breakers()
    yield clock
    balance.forget_loads()
    forget_breakers()


def _deployments(*weights: int) -> list[Deployment]:
    provider = OpenAICompatible(ProviderConfig(base_url="http://127.0.0.1:1/v1", reach=Reach.ANY))
    names = "abcdef"[: len(weights)]
    return [
        Deployment(provider, name, "model", "model", 1_000, 100, weight=weight)
        for name, weight in zip(names, weights, strict=True)
    ]


def _first(deployments: list[Deployment], how: Balance, times: int = 1_000) -> Counter[str]:
    return Counter(arrange(deployments, how)[0].provider_name for _ in range(times))


def _names(deployments: tuple[Deployment, ...]) -> str:
    return "".join(each.provider_name for each in deployments)


def _timed(key: str, *seconds: float) -> None:
    for each in seconds:
        note_begin(key)
        note_end(key, each)


@pytest.mark.parametrize("how", list(Balance))
def test_every_deployment_stays_in_the_order_once(how: Balance) -> None:
    deployments = _deployments(1, 2, 0)
    assert all(sorted(_names(arrange(deployments, how))) == ["a", "b", "c"] for _ in range(50))
    assert arrange(deployments[:1], how) == (deployments[0],)


def test_in_order_is_the_order_given() -> None:
    assert _first(_deployments(1, 9), Balance.IN_ORDER) == {"a": 1_000}


def test_weights_are_shares_of_the_work_and_nothing_goes_to_a_weight_of_none() -> None:
    firsts = _first(_deployments(1, 3, 0), Balance.WEIGHTED, 4_000)
    assert 850 < firsts["a"] < 1_150
    assert firsts["a"] + firsts["b"] == 4_000


def test_the_quickest_has_most_of_the_work_and_the_others_are_looked_at_now_and_then() -> None:
    deployments = _deployments(1, 1, 1)
    _timed("a/model", 0.5)
    _timed("b/model", 0.2)
    _timed("c/model", 0.9)
    firsts = _first(deployments, Balance.LOWEST_LATENCY)
    assert 900 < firsts["b"] < 990
    assert firsts["a"] > 0
    assert firsts["c"] > 0


def test_the_average_follows_what_happens_now() -> None:
    _timed("a/model", 0.1)
    _timed("b/model", 0.3)
    _timed("a/model", *[0.8] * 5)
    assert _first(_deployments(1, 1), Balance.LOWEST_LATENCY)["b"] > 900


def test_one_that_was_never_timed_is_tried_by_one_request_at_a_time(clock: Clock) -> None:
    deployments = _deployments(1, 1)
    _timed("a/model", 0.1)
    assert _first(deployments, Balance.LOWEST_LATENCY, 20) == {"b": 20}
    note_begin("b/model")
    assert _first(deployments, Balance.LOWEST_LATENCY)["a"] > 900
    note_end("b/model", None)
    assert _first(deployments, Balance.LOWEST_LATENCY)["a"] > 900
    clock.now += 11
    assert _first(deployments, Balance.LOWEST_LATENCY, 20) == {"b": 20}


def test_the_least_busy_is_asked_first_by_its_weight_and_equal_ones_in_turn() -> None:
    deployments = _deployments(1, 1)
    assert 400 < _first(deployments, Balance.LEAST_BUSY)["a"] < 600
    note_begin("a/model")
    assert _first(deployments, Balance.LEAST_BUSY) == {"b": 1_000}
    note_end("a/model", 0.1)
    assert 400 < _first(deployments, Balance.LEAST_BUSY)["a"] < 600
    note_begin("a/model")
    assert _first(_deployments(4, 1), Balance.LEAST_BUSY) == {"a": 1_000}


@pytest.mark.parametrize("how", list(Balance))
def test_whose_breaker_is_open_goes_last(how: Balance) -> None:
    for _ in range(10):
        breaker_of("a/model").failed()
    orders = {_names(arrange(_deployments(9, 1, 1), how))[-1] for _ in range(50)}
    assert orders == {"a"}


def test_a_request_that_ended_twice_leaves_no_debt() -> None:
    note_end("a/model", 0.1)
    note_begin("a/model")
    assert _first(_deployments(1, 1), Balance.LEAST_BUSY) == {"b": 1_000}


@pytest.mark.parametrize(("script", "is_timed"), [("a?tokens=3", True), ("a?fault=unauthorized", False)])
async def test_each_request_is_counted_in_and_out_and_its_first_text_timed(
    script: str, is_timed: bool, provider: Upstream
) -> None:
    open_providers()
    try:
        outcome = await chains.run(chains.chain(chains.deployment(provider.url, script)))
    finally:
        await close_providers()
    load = balance._load(f"first/{script}")
    assert (load.in_flight, load.average_seconds is not None, load.silent_at is None) == (0, is_timed, is_timed)
    assert (outcome.error is None) == is_timed
