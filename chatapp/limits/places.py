"""So many places, and a fair queue before them. Exact within a process; over several through leases.

A place is granted by whoever gives one back, so nobody asks again and again whether there is one. It comes back
however its holder ends. Where processes share the places, one that finds none hears of the next through Redis, and
looks again by itself every second for those of a killed process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from chatapp.errors import TooManyInFlight
from chatapp.limits.fair_queue import Claim, FairQueue, Lane, Waiter
from chatapp.limits.shared_places import SharedPlaces
from chatapp.store.shared_places import installation_key, tenant_key

OnWait = Callable[[int], Awaitable[None]]
"""Told how many are served before this one, itself included; once it waits, and when the number changes."""

_SAY_AFTER_SECONDS = 0.2
"""A wait nobody notices is not spoken of."""
_SAY_AGAIN_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 1.0
_RECENT = 0.1
"""Weight of the last place given back in how long a place is held, once there were some."""
_FIRST_GUESS_SECONDS = 2.0
_ARRIVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many hold and want places at a moment."""

    running: int = 0
    waiting: int = 0
    oldest_seconds: float = 0.0
    """How long the one waits that has waited longest; 0: nobody does."""

    def __add__(self, other: Crowd) -> Crowd:
        """Both together."""
        return Crowd(
            self.running + other.running,
            self.waiting + other.waiting,
            max(self.oldest_seconds, other.oldest_seconds),
        )


class Places:
    """Places of one kind."""

    def __init__(
        self,
        name: str,
        *,
        places: int,
        of_installation: bool,
        shared: SharedPlaces | None = None,
        elsewhere: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Begin with every place free.

        Args:
            name: what the places are for; part of the keys.
            places: how many there are.
            of_installation: whether all processes have them together; otherwise this one has so many of its own, and
                together they have those of each tenant.
            shared: what the processes share; None: there is no other one.
            elsewhere: how many wait in other processes for the places of a key.
        """
        self.name = name
        self._places = places
        self._of_installation = of_installation
        self._shared = shared
        self._queue = FairQueue()
        self._held: Counter[UUID] = Counter()
        self._places_of: dict[UUID, int] = {}
        """What each tenant that holds or wants one may have; none: any number."""
        self._leasing: dict[str, Waiter] = {}
        """Who a place is being leased for, by its key: one at a time, so that nobody overtakes."""
        self._taken: set[str] = set()
        """Keys found without a free place a moment ago."""
        self._seconds = _FIRST_GUESS_SECONDS
        self._given_back = 0
        self._since: dict[int, float] = {}
        """Since when places are held, in the order in which they were taken."""
        self._coming: deque[tuple[float, UUID]] = deque()
        """When those were let in who will want a place in a moment, and their tenants."""
        self._elsewhere = elsewhere
        if shared is not None:
            shared.on_free(self._look_again)

    @asynccontextmanager
    async def place(
        self, claim: Claim, *, of_tenant: int | None = None, patience_seconds: float, on_wait: OnWait | None = None
    ) -> AsyncIterator[float]:
        """Hold a place while the block runs; wait for it first where there is none.

        Args:
            claim: who wants it.
            of_tenant: how many places the tenant may have at once; None: any number.
            patience_seconds: longest wait.
            on_wait: told of the wait.

        Yields:
            seconds waited.

        Raises:
            TooManyInFlight: there was no place within the time.
        """
        if of_tenant is not None:
            self._places_of[claim.tenant_id] = of_tenant
        waiter = Waiter(claim, asyncio.get_running_loop().create_future())
        self._queue.push(waiter)
        self._grant()
        if not waiter.granted.done():
            await self._wait(waiter, patience_seconds, on_wait)
        self._since[id(waiter)] = began = time.monotonic()
        try:
            yield began - waiter.since
        finally:
            del self._since[id(waiter)]
            self._given_back += 1
            # Until there are some, the guess counts as one of them.
            weight = max(_RECENT, 1 / (self._given_back + 1))
            self._seconds += weight * (time.monotonic() - began - self._seconds)
            self._give_back(waiter)

    def resize(self, places: int) -> None:
        """Have so many places from now on; with fewer than are held, those come back first."""
        self._places = places
        self._grant()

    def announce(self, tenant_id: UUID) -> None:
        """Somebody is on the way here and wants a place in a moment; they count as one that waits."""
        self._coming.append((time.monotonic(), tenant_id))

    def arrive(self, tenant_id: UUID) -> None:
        """Somebody who was announced is here, or needs no place any more."""
        announced = next((each for each in self._coming if each[1] == tenant_id), None)
        if announced is not None:
            self._coming.remove(announced)

    def _on_the_way(self) -> Counter[UUID]:
        # Who is announced and goes elsewhere is waited for no longer than this.
        while self._coming and time.monotonic() - self._coming[0][0] > _ARRIVE_SECONDS:
            self._coming.popleft()
        return Counter(tenant_id for _, tenant_id in self._coming)

    def expected_wait(self, claim: Claim, *, of_tenant: int | None = None) -> float:
        """Seconds until somebody who came now would have a place, going by how long places were held of late.

        Args:
            claim: whose.
            of_tenant: how many places the tenant may have at once; None: any number.
        """
        tenant_id = claim.tenant_id
        elsewhere = self._elsewhere.get(self._key(tenant_id), 0)
        coming = self._on_the_way()
        waits = [0.0]
        if self._held.total() + len(self._queue) + coming.total() >= self._places or (
            elsewhere and self._of_installation
        ):
            ahead = self._queue.ahead(claim, self._has_room) + (elsewhere if self._of_installation else 0)
            own = coming.pop(tenant_id, 0)
            ahead += own + sum(min(count, own + 1) for count in coming.values())
            waits.append((ahead + 1) * self._likely_seconds() / self._places)
        if of_tenant is not None:
            own = self._queue.count(tenant_id, up_to=claim.lane)
            if self._held[tenant_id] + own >= of_tenant or elsewhere:
                waits.append((own + 1 + elsewhere) * self._likely_seconds() / of_tenant)
        return max(waits)

    def _likely_seconds(self) -> float:
        """How long a place is held: as long as of late, or as the oldest is by now where none has come back yet."""
        oldest = next(iter(self._since.values()), None)
        if self._given_back or oldest is None:
            return self._seconds
        return max(self._seconds, time.monotonic() - oldest)

    def crowd(self) -> Crowd:
        """Everybody."""
        return self._crowd(self._held.total() - len(self._leasing), list(self._waiting()))

    def crowd_of_lane(self, lane: Lane) -> Crowd:
        """Who waits in a lane; those with a place are in none any more."""
        return self._crowd(0, [waiter for waiter in self._waiting() if waiter.claim.lane == lane])

    def crowds(self) -> dict[UUID, Crowd]:
        """By tenant."""
        waiting: dict[UUID, list[Waiter]] = {tenant_id: [] for tenant_id in self._held}
        for waiter in self._waiting():
            waiting.setdefault(waiter.claim.tenant_id, []).append(waiter)
        leasing = Counter(waiter.claim.tenant_id for waiter in self._leasing.values())
        return {key: self._crowd(self._held[key] - leasing[key], own) for key, own in waiting.items()}

    def waiting_by_key(self) -> dict[str, int]:
        """How many wait here for the places of each key."""
        return dict(Counter(self._key(waiter.claim.tenant_id) for waiter in self._waiting()))

    def _waiting(self) -> Iterator[Waiter]:
        """Everybody who wants a place and has none."""
        yield from self._queue
        yield from (waiter for waiter in self._leasing.values() if not waiter.granted.done())

    async def _wait(self, waiter: Waiter, patience_seconds: float, on_wait: OnWait | None) -> None:
        until = waiter.since + patience_seconds
        pause, said = _SAY_AFTER_SECONDS, 0
        try:
            while not waiter.granted.done():
                await asyncio.wait({waiter.granted}, timeout=max(0.0, min(pause, until - time.monotonic())))
                if waiter.granted.done():
                    break
                if time.monotonic() >= until:
                    of_tenant = self._places_of.get(waiter.claim.tenant_id)
                    wait = self.expected_wait(waiter.claim, of_tenant=of_tenant)
                    raise TooManyInFlight(
                        f"There was no free place within {patience_seconds:.0f} seconds: too much is being asked. "
                        "Try again in a while.",
                        retry_after_seconds=wait,
                        limit=of_tenant,
                    )
                number = self._queue.ahead(waiter.claim, self._has_room, waiter) + 1
                if on_wait is not None and number != said:
                    said = number
                    await on_wait(number)
                pause = _SAY_AGAIN_SECONDS
        except BaseException:
            self._abandon(waiter)
            raise

    def _abandon(self, waiter: Waiter) -> None:
        if waiter.granted.done():
            self._give_back(waiter)
            return
        # Whoever is being asked for at this moment is seen to have left when the answer comes.
        waiter.granted.cancel()
        self._queue.remove(waiter)
        self._leave_line(waiter.claim.tenant_id)
        self._forget(waiter.claim.tenant_id)

    def _grant(self) -> None:
        """Give out the free places."""
        while self._held.total() < self._places and (waiter := self._queue.pop(self._has_room)) is not None:
            tenant_id = waiter.claim.tenant_id
            self._held[tenant_id] += 1
            places = self._places if self._of_installation else self._places_of.get(tenant_id)
            if self._shared is None or places is None:
                waiter.granted.set_result(None)
            else:
                self._leasing[self._key(tenant_id)] = waiter
                self._shared.run(self._lease(self._shared, waiter, places))

    async def _lease(self, shared: SharedPlaces, waiter: Waiter, places: int) -> None:
        """Have the place a waiter was given here over all processes too, or let it wait on."""
        tenant_id, lease = waiter.claim.tenant_id, None
        key = self._key(tenant_id)
        try:
            lease = await shared.take(key, places)
        finally:
            self._leasing.pop(key, None)
            if lease is None:
                self._put_back(waiter, key)
        if lease is not None:
            waiter.lease = lease
            if waiter.granted.done():
                self._give_back(waiter)
            else:
                waiter.granted.set_result(None)
        self._grant()

    def _put_back(self, waiter: Waiter, key: str) -> None:
        self._count_down(waiter.claim.tenant_id)
        if not waiter.granted.done():
            self._queue.push_front(waiter)
        self._leave_line(waiter.claim.tenant_id)
        self._taken.add(key)
        asyncio.get_running_loop().call_later(_LOOK_AGAIN_SECONDS, self._look_again, key)

    def _give_back(self, waiter: Waiter) -> None:
        tenant_id = waiter.claim.tenant_id
        key = self._key(tenant_id)
        self._count_down(tenant_id)
        if self._shared is not None:
            self._shared.give_back(key, waiter.lease)
        self._grant()
        self._forget(tenant_id)

    def _look_again(self, key: str) -> None:
        if key:
            self._taken.discard(key)
        else:
            self._taken.clear()
        self._grant()

    def _has_room(self, tenant_id: UUID) -> bool:
        of_tenant = self._places_of.get(tenant_id)
        if of_tenant is not None and self._held[tenant_id] >= of_tenant:
            return False
        if self._shared is None:
            return True
        key = self._key(tenant_id)
        return key not in self._leasing and key not in self._taken

    def _key(self, tenant_id: UUID) -> str:
        """Of the places that processes share and a tenant's are counted among."""
        return installation_key(self.name) if self._of_installation else tenant_key(tenant_id, self.name)

    def _count_down(self, tenant_id: UUID) -> None:
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]

    def _leave_line(self, tenant_id: UUID) -> None:
        """Tell the other processes when nobody here waits for what they wait for."""
        waiting = len(self._queue) if self._of_installation else self._queue.count(tenant_id)
        if self._shared is not None and not waiting:
            self._shared.leave(self._key(tenant_id))

    def _forget(self, tenant_id: UUID) -> None:
        if tenant_id not in self._held and not self._queue.count(tenant_id):
            self._places_of.pop(tenant_id, None)

    @staticmethod
    def _crowd(running: int, waiting: list[Waiter]) -> Crowd:
        now = time.monotonic()
        return Crowd(running, len(waiting), max((now - waiter.since for waiter in waiting), default=0.0))
