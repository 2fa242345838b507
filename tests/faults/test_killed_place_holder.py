"""A process that holds shared places is killed: they come back by themselves."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chatapp.limits.fair_queue import Claim
from chatapp.limits.places import Places
from chatapp.limits.shared_places import SharedPlaces
from chatapp.store import redis

COUNT, LEASE_SECONDS = 3, 3.0
PATIENCE_SECONDS = 60.0
"""For a machine with much to do; nothing here is measured."""


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[SharedPlaces]:
    redis.open_redis(redis_url)
    places = SharedPlaces()
    places.open()
    yield places
    await places.close()
    await redis.close_redis()


async def test_the_places_of_a_killed_process_are_had_by_those_who_wait_in_another(
    shared: SharedPlaces, redis_url: str
) -> None:
    arguments = ("-m", "tests.faults.place_holder", redis_url, "killed", str(COUNT), str(LEASE_SECONDS))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    places = Places("killed", places=COUNT, of_installation=True, shared=shared)
    served: list[UUID] = []
    all_served, end = asyncio.Event(), asyncio.Event()

    async def hold(tenant_id: UUID) -> None:
        async with places.place(Claim(tenant_id, "asker"), patience_seconds=PATIENCE_SECONDS):
            served.append(tenant_id)
            if len(served) == COUNT:
                all_served.set()
            await end.wait()

    try:
        assert (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode() == "held\n"
        # Of two tenants, and one more than there are places.
        waiting = [asyncio.create_task(hold(UUID(int=2 + number % 2))) for number in range(COUNT + 1)]
        await asyncio.sleep(0.2)
        assert served == []
        process.kill()
        await process.wait()
        await asyncio.wait_for(all_served.wait(), PATIENCE_SECONDS)
        # No more of them than there are, though nobody said that they were given back.
        assert (len(served), places.crowd().waiting) == (COUNT, 1)
        end.set()
        await asyncio.gather(*waiting)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
