"""Limits on failed sign-ins, per account and per address, shared by all web processes when Redis is there.

An account's failure is counted before the password is looked at, so a burst of parallel attempts cannot pass the
limit; a success takes the account's failures back. An account that does not exist is counted like any other.

Somebody who guesses must not keep the right password out: few wrong ones are allowed of an account from one address,
more from all together, and a browser that has signed in to the account before is counted by itself.
"""

from __future__ import annotations

import hashlib
import math
import time
from ipaddress import IPv6Network, ip_address
from typing import Literal

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from chatapp.errors import RateLimited, UpstreamError

_WINDOW_MINUTES = 5
_PER_PLACE = RateLimitItemPerMinute(6, _WINDOW_MINUTES)
"""Of one account from one network address, or in one browser it knows."""
_PER_ACCOUNT = RateLimitItemPerMinute(30, _WINDOW_MINUTES)
"""Of one account from everywhere else: who has many addresses to guess from gets no further with them."""
_PER_ADDRESS = RateLimitItemPerMinute(60, _WINDOW_MINUTES)
"""An office behind one address has many people; a guesser over many accounts has one address."""
_QUESTIONS = RateLimitItemPerMinute(120, 1)
"""Of one address, which nobody has to sign in for: an office opens its sign-in page at nine."""
_ONCE = RateLimitItemPerMinute(1, 15)
"""Longer than anything that may be used once lives."""

on_failure: Literal["allow", "block"] = "block"
"""Without its store a guesser would be unlimited, so nobody signs in until the store is back."""


class _Memory(MemoryStorage):
    """The library's, whose sweep of what has run out fails where a key went since it began."""

    async def clear(self, key: str) -> None:
        """Empty a key; the next sweep takes it away."""
        if key in self.events:
            self.events[key] = []
        else:
            await super().clear(key)


class _Attempts:
    """The process's counter; opened and closed by the lifespan."""

    limiter: MovingWindowRateLimiter | None = None
    redis: RedisStorage | None = None


def open_attempts(redis_url: str) -> None:
    """Begin to count, in Redis when there is one and in the process otherwise.

    Args:
        redis_url: address of Redis; empty for a single web process.
    """
    if redis_url:
        storage = _Attempts.redis = RedisStorage(
            f"async+{redis_url}", implementation="redispy", wrap_exceptions=True, key_prefix="chatapp:attempts"
        )
    else:
        storage = _Memory()
    _Attempts.limiter = MovingWindowRateLimiter(storage)


async def close_attempts() -> None:
    """Forget the counter and close its connections."""
    redis, _Attempts.redis, _Attempts.limiter = _Attempts.redis, None, None
    if redis is not None:
        await redis.bridge.storage.aclose()  # pyright: ignore[reportAttributeAccessIssue]


async def count_attempt(account: str, address: str, *, device: str = "") -> None:
    """Count one attempt to sign in, or refuse it.

    Args:
        account: the address somebody gave as theirs, in any case; need not exist.
        address: network address the request came from.
        device: name of a browser that has signed in to the account before; empty: of none.

    Raises:
        RateLimited: the account or the address failed too often in the last five minutes.
        UpstreamError: the store of the counters cannot be reached.
    """
    try:
        if device:
            await _hit(_PER_PLACE, _place_key(account, device))
            return
        if not await _limiter().test(_PER_ADDRESS, _address_key(address)):
            raise await _refusal(_PER_ADDRESS, _address_key(address))
        # The place first: what it is refused does not count against the account.
        await _hit(_PER_PLACE, _place_key(account, address))
        await _hit(_PER_ACCOUNT, _account_key(account))
    except StorageError as error:
        raise UpstreamError("Signing in is not possible at the moment. Try again.") from error


async def count_question(address: str) -> None:
    """Count a question that anybody may ask and that costs something, or refuse it.

    Args:
        address: network address it came from.

    Raises:
        RateLimited: too many came from there within a minute.
        UpstreamError: the store of the counters cannot be reached.
    """
    try:
        await _hit(_QUESTIONS, f"question:{_network(address)}")
    except StorageError as error:
        raise UpstreamError("Signing in is not possible at the moment. Try again.") from error


async def _hit(item: RateLimitItem, key: str) -> None:
    if not await _limiter().hit(item, key):
        raise await _refusal(item, key)


async def count_failure(address: str) -> None:
    """Count a failed attempt against the address it came from; successes do not count, however many there are."""
    try:
        await _limiter().hit(_PER_ADDRESS, _address_key(address))
    except StorageError as error:
        raise UpstreamError("Signing in is not possible at the moment. Try again.") from error


async def forget_attempts(account: str, address: str, *, device: str = "") -> None:
    """Take the account's failures back after a success, those from other places among them only in their sum.

    Args:
        account: as for `count_attempt`.
        address: as for `count_attempt`.
        device: as for `count_attempt`.
    """
    try:
        await _limiter().clear(_PER_PLACE, _place_key(account, device or address))
        await _limiter().clear(_PER_ACCOUNT, _account_key(account))
    except StorageError:
        # They run out by themselves; a person who has just proved who they are is not turned away for it.
        return


async def use_once(token: str) -> bool:
    """Whether something that is good for one use, and for less than 15 minutes, is used for the first time.

    Raises:
        UpstreamError: the store of the counters cannot be reached, so nobody can tell.
    """
    try:
        return await _limiter().hit(_ONCE, "once:" + hashlib.sha256(token.encode("utf-8", "replace")).hexdigest())
    except StorageError as error:
        raise UpstreamError("Signing in is not possible at the moment. Try again.") from error


def _limiter() -> MovingWindowRateLimiter:
    if _Attempts.limiter is None:
        raise RuntimeError("sign-in attempts are not counted yet: run inside the lifespan")
    return _Attempts.limiter


async def _refusal(item: RateLimitItem, key: str) -> RateLimited:
    reset_time, _ = await _limiter().get_window_stats(item, key)
    seconds = max(1, math.ceil(reset_time - time.time()))
    return RateLimited("Too many attempts to sign in.", retry_after_seconds=seconds, limit=item.amount)


def _address_key(address: str) -> str:
    return f"address:{_network(address)}"


def _network(address: str) -> str:
    """What stands for one place: of IPv6 the first 64 bits, for whoever has one of these addresses has all of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64)))


def _place_key(account: str, place: str) -> str:
    return f"{_account_key(account)}:{_network(place)}"


def _account_key(account: str) -> str:
    # Hashed: anybody may send any text as an account, and the key must stay short and free of separators.
    return "account:" + hashlib.sha256(account.strip().lower().encode("utf-8", "replace")).hexdigest()
