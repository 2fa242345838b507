from __future__ import annotations

import pytest

from chatapp.errors import (
    AnswerUnusable,
    PromptTooLong,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    UpstreamError,
)
from chatapp.routing.retries import BUDGET_SHARE, MAX_TRIES, RetryBudget, again_after


def _tries(error: UpstreamError, *, has_next: bool = False) -> int:
    tries = 1
    while again_after(error, tries, has_next=has_next) is not None:
        tries += 1
    return tries


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ProviderUnavailable(), MAX_TRIES),
        (ProviderOverloaded(), MAX_TRIES),
        (PromptTooLong(), MAX_TRIES),
        (ProviderTimeout(), 2),
        (AnswerUnusable(), 2),
        (ProviderRejected(), 1),
    ],
)
def test_each_failure_has_its_number_of_tries(error: UpstreamError, tries: int) -> None:
    assert _tries(error) == tries


def test_waits_grow_and_differ_by_chance() -> None:
    waits = [
        [again.wait_seconds for tries in (1, 2) if (again := again_after(ProviderUnavailable(), tries, has_next=False))]
        for _ in range(20)
    ]
    assert all(1 <= first <= 1.5 and 2 <= second <= 3 for first, second in waits)
    assert len({first for first, _ in waits}) > 1


def test_who_says_when_to_come_back_is_not_asked_before() -> None:
    again = again_after(ProviderOverloaded(retry_after_seconds=7.0), 1, has_next=False)
    assert again is not None
    assert again.wait_seconds >= 7
    assert again_after(ProviderOverloaded(retry_after_seconds=7.0), 1, has_next=True) is None


def test_too_long_or_too_slow_asks_with_less_and_unreadable_names_the_problem() -> None:
    for error in (PromptTooLong(), ProviderTimeout()):
        again = again_after(error, 1, has_next=True)
        assert again is not None
        assert again.is_shorter
    again = again_after(AnswerUnusable(), 1, has_next=True)
    assert again is not None
    assert again.names_problem


def test_retries_are_a_fifth_of_the_requests_in_the_long_run() -> None:
    budget, retried = RetryBudget(), 0
    for count in range(1, 1_001):
        budget.earn()
        retried += budget.spend()
        assert retried <= max(3, count * BUDGET_SHARE)
    assert retried >= 1_000 * BUDGET_SHARE - 1


def test_only_asking_with_less_because_it_did_not_fit_is_outside_the_budget() -> None:
    failures = (ProviderUnavailable(), ProviderOverloaded(), ProviderTimeout(), AnswerUnusable())
    again = [again_after(error, 1, has_next=False) for error in failures]
    assert [each is not None and each.is_free for each in again] == [False] * 4
    fitted = again_after(PromptTooLong(), 1, has_next=False)
    assert fitted is not None
    assert fitted.is_free
