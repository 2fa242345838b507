"""Circuit breakers: a deployment that keeps failing is not asked for a while, then probed by one request.

Source: M. Nygard, Release It!, 2nd edition, chapter 5, "Circuit Breaker".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

WINDOW_SECONDS = 10.0
MIN_FAILURES = 5
"""Failures in the window below which nothing is concluded from them."""
MIN_FAILURE_SHARE = 0.5
FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 60.0
"""Each probe that fails doubles the pause, up to this."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Requests pass."""
    OPEN = "open"
    """None passes."""
    HALF_OPEN = "half_open"
    """One passes, the probe; what becomes of it decides."""


@dataclass(slots=True)
class Breaker:
    """The breaker of one deployment in one process."""

    clock: Callable[[], float] = time.monotonic
    """Seconds, never backwards."""
    _outcomes: deque[tuple[float, bool]] = field(default_factory=deque)
    _open_until: float | None = None
    _pause_seconds: float = FIRST_PAUSE_SECONDS
    _is_probing: bool = False
    _is_forced: bool = False

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self._is_forced:
            return BreakerState.OPEN
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.clock() < self._open_until else BreakerState.HALF_OPEN

    def admit(self) -> bool:
        """Whether a request may go out now; True in `HALF_OPEN` once, for the probe, which must be reported."""
        state = self.state
        if state is BreakerState.HALF_OPEN and not self._is_probing:
            self._is_probing = True
            return True
        return state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Report that a request was answered."""
        if self._open_until is not None:
            self._outcomes.clear()
        self._open_until, self._is_probing, self._pause_seconds = None, False, FIRST_PAUSE_SECONDS
        self._note(is_success=True)

    def failed(self, *, retry_after_seconds: float | None = None) -> None:
        """Report that a request failed through the provider's fault.

        Args:
            retry_after_seconds: how long the provider asks to be left alone: nothing goes out before.
        """
        if retry_after_seconds is not None and retry_after_seconds > 0:
            self._open(retry_after_seconds)
            return
        if self._open_until is not None:
            self._pause_seconds = min(self._pause_seconds * 2, MAX_PAUSE_SECONDS)
            self._open(self._pause_seconds)
            return
        self._note(is_success=False)
        failures = sum(not is_success for _, is_success in self._outcomes)
        if failures >= MIN_FAILURES and failures >= MIN_FAILURE_SHARE * len(self._outcomes):
            self._open(self._pause_seconds)

    def abandoned(self) -> None:
        """Report that a request ended without telling anything: the person stopped it, or the request was wrong."""
        self._is_probing = False

    def force_open(self, *, is_open: bool) -> None:
        """Hold it open, or let it go: the drill of an admin."""
        self._is_forced = is_open

    def seconds_until_probe(self) -> float:
        """How long nothing goes out; 0 when something may."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self.clock())

    def _open(self, seconds: float) -> None:
        self._open_until = max(self._open_until or 0.0, self.clock() + seconds)
        self._is_probing = False
        self._outcomes.clear()

    def _note(self, *, is_success: bool) -> None:
        now = self.clock()
        self._outcomes.append((now, is_success))
        while self._outcomes and self._outcomes[0][0] < now - WINDOW_SECONDS:
            self._outcomes.popleft()


class _Breakers:
    """The breakers of this process, by deployment."""

    by_key: dict[str, Breaker] = {}  # noqa: RUF012  # one register a process is what this is


def breaker_of(key: str) -> Breaker:
    """The breaker of a deployment; closed when it was not asked before.

    Args:
        key: `Deployment.key`.
    """
    return _Breakers.by_key.setdefault(key, Breaker())


def breaker_states() -> dict[str, BreakerState]:
    """Where each breaker of this process stands."""
    return {key: breaker.state for key, breaker in _Breakers.by_key.items()}


def forget_breakers() -> None:
    """Begin anew with every breaker closed: when the lifespan begins, and in tests."""
    _Breakers.by_key.clear()
