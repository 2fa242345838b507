"""When the same deployment is asked again: how often, after how long, and not more than a fifth on top of all requests.

A process that has just begun may retry a few times before it has earned that; what it was lent it earns back first, so
that of n requests at most max(n + 3, 1.2 n) attempts come, and from the fifteenth request on the fifth holds.

Sources: https://sre.google/sre-book/handling-overload/ (retry budget), and M. Brooker, Exponential Backoff And Jitter,
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from chatapp.errors import (
    AnswerUnusable,
    PromptTooLong,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    UpstreamError,
)

MAX_TRIES = 3
"""Of one deployment for one turn, where it fails or cannot be reached."""
BUDGET_SHARE = 0.2
"""Retries allowed for each request."""
_MAX_BUDGET = 10.0
_FIRST_BUDGET = 3.0
_FIRST_WAIT_SECONDS = 1.0
_MAX_WAIT_SECONDS = 4.0
_MARGIN_SECONDS = 0.05
"""On top of what a provider asks for, so that no clock is a little early."""
_JITTER = 0.5
"""Part of a wait that is left to chance, so that those who failed together do not come back together."""


@dataclass(slots=True)
class RetryBudget:
    """How many retries of a deployment the process may still make."""

    left: float = _FIRST_BUDGET
    _owed: float = _FIRST_BUDGET
    """Of what it began with, the part that no request has earned yet."""

    def earn(self) -> None:
        """Note a request that is no retry."""
        if self._owed > 0:
            self._owed = max(0.0, self._owed - BUDGET_SHARE)
        else:
            self.left = min(_MAX_BUDGET, self.left + BUDGET_SHARE)

    def spend(self) -> bool:
        """Take a retry out of the budget; False when there is none left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(frozen=True, slots=True)
class Again:
    """Ask the same deployment once more."""

    wait_seconds: float
    is_shorter: bool = False
    """With fewer sources and less history."""
    names_problem: bool = False
    """With the failure said in the prompt."""
    is_free: bool = False
    """Outside the budget: another request, which fits, and no burden on somebody who has too much to do."""


def again_after(error: UpstreamError, tries: int, *, has_next: bool, chance: float | None = None) -> Again | None:
    """Whether and how to ask the same deployment again.

    Args:
        error: how it failed, before any text was shown.
        tries: how often this turn has asked it, 1 or more.
        has_next: whether another deployment could be asked instead.
        chance: what the jitter is made of, 0 to below 1; None: one of its own. Those who failed together by one
            request come back together with one.

    Returns:
        None: go on to the next one.
    """
    match error:
        case ProviderOverloaded(retry_after_seconds=float() as seconds):
            # Whoever asks to be left alone is; somebody else answers meanwhile where there is somebody.
            return None if has_next or tries >= MAX_TRIES else Again(seconds + _MARGIN_SECONDS)
        case PromptTooLong():
            return Again(0.0, is_shorter=True, is_free=True) if tries < MAX_TRIES else None
        case ProviderRejected():
            return None
        case AnswerUnusable() | ProviderTimeout():
            is_slow = isinstance(error, ProviderTimeout)
            return Again(0.0, is_shorter=is_slow, names_problem=not is_slow) if tries == 1 else None
    return Again(_wait_seconds(tries, chance)) if tries < MAX_TRIES else None


def _wait_seconds(tries: int, chance: float | None) -> float:
    wait = min(_MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (tries - 1))
    if chance is None:
        chance = random.random()  # noqa: S311  # spreads load, guards nothing
    return wait * (1 + _JITTER * chance)


class _Budgets:
    """The retry budgets of this process, by deployment."""

    by_key: dict[str, RetryBudget] = {}  # noqa: RUF012  # one register a process is what this is


def budget_of(key: str) -> RetryBudget:
    """The retry budget of a deployment.

    Args:
        key: `Deployment.key`.
    """
    return _Budgets.by_key.setdefault(key, RetryBudget())


def forget_budgets() -> None:
    """Begin anew with full budgets: when the lifespan begins, and in tests."""
    _Budgets.by_key.clear()
