"""A process that holds every place of a kind until it is killed: `python -m tests.faults.place_holder ...`.

Its arguments are the address of Redis, the kind, how many places there are, and how long a lease lasts, in seconds.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from uuid import UUID

from chatapp.limits import shared_places as leases
from chatapp.limits.fair_queue import Claim
from chatapp.limits.places import Places
from chatapp.store import redis, shared_places


async def _hold(redis_url: str, name: str, count: int, lease_seconds: float) -> None:
    shared_places.LEASE_SECONDS, leases._RENEW_SECONDS = lease_seconds, lease_seconds / 3
    redis.open_redis(redis_url)
    shared = leases.SharedPlaces()
    shared.open()
    places = Places(name, places=count, of_installation=True, shared=shared)
    async with AsyncExitStack() as held:
        for number in range(count):
            claim = Claim(UUID(int=1), f"asker {number}")
            await held.enter_async_context(places.place(claim, patience_seconds=60))
        sys.stdout.write("held\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(_hold(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
