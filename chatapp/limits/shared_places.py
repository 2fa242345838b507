"""This process's part in places that several processes share: it leases them, keeps the leases, hears of free ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Literal
from uuid import uuid4

from chatapp.errors import UpstreamError
from chatapp.store import shared_places
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

on_failure: Literal["allow", "block"] = "allow"
"""Without Redis each process keeps the caps for itself alone; people go on being answered."""

_RENEW_SECONDS = shared_places.LEASE_SECONDS / 3
_LISTEN_AGAIN_SECONDS = 1.0


class SharedPlaces:
    """The leases this process holds."""

    def __init__(self) -> None:
        """Begin with none."""
        self._process = uuid4().hex
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._is_away = False
        self._between = asyncio.Lock()
        """A renewal and a return must not overtake each other: the lease would be there again, and nobody's."""

    def open(self) -> None:
        """Begin to renew leases and to hear of places that others gave back."""
        self.run(self._keep())
        self.run(self._listen())

    async def close(self) -> None:
        """Give every place back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key, leases in self._held.items():
            for lease in leases:
                with contextlib.suppress(UpstreamError):
                    await shared_places.give_back(key, lease)
        self._held.clear()

    def on_free(self, listener: Callable[[str], None]) -> None:
        """Have somebody told the key of which another process gave a place back; empty: of any, perhaps."""
        self._listeners.append(listener)

    async def take(self, key: str, places: int) -> str | None:
        """Lease a place.

        Args:
            key: of `store.shared_places`.
            places: how many there are over all processes.

        Returns:
            the lease; empty where Redis is away and the place is this process's own affair; None: there is no place.
        """
        lease = uuid4().hex
        try:
            is_taken = await shared_places.take(key, lease, process=self._process, places=places)
        except UpstreamError as error:
            if not self._is_away:
                _log.warning("places.not_shared", error=error.code, policy=on_failure)
            self._is_away = True
            return ""
        self._is_away = False
        if not is_taken:
            return None
        self._held[key].add(lease)
        return lease

    def give_back(self, key: str, lease: str) -> None:
        """End a lease, without keeping its holder."""
        if lease and lease in self._held[key]:
            self._held[key].discard(lease)
            if not self._held[key]:
                del self._held[key]
            self.run(self._give_back(key, lease))

    def leave(self, key: str) -> None:
        """Stand in the line no longer: nobody here waits for the key any more."""
        self.run(_quietly(shared_places.leave(key, process=self._process)))

    async def _give_back(self, key: str, lease: str) -> None:
        async with self._between:
            await _quietly(shared_places.give_back(key, lease))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            async with self._between:
                for key, leases in list(self._held.items()):
                    await _quietly(shared_places.renew(key, sorted(leases)))

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(UpstreamError):
                async with shared_places.places_given_back() as keys:
                    # What was said before, nobody here has heard.
                    self._tell("")
                    async for key in keys:
                        self._tell(key)
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    def _tell(self, key: str) -> None:
        for listener in self._listeners:
            listener(key)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, until this is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    # A lease that could not be ended runs out; one that could not be renewed is had anew the next time.
    with contextlib.suppress(UpstreamError):
        await work
