"""Requests that are the same and in flight at the same moment become one call to the provider.

Two requests are the same when their tenant, deployment and every character of the prompt, the excerpts and the
parameters are. Sources are part of the prompt, so only askers whose questions found the same passages share, and what
one of them may not read stands in none of the others' prompts.

Who joins has the deltas from the beginning and then follows. The call ends when the last one has left, whoever made
it. A failure is everybody's: each goes on as its own route has it. They decide once whether to try again, and come
back at the same moment, so that the next try is one call too. Who was there first of those that stayed pays; to the
others it cost nothing.

Sharing is within one process: two web processes that are asked the same make two calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from chatapp.domain import Usage
from chatapp.providers.base import Delta, ProviderRequest
from chatapp.telemetry import metrics

Begin = Callable[[], AbstractAsyncContextManager[AsyncGenerator[Delta, None]]]
"""Makes the call; entering waits for leave to make it."""


def key_of(tenant_id: UUID, deployment: str, request: ProviderRequest) -> str:
    """What tells a request from every other one.

    Args:
        tenant_id: whose request.
        deployment: `Deployment.key`.
        request: everything that is sent.
    """
    return f"{tenant_id}:{hashlib.sha256(repr((deployment, request)).encode('utf-8', 'replace')).hexdigest()}"


class Seat:
    """One turn's place at a call."""

    def __init__(self, flight: _Flight, *, is_joined: bool) -> None:
        """Take a place.

        Args:
            flight: the call.
            is_joined: whether another turn made it.
        """
        self.is_joined = is_joined
        self._flight = flight

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """The answer from its beginning.

        Raises:
            UpstreamError: the call failed.
        """
        flight, read = self._flight, 0
        while True:
            news = flight.news
            while read < len(flight.deltas):
                read += 1
                yield flight.deltas[read - 1]
            if flight.error is not None:
                raise flight.error
            if flight.is_over:
                return
            await news.wait()

    def leave(self) -> bool:
        """Take no more of it; True when the call counts as this turn's."""
        return self._flight.leave(self)

    @property
    def chance(self) -> float:
        """Between 0 and 1, the same for everybody at this call."""
        return self._flight.chance

    def once(self, decision: Callable[[], bool]) -> bool:
        """Decide something for everybody at this call; who asks later has what the first one was told."""
        if self._flight.decided is None:
            self._flight.decided = decision()
        return self._flight.decided

    def reported(self) -> Usage | None:
        """What the provider said of its usage."""
        return next((delta.usage for delta in reversed(self._flight.deltas) if delta.usage is not None), None)


class _Flight:
    """One call to a provider and those who want what comes of it."""

    def __init__(self, key: str, begin: Begin) -> None:
        self.deltas: list[Delta] = []
        self.error: Exception | None = None
        self.news = asyncio.Event()
        self.has_begun = False
        self.is_over = False
        self.seats: list[Seat] = []
        self.chance = random.random()  # noqa: S311  # spreads load, guards nothing
        self.decided: bool | None = None
        self._key = key
        self._payer: Seat | None = None
        self._call = asyncio.create_task(self._run(begin), name="shared request")

    async def begun(self) -> None:
        """Return when the call goes out.

        Raises:
            UpstreamError: it never will.
        """
        while not self.has_begun and not self.is_over:
            await self.news.wait()
        if not self.has_begun and self.error is not None:
            raise self.error

    def leave(self, seat: Seat) -> bool:
        if self.is_over:
            return seat is self._payer
        if seat in self.seats:
            self.seats.remove(seat)
            # What somebody gave up, a stalled call perhaps, is nothing for newcomers.
            self._close_to_others()
        return not self.seats

    async def close(self) -> None:
        """End the call: nobody wants what comes of it any more."""
        self._call.cancel()
        await asyncio.gather(self._call, return_exceptions=True)

    async def _run(self, begin: Begin) -> None:
        try:
            async with begin() as deltas:
                self.has_begun = True
                self._tell()
                async for delta in deltas:
                    self.deltas.append(delta)
                    self._tell()
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait for the answer raise it
            self.error = error
        finally:
            self.is_over = True
            self._payer = self.seats[0] if self.seats else None
            self._close_to_others()
            self._tell()

    def _tell(self) -> None:
        news, self.news = self.news, asyncio.Event()
        news.set()

    def _close_to_others(self) -> None:
        if _Flights.by_key.get(self._key) is self:
            del _Flights.by_key[self._key]


class _Flights:
    """The calls of this process that can be joined."""

    by_key: dict[str, _Flight] = {}  # noqa: RUF012  # one register a process is what this is


@asynccontextmanager
async def joined(key: str, begin: Begin) -> AsyncIterator[Seat]:
    """Make a call, or join the one that is being made.

    Args:
        key: of `key_of`.
        begin: makes the call where nobody else does.

    Yields:
        a place at the call, once it goes out.

    Raises:
        UpstreamError: it never went out.
    """
    flight = _Flights.by_key.get(key)
    is_joined = flight is not None
    if flight is None:
        flight = _Flights.by_key[key] = _Flight(key, begin)
    metrics.SHARED_REQUESTS.labels("joined" if is_joined else "made").inc()
    seat = Seat(flight, is_joined=is_joined)
    flight.seats.append(seat)
    try:
        await flight.begun()
        yield seat
    finally:
        flight.leave(seat)
        if not flight.is_over and not flight.seats:
            await flight.close()
