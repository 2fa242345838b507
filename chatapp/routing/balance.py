"""Sharing the work between equal deployments of a model.

Each process balances by what it sees itself: requests it has in flight, and how long its own took to begin. Whose
breaker is open is put last, so that nobody waits for a place that is known to be down.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chatapp.routing.breaker import BreakerState, breaker_of
from chatapp.routing.route import Deployment

_NEWEST_SHARE = 0.3
"""Of the newest time in the moving average: the last five or so decide."""
_EXPLORED_SHARE = 0.05
"""Of requests that go to another than the quickest, so that one that became quick again is found."""
_PAUSE_SECONDS = 10.0
"""How long a deployment that brought no text is not explored."""


_now = time.monotonic


class Balance(StrEnum):
    """How equal deployments share the work."""

    IN_ORDER = "in_order"
    """The first as long as it answers."""
    WEIGHTED = "weighted"
    """By chance, as often as their weights say."""
    LOWEST_LATENCY = "lowest_latency"
    """The one whose answers begin soonest."""
    LEAST_BUSY = "least_busy"
    """The one with the fewest requests in flight for its weight."""


@dataclass(slots=True)
class _Load:
    """What this process knows of a deployment."""

    in_flight: int = 0
    average_seconds: float | None = None
    """Moving average of the time to the first text; None: none came yet."""
    silent_at: float | None = None
    """When a request last ended without any text."""


class _Loads:
    """What this process knows, by deployment."""

    by_key: dict[str, _Load] = {}  # noqa: RUF012  # one register a process is what this is
    random = random.Random()  # noqa: S311  # spreads load, guards nothing


def note_begin(key: str) -> None:
    """Note that a request goes out.

    Args:
        key: `Deployment.key`.
    """
    _load(key).in_flight += 1


def note_end(key: str, seconds_to_first_text: float | None) -> None:
    """Note that a request has ended, however it did.

    Args:
        key: `Deployment.key`.
        seconds_to_first_text: from its beginning; None: no text came.
    """
    load = _load(key)
    load.in_flight = max(0, load.in_flight - 1)
    if seconds_to_first_text is None:
        load.silent_at = _now()
    elif load.average_seconds is None:
        load.average_seconds = seconds_to_first_text
    else:
        load.average_seconds += _NEWEST_SHARE * (seconds_to_first_text - load.average_seconds)


def arrange(deployments: Sequence[Deployment], balance: Balance) -> tuple[Deployment, ...]:
    """Equal deployments in the order in which to ask them now."""
    if len(deployments) == 1:
        return tuple(deployments)
    deployments = _ORDERS[balance](deployments)
    return tuple(sorted(deployments, key=lambda each: breaker_of(each.key).state is BreakerState.OPEN))


def forget_loads() -> None:
    """Begin anew knowing nothing: when the lifespan begins, and in tests."""
    _Loads.by_key.clear()


def _in_order(deployments: Sequence[Deployment]) -> Sequence[Deployment]:
    return deployments


def _weighted(deployments: Sequence[Deployment]) -> Sequence[Deployment]:
    """Drawn one after the other, each with a chance in proportion to its weight.

    Source: P. Efraimidis and P. Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    # A weight of 0 is only asked when nobody else answers.
    draws = {id(each): _Loads.random.random() ** (1 / each.weight) if each.weight > 0 else -1.0 for each in deployments}
    return sorted(deployments, key=lambda each: -draws[id(each)])


def _lowest_latency(deployments: Sequence[Deployment]) -> Sequence[Deployment]:
    """The quickest first; one that was never timed is tried before, by one request at a time."""
    timed = sorted(deployments, key=_seconds)
    unknown = [each for each in timed if _is_to_explore(_load(each.key))]
    if not unknown and _Loads.random.random() < _EXPLORED_SHARE:
        unknown = [timed[_Loads.random.randrange(1, len(timed))]]
    chosen = {id(each) for each in unknown}
    return [*unknown, *(each for each in timed if id(each) not in chosen)]


def _least_busy(deployments: Sequence[Deployment]) -> Sequence[Deployment]:
    # Among equally busy ones chance decides: else the first of the list would have all the work of a quiet hour.
    shuffled = _Loads.random.sample(list(deployments), len(deployments))
    return sorted(shuffled, key=lambda each: (_load(each.key).in_flight + 1) / max(each.weight, 0.001))


def _seconds(deployment: Deployment) -> float:
    average = _load(deployment.key).average_seconds
    return float("inf") if average is None else average


def _is_to_explore(load: _Load) -> bool:
    is_pausing = load.silent_at is not None and _now() - load.silent_at < _PAUSE_SECONDS
    return load.average_seconds is None and not load.in_flight and not is_pausing


def _load(key: str) -> _Load:
    return _Loads.by_key.setdefault(key, _Load())


_ORDERS: dict[Balance, Callable[[Sequence[Deployment]], Sequence[Deployment]]] = {
    Balance.IN_ORDER: _in_order,
    Balance.WEIGHTED: _weighted,
    Balance.LOWEST_LATENCY: _lowest_latency,
    Balance.LEAST_BUSY: _least_busy,
}
