"""How many answers are made at once, who waits for a place, and when a question is refused rather than let wait.

A process makes only so many answers at once, a tenant has so many over all processes, and a provider is asked so
many things at once over all processes. The first two are one queue, which a question joins before anything of it is
looked up; the third is joined before a request goes out. A question is refused before anything is done for it when
its turn would not come in time or the process is behind, batch work at half of what a person's question may wait.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from chatapp.errors import TooManyInFlight
from chatapp.limits import refusals
from chatapp.limits.fair_queue import Claim, Lane
from chatapp.limits.loop_lag import LoopLag
from chatapp.limits.places import OnWait, Places
from chatapp.limits.shared_places import SharedPlaces

_BATCH_SHARE = 0.5
"""Of what a person's question may wait, or of how far the process may be behind, from which batch work is refused."""
_PROMISED_SHARE = 0.75
"""Of what somebody may wait, so much they are let in for: how long places are held is not known before, and who waited
in vain was told too late. Where much is asked all the time the queue is as long as it may be."""
_BEHIND_SECONDS = 2.0
"""When to come back to a process that was behind; it knows no better."""
_MAX_RETRY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much waiting there may be."""

    process_places: int
    """Answers a process makes at once."""
    patience_seconds: float
    """Longest wait for a place."""
    loop_lag_seconds: float
    """How late the event loop may be."""


@dataclass(frozen=True, slots=True)
class ProviderLimit:
    """How many things a provider is asked at once."""

    name: str
    """The provider's; unique in the installation."""
    places: int


@dataclass(slots=True)
class Concurrency:
    """The process's places."""

    bounds: Bounds
    shared: SharedPlaces | None
    turns: Places
    lag: LoopLag = field(default_factory=LoopLag)
    elsewhere: dict[str, int] = field(default_factory=dict)
    """How many wait in other processes for the places of a key, as far as they have said so."""
    providers: dict[str, Places] = field(default_factory=dict)

    def provider(self, limit: ProviderLimit) -> Places:
        """The places of a provider."""
        found = self.providers.get(limit.name)
        if found is None:
            name = f"provider:{limit.name}"
            found = Places(
                name, places=limit.places, of_installation=True, shared=self.shared, elsewhere=self.elsewhere
            )
            self.providers[limit.name] = found
        found.resize(limit.places)
        return found

    def waiting_by_key(self) -> dict[str, int]:
        """How many wait in this process for the places of each key."""
        waiting = Counter(self.turns.waiting_by_key())
        for places in self.providers.values():
            waiting.update(places.waiting_by_key())
        return dict(waiting)


class _Process:
    """The process's places; opened and closed by the lifespan."""

    concurrency: Concurrency | None = None


def open_concurrency(bounds: Bounds, *, is_shared: bool) -> None:
    """Begin to give out places.

    Args:
        bounds: how much waiting there may be.
        is_shared: whether there are other processes, and Redis between them.
    """
    shared = SharedPlaces() if is_shared else None
    elsewhere: dict[str, int] = {}
    turns = Places("turns", places=bounds.process_places, of_installation=False, shared=shared, elsewhere=elsewhere)
    _Process.concurrency = made = Concurrency(bounds, shared, turns, elsewhere=elsewhere)
    made.lag.open()
    if shared is not None:
        shared.open()


async def close_concurrency() -> None:
    """Give every place back."""
    made, _Process.concurrency = _Process.concurrency, None
    if made is not None:
        await made.lag.close()
        if made.shared is not None:
            await made.shared.close()


def concurrency() -> Concurrency:
    """The process's places.

    Raises:
        RuntimeError: the lifespan has not opened them.
    """
    if _Process.concurrency is None:
        raise RuntimeError("places are not given out yet: run inside the web process's lifespan")
    return _Process.concurrency


def is_open() -> bool:
    """Whether this process gives out places: a web process does."""
    return _Process.concurrency is not None


def require_room(claim: Claim, *, of_tenant: int) -> None:
    """Refuse a question that could not be begun in time. Nothing has been done for it yet.

    Args:
        claim: whose question.
        of_tenant: how many answers the tenant may have in the making.

    Raises:
        TooManyInFlight: it is refused; says when to come back.
    """
    made = concurrency()
    if made.lag.seconds > made.bounds.loop_lag_seconds * _share(claim):
        raise _refusal(claim, "process_behind", _BEHIND_SECONDS, of_tenant)
    _require_short(claim, made.turns.expected_wait(claim, of_tenant=of_tenant), of_tenant)


def require_provider_room(claim: Claim, limits: list[ProviderLimit | None]) -> None:
    """Refuse a question that every provider of its route would have to keep waiting for too long.

    Args:
        claim: whose question.
        limits: those of the providers that may answer it; None: one without a limit.

    Raises:
        TooManyInFlight: it is refused; says when to come back.
    """
    made = concurrency()
    waits = [0.0 if limit is None else made.provider(limit).expected_wait(claim) for limit in limits]
    _require_short(claim, min(waits, default=0.0))
    if limits and limits[0] is not None:
        made.provider(limits[0]).announce(claim.tenant_id)


@asynccontextmanager
async def turn_place(claim: Claim, *, of_tenant: int, on_wait: OnWait | None = None) -> AsyncIterator[float]:
    """Hold a place for making an answer; wait for it first where there is none.

    Yields:
        seconds waited.

    Raises:
        TooManyInFlight: there was none in time.
    """
    made = concurrency()
    waiting = made.turns.place(
        claim, of_tenant=of_tenant, patience_seconds=made.bounds.patience_seconds, on_wait=on_wait
    )
    async with AsyncExitStack() as stack:
        try:
            seconds = await stack.enter_async_context(waiting)
        except TooManyInFlight:
            refusals.note(claim, "waited_too_long")
            raise
        yield seconds


@asynccontextmanager
async def provider_place(claim: Claim, limit: ProviderLimit, *, on_wait: OnWait | None = None) -> AsyncIterator[float]:
    """Hold a place at a provider; wait for it first where there is none, unless that would take too long.

    Yields:
        seconds waited.

    Raises:
        TooManyInFlight: there is none in time.
    """
    made = concurrency()
    places, patience = made.provider(limit), made.bounds.patience_seconds
    places.arrive(claim.tenant_id)
    if (wait := places.expected_wait(claim)) > patience:
        raise TooManyInFlight("The model has too much to do at the moment.", retry_after_seconds=wait - patience)
    async with places.place(claim, patience_seconds=patience, on_wait=on_wait) as seconds:
        yield seconds


def needs_no_place(claim: Claim, limit: ProviderLimit) -> None:
    """Somebody who was let in shares the request of another, and so takes no place of the provider's."""
    concurrency().provider(limit).arrive(claim.tenant_id)


def _require_short(claim: Claim, wait_seconds: float, limit: int | None = None) -> None:
    bound = concurrency().bounds.patience_seconds * _PROMISED_SHARE * _share(claim)
    if wait_seconds > bound:
        # By then the queue has become short enough, if nobody else comes.
        raise _refusal(claim, "queue_too_long", wait_seconds - bound, limit)


def _share(claim: Claim) -> float:
    return 1.0 if claim.lane is Lane.INTERACTIVE else _BATCH_SHARE


def _refusal(claim: Claim, reason: refusals.Reason, seconds: float, limit: int | None) -> TooManyInFlight:
    refusals.note(claim, reason)
    seconds = min(_MAX_RETRY_SECONDS, max(1.0, math.ceil(seconds)))
    return TooManyInFlight(
        f"Too much is being asked at the moment, and this question would wait too long. Try again in {seconds:.0f} "
        f"second{'s' if seconds > 1 else ''}.",
        retry_after_seconds=seconds,
        limit=limit,
    )
