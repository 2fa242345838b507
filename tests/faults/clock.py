"""A clock that tests move, for breakers and the waits of a chain: no test sleeps through a pause."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from chatapp.routing import breaker, chain


@dataclass
class Clock:
    """Seconds, moved by hand and by what waits."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.now += seconds
        await asyncio.sleep(0)


class _Waits:
    """`asyncio` as the chain sees it: everything but the waiting."""

    def __init__(self, clock: Clock) -> None:
        self.sleep = clock.sleep

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)


def use_clock(monkeypatch: pytest.MonkeyPatch, *keys: str) -> Clock:
    """Let the breakers of these deployments, and the waits between tries, go by a clock of the test's."""
    clock = Clock()
    monkeypatch.setattr(chain, "asyncio", _Waits(clock))
    for key in keys:
        breaker._Breakers.by_key[key] = breaker.Breaker(clock, key=key)
    return clock
