from __future__ import annotations

import pytest

from chatapp.errors import RateLimited, UpstreamError
from chatapp.limits import attempts


@pytest.fixture(params=["memory", "redis"])
async def counting(request: pytest.FixtureRequest):
    attempts.open_attempts("" if request.param == "memory" else request.getfixturevalue("redis_url"))
    yield
    await attempts.close_attempts()


@pytest.mark.usefixtures("counting")
async def test_an_account_is_limited_wherever_it_is_tried_from() -> None:
    for number in range(6):
        await attempts.count_attempt("Ada@example.org", f"10.0.0.{number}")

    with pytest.raises(RateLimited) as refusal:
        await attempts.count_attempt("ada@example.org ", "10.0.0.9")

    assert 1 <= refusal.value.retry_after_seconds <= 300
    await attempts.count_attempt("bob@example.org", "10.0.0.9")


@pytest.mark.usefixtures("counting")
async def test_a_success_takes_the_accounts_failures_back() -> None:
    for _ in range(4):
        for _ in range(5):
            await attempts.count_attempt("ada@example.org", "10.0.0.1")
        await attempts.forget_attempts("ada@example.org")


@pytest.mark.usefixtures("counting")
async def test_an_address_is_limited_over_all_accounts_by_its_failures_only() -> None:
    for number in range(100):
        await attempts.count_attempt(f"{number}@example.org", "10.0.0.1")
    for _ in range(60):
        await attempts.count_failure("10.0.0.1")

    with pytest.raises(RateLimited):
        await attempts.count_attempt("new@example.org", "10.0.0.1")
    await attempts.count_attempt("new@example.org", "10.0.0.2")


async def test_without_its_store_nobody_is_let_try() -> None:
    assert attempts.on_failure == "block"
    attempts.open_attempts("redis://127.0.0.1:9")

    with pytest.raises(UpstreamError):
        await attempts.count_attempt("ada@example.org", "10.0.0.1")

    await attempts.close_attempts()
