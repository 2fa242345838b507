from __future__ import annotations

import asyncio
import gc

import pytest

from chatapp.errors import RateLimited, UpstreamError
from chatapp.limits import attempts


@pytest.fixture(params=["memory", "redis"])
async def counting(request: pytest.FixtureRequest):
    attempts.open_attempts("" if request.param == "memory" else request.getfixturevalue("redis_url"))
    yield
    await attempts.close_attempts()


@pytest.mark.usefixtures("counting")
async def test_an_account_is_limited_from_one_address_and_stays_open_from_others() -> None:
    for _ in range(6):
        await attempts.count_attempt("Ada@example.org", "10.0.0.1")

    with pytest.raises(RateLimited) as refusal:
        await attempts.count_attempt("ada@example.org ", "10.0.0.1")

    assert 1 <= refusal.value.retry_after_seconds <= 300
    await attempts.count_attempt("ada@example.org", "10.0.0.2")
    await attempts.count_attempt("bob@example.org", "10.0.0.1")


@pytest.mark.usefixtures("counting")
async def test_who_guesses_from_many_addresses_gets_no_further() -> None:
    for number in range(30):
        await attempts.count_attempt("ada@example.org", f"10.0.0.{number}")

    with pytest.raises(RateLimited):
        await attempts.count_attempt("ada@example.org", "10.0.1.1")
    await attempts.count_attempt("bob@example.org", "10.0.1.1")


@pytest.mark.usefixtures("counting")
async def test_a_browser_the_account_knows_is_counted_by_itself() -> None:
    for number in range(30):
        await attempts.count_attempt("ada@example.org", f"10.0.0.{number}")
    for _ in range(60):
        await attempts.count_failure("10.0.0.1")

    for _ in range(6):
        await attempts.count_attempt("ada@example.org", "10.0.0.1", device="hers")
    with pytest.raises(RateLimited):
        await attempts.count_attempt("ada@example.org", "10.0.0.1", device="hers")
    await attempts.forget_attempts("ada@example.org", "10.0.0.1", device="hers")
    await attempts.count_attempt("ada@example.org", "10.0.0.1", device="hers")


@pytest.mark.usefixtures("counting")
async def test_questions_without_a_sign_in_are_limited_by_address() -> None:
    for _ in range(120):
        await attempts.count_question("10.0.0.1")

    with pytest.raises(RateLimited):
        await attempts.count_question("10.0.0.1")
    await attempts.count_question("10.0.0.2")


@pytest.mark.usefixtures("counting")
async def test_a_success_takes_the_accounts_failures_back() -> None:
    for _ in range(4):
        for _ in range(5):
            await attempts.count_attempt("ada@example.org", "10.0.0.1")
        await attempts.forget_attempts("ada@example.org", "10.0.0.1")


@pytest.mark.usefixtures("counting")
async def test_an_address_is_limited_over_all_accounts_by_its_failures_only() -> None:
    for number in range(100):
        await attempts.count_attempt(f"{number}@example.org", "10.0.0.1")
    for _ in range(60):
        await attempts.count_failure("10.0.0.1")

    with pytest.raises(RateLimited):
        await attempts.count_attempt("new@example.org", "10.0.0.1")
    await attempts.count_attempt("new@example.org", "10.0.0.2")


@pytest.mark.usefixtures("counting")
async def test_the_addresses_of_one_ipv6_network_are_one_place() -> None:
    for number in range(6):
        await attempts.count_attempt("ada@example.org", f"2001:db8:1:2::{number + 1:x}")
    for number in range(60):
        await attempts.count_failure(f"2001:db8:1:3::{number + 1:x}")

    for address in ("2001:db8:1:2:ffff::1", "2001:db8:1:3:ffff::1"):
        with pytest.raises(RateLimited):
            await attempts.count_attempt("ada@example.org", address)
    await attempts.count_attempt("ada@example.org", "2001:db8:1:4::1")


async def test_successes_while_what_has_run_out_is_swept_leave_no_error_behind() -> None:
    attempts.open_attempts("")
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["message"]))

    async def sign_in(number: int) -> None:
        await attempts.count_attempt(f"{number}@example.org", "10.0.0.1")
        await asyncio.sleep(0)
        await attempts.forget_attempts(f"{number}@example.org", "10.0.0.1")

    for _ in range(10):
        await asyncio.gather(*(sign_in(number) for number in range(40)))
    gc.collect()

    await attempts.close_attempts()
    assert failed == []


async def test_without_its_store_nobody_is_let_try() -> None:
    assert attempts.on_failure == "block"
    attempts.open_attempts("redis://127.0.0.1:9")

    with pytest.raises(UpstreamError):
        await attempts.count_attempt("ada@example.org", "10.0.0.1")

    await attempts.close_attempts()
