"""Circuit breakers: a deployment that keeps failing is not asked for a while, then probed by one request.

Source: M. Nygard, Release It!, 2nd edition, chapter 5, "Circuit Breaker".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import structlog

from chatapp.domain import utc_now

_log = structlog.get_logger(__name__)

WINDOW_SECONDS = 10.0
MIN_FAILURES = 5
"""Failures in the window below which nothing is concluded from them."""
MIN_FAILURE_SHARE = 0.5
FIRST_PAUSE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 60.0
"""Each probe that fails doubles the pause, up to this."""
MAX_REST_SECONDS = 86_400.0
"""Longest rest a provider can ask for: a date years away is a slip of its clock, and must not switch it off."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Requests pass."""
    OPEN = "open"
    """None passes."""
    HALF_OPEN = "half_open"
    """One passes, the probe; what becomes of it decides."""


class Permit(StrEnum):
    """Leave to send one request. Whoever has it reports with it how the request ended."""

    REQUEST = "request"
    """Given while closed: it says nothing any more once the breaker has opened meanwhile."""
    PROBE = "probe"
    """The one of a half-open breaker."""


@dataclass(slots=True)
class Counts:
    """What went to a deployment since the process began."""

    requests: int = 0
    """Turns that asked it."""
    retries: int = 0
    """Requests on top of those."""
    skipped: int = 0
    """Turns that went by it while it was open."""
    opened: int = 0
    """Times the breaker opened."""


@dataclass(slots=True)
class Breaker:
    """The breaker of one deployment in one process."""

    clock: Callable[[], float] = time.monotonic
    """Seconds, never backwards."""
    key: str = ""
    """Of the deployment."""
    reason: str = ""
    """The last failure's sentence; empty: there was none."""
    changed_at: datetime = field(default_factory=utc_now)
    """When it last opened or closed."""
    counts: Counts = field(default_factory=Counts)
    _outcomes: deque[tuple[float, bool]] = field(default_factory=deque)
    _opened_by: int = 0
    _open_until: float | None = None
    _pause_seconds: float = FIRST_PAUSE_SECONDS
    _is_probing: bool = False
    _held_until: float | None = None

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        if self.is_held:
            return BreakerState.OPEN
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.clock() < self._open_until else BreakerState.HALF_OPEN

    @property
    def is_held(self) -> bool:
        """Whether an admin's drill holds it open."""
        return self._held_until is not None and self.clock() < self._held_until

    @property
    def failures(self) -> int:
        """Failures in the window; of an open breaker those that opened it."""
        if self._open_until is not None:
            return self._opened_by
        self._forget_old()
        return self._failures()

    def admit(self) -> Permit | None:
        """Leave for a request to go out now, None where it may not; in `HALF_OPEN` once, for the probe."""
        state = self.state
        if state is BreakerState.HALF_OPEN and not self._is_probing:
            self._is_probing = True
            return Permit.PROBE
        return Permit.REQUEST if state is BreakerState.CLOSED else None

    def succeeded(self, permit: Permit = Permit.REQUEST) -> None:
        """Report that a request was answered."""
        if permit is Permit.PROBE:
            self._close()
        if self._open_until is None:
            self._note(is_success=True)

    def failed(
        self, permit: Permit = Permit.REQUEST, *, retry_after_seconds: float | None = None, reason: str = ""
    ) -> None:
        """Report that a request failed through the provider's fault.

        Args:
            permit: what it went out with.
            retry_after_seconds: how long the provider asks to be left alone: nothing goes out before.
            reason: how it failed, as a sentence.
        """
        self.reason = reason or self.reason
        if retry_after_seconds is not None and retry_after_seconds > 0:
            self._open(min(retry_after_seconds, MAX_REST_SECONDS))
        elif permit is Permit.PROBE:
            self._pause_seconds = min(self._pause_seconds * 2, MAX_PAUSE_SECONDS)
            self._open(self._pause_seconds)
        elif self._open_until is None:
            self._note(is_success=False)
            failures = self._failures()
            if failures >= MIN_FAILURES and failures >= MIN_FAILURE_SHARE * len(self._outcomes):
                self._open(self._pause_seconds)
        if permit is Permit.PROBE:
            self._is_probing = False

    def abandoned(self, permit: Permit = Permit.REQUEST) -> None:
        """Report that a request ended without telling anything: the person stopped it, or the request was wrong."""
        if permit is Permit.PROBE:
            self._is_probing = False

    def hold_open(self, seconds: float) -> None:
        """Hold it open for so long, an admin's drill; 0 lets it go."""
        self._held_until = self.clock() + seconds if seconds > 0 else None

    def seconds_until_probe(self) -> float:
        """How long nothing goes out; 0 when something may."""
        until = max(self._held_until or 0.0, self._open_until or 0.0)
        return max(0.0, until - self.clock())

    def _open(self, seconds: float) -> None:
        is_new = self._open_until is None
        if is_new:
            self._opened_by = max(1, self._failures())
        self._open_until = max(self._open_until or 0.0, self.clock() + seconds)
        self._outcomes.clear()
        if is_new:
            self.counts.opened += 1
            self.changed_at = utc_now()
            _log.warning("breaker.opened", deployment=self.key, seconds=round(seconds, 1), reason=self.reason)

    def _close(self) -> None:
        self._open_until, self._is_probing, self._pause_seconds = None, False, FIRST_PAUSE_SECONDS
        self._outcomes.clear()
        self.changed_at = utc_now()
        _log.info("breaker.closed", deployment=self.key)

    def _failures(self) -> int:
        return sum(not is_success for _, is_success in self._outcomes)

    def _note(self, *, is_success: bool) -> None:
        self._outcomes.append((self.clock(), is_success))
        self._forget_old()

    def _forget_old(self) -> None:
        oldest = self.clock() - WINDOW_SECONDS
        while self._outcomes and self._outcomes[0][0] < oldest:
            self._outcomes.popleft()


class _Breakers:
    """The breakers of this process, by deployment."""

    by_key: dict[str, Breaker] = {}  # noqa: RUF012  # one register a process is what this is


def breaker_of(key: str) -> Breaker:
    """The breaker of a deployment; closed when it was not asked before.

    Args:
        key: `Deployment.key`.
    """
    found = _Breakers.by_key.get(key)
    if found is None:
        found = _Breakers.by_key[key] = Breaker(key=key)
    return found


def all_breakers() -> Mapping[str, Breaker]:
    """Every breaker of this process, by deployment."""
    return _Breakers.by_key


def forget_breakers() -> None:
    """Begin anew with every breaker closed: when the lifespan begins, and in tests."""
    _Breakers.by_key.clear()
