from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import pytest

from chatapp.domain import Actor
from chatapp.errors import RedisUnavailable
from chatapp.store import redis
from chatapp.store.turn_log import Superseded, TurnEvent

ACTOR = Actor(uuid4(), uuid4(), frozenset())
OTHER_ACTOR = Actor(uuid4(), uuid4(), frozenset())


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[redis.RedisTurnLog]:
    redis.open_redis(redis_url)
    yield redis.RedisTurnLog()
    await redis.close_redis()


async def _read_until_done(log: redis.RedisTurnLog, actor: Actor, turn_id, after: str = "") -> list[str]:
    ids = []
    async with aclosing(log.read(actor, turn_id, after=after, idle_seconds=2)) as events:
        async for event in events:
            ids.append(event.id or event.kind)
            if event.kind in {"done", "ping"}:
                break
    return ids


async def test_a_reader_gets_what_was_and_what_comes(log: redis.RedisTurnLog) -> None:
    turn_id = uuid4()
    await log.append(ACTOR, turn_id, TurnEvent("delta", '"one"', id="1-1"))
    reader = asyncio.create_task(_read_until_done(log, ACTOR, turn_id))
    await asyncio.sleep(0.05)
    await log.append(ACTOR, turn_id, TurnEvent("delta", '"two"', id="1-2"))
    await log.append(ACTOR, turn_id, TurnEvent("done", "{}", id="1-3"))
    assert await reader == ["1-1", "1-2", "1-3"]


async def test_a_reader_goes_on_behind_the_event_it_names(log: redis.RedisTurnLog) -> None:
    turn_id = uuid4()
    for sequence in (1, 2, 3):
        await log.append(ACTOR, turn_id, TurnEvent("delta", '"x"', id=f"1-{sequence}"))
    await log.append(ACTOR, turn_id, TurnEvent("done", "{}", id="1-4"))
    assert await _read_until_done(log, ACTOR, turn_id, after="1-2") == ["1-3", "1-4"]


async def test_an_attempt_that_was_taken_over_cannot_write(log: redis.RedisTurnLog) -> None:
    turn_id = uuid4()
    await log.append(ACTOR, turn_id, TurnEvent("reset", "{}", id="2-1"))
    with pytest.raises(Superseded):
        await log.append(ACTOR, turn_id, TurnEvent("delta", '"late"', id="1-9"))


async def test_another_tenant_reads_nothing(log: redis.RedisTurnLog) -> None:
    turn_id = uuid4()
    await log.append(ACTOR, turn_id, TurnEvent("done", "{}", id="1-1"))
    assert await log.exists(ACTOR, turn_id)
    assert not await log.exists(OTHER_ACTOR, turn_id)


async def test_a_quiet_turn_yields_pings(log: redis.RedisTurnLog) -> None:
    async with aclosing(log.read(ACTOR, uuid4(), after="", idle_seconds=0.05)) as events:
        assert (await anext(events)).kind == "ping"


async def test_a_stop_reaches_every_process(log: redis.RedisTurnLog) -> None:
    turn_id = uuid4()
    async with aclosing(log.stop_requests()) as stops:
        waiting = asyncio.create_task(anext(stops))
        await asyncio.sleep(0.1)
        await log.request_stop(turn_id)
        assert await waiting == turn_id


async def test_a_missing_redis_is_an_upstream_error() -> None:
    redis.open_redis("redis://127.0.0.1:9/0")
    with pytest.raises(RedisUnavailable):
        await redis.ping()
    await redis.close_redis()
