from __future__ import annotations

import pytest

from chatapp.routing.breaker import (
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    MAX_REST_SECONDS,
    MIN_FAILURES,
    WINDOW_SECONDS,
    Breaker,
    BreakerState,
    Permit,
    breaker_of,
    forget_breakers,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def _break(breaker: Breaker) -> None:
    for _ in range(MIN_FAILURES):
        assert breaker.admit()
        breaker.failed()


def test_it_opens_when_most_requests_of_the_last_seconds_failed(breaker: Breaker) -> None:
    _break(breaker)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admit()


def test_a_few_failures_among_many_answers_leave_it_closed(breaker: Breaker) -> None:
    for _ in range(MIN_FAILURES * 3):
        breaker.succeeded()
    for _ in range(MIN_FAILURES):
        breaker.failed()
    assert breaker.state is BreakerState.CLOSED


def test_failures_of_long_ago_do_not_count(breaker: Breaker, clock: Clock) -> None:
    for _ in range(MIN_FAILURES - 1):
        breaker.failed()
    clock.now += WINDOW_SECONDS + 1
    breaker.failed()
    assert breaker.state is BreakerState.CLOSED


def test_half_open_lets_exactly_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    _break(breaker)
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.state is BreakerState.HALF_OPEN
    assert [breaker.admit() for _ in range(5)] == [Permit.PROBE, None, None, None, None]


def test_a_probe_that_is_answered_closes_it_and_one_that_fails_doubles_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    _break(breaker)
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.admit()
    breaker.failed(Permit.PROBE)
    assert breaker.seconds_until_probe() == 2 * FIRST_PAUSE_SECONDS
    clock.now += 2 * FIRST_PAUSE_SECONDS
    assert breaker.admit()
    breaker.succeeded(Permit.PROBE)
    assert breaker.state is BreakerState.CLOSED


def test_requests_from_before_it_opened_neither_lengthen_the_pause_nor_close_it_nor_let_a_second_probe_out(
    breaker: Breaker, clock: Clock
) -> None:
    before = [breaker.admit() for _ in range(MIN_FAILURES + 20)]
    assert set(before) == {Permit.REQUEST}
    for _ in range(MIN_FAILURES + 17):
        breaker.failed(Permit.REQUEST)
    assert breaker.seconds_until_probe() == FIRST_PAUSE_SECONDS
    breaker.succeeded(Permit.REQUEST)
    assert breaker.state is BreakerState.OPEN
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.admit() is Permit.PROBE
    breaker.abandoned(Permit.REQUEST)
    breaker.failed(Permit.REQUEST)
    assert breaker.admit() is None
    assert breaker.state is BreakerState.HALF_OPEN


def test_it_says_how_often_and_why_it_opened(breaker: Breaker, clock: Clock) -> None:
    opened_at = breaker.changed_at
    for _ in range(MIN_FAILURES):
        breaker.failed(reason="The model fell silent.")
    assert (breaker.failures, breaker.reason, breaker.counts.opened) == (MIN_FAILURES, "The model fell silent.", 1)
    assert breaker.changed_at >= opened_at
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.admit()
    breaker.failed(Permit.PROBE)
    assert (breaker.failures, breaker.counts.opened) == (MIN_FAILURES, 1)


def test_failures_leave_the_window_without_another_request(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    assert breaker.failures == 1
    clock.now += WINDOW_SECONDS + 1
    assert breaker.failures == 0


def test_the_pause_grows_to_a_bound(breaker: Breaker, clock: Clock) -> None:
    _break(breaker)
    for _ in range(20):
        clock.now += breaker.seconds_until_probe()
        assert breaker.admit()
        breaker.failed(Permit.PROBE)
    assert breaker.seconds_until_probe() == MAX_PAUSE_SECONDS


def test_a_probe_nobody_waited_for_leaves_room_for_another(breaker: Breaker, clock: Clock) -> None:
    _break(breaker)
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.admit()
    breaker.abandoned(Permit.PROBE)
    assert breaker.admit()


def test_who_asks_to_be_left_alone_is_left_alone_so_long(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(retry_after_seconds=30)
    clock.now += 29.9
    assert not breaker.admit()
    clock.now += 0.2
    assert breaker.admit()


def test_a_rest_of_years_is_taken_for_a_day(breaker: Breaker) -> None:
    breaker.failed(retry_after_seconds=400 * MAX_REST_SECONDS)
    assert breaker.seconds_until_probe() == MAX_REST_SECONDS


def test_a_drill_holds_it_open_until_it_is_let_go_and_ends_by_itself(breaker: Breaker, clock: Clock) -> None:
    breaker.hold_open(60)
    assert breaker.admit() is None
    assert breaker.seconds_until_probe() == 60
    breaker.hold_open(0)
    assert breaker.admit() is Permit.REQUEST
    breaker.hold_open(60)
    clock.now += 60
    assert breaker.admit() is Permit.REQUEST


def test_a_drill_leaves_what_was_found_out_about_the_deployment(breaker: Breaker, clock: Clock) -> None:
    _break(breaker)
    breaker.hold_open(60)
    clock.now += FIRST_PAUSE_SECONDS
    assert breaker.state is BreakerState.OPEN
    breaker.hold_open(0)
    assert breaker.state is BreakerState.HALF_OPEN


def test_each_deployment_has_its_own() -> None:
    forget_breakers()
    _break(breaker_of("a/one"))
    assert breaker_of("a/one").state is BreakerState.OPEN
    assert breaker_of("a/two").state is BreakerState.CLOSED
    forget_breakers()
    assert breaker_of("a/one").state is BreakerState.CLOSED
