from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import pytest

from chatapp.domain import Actor
from chatapp.store import redis
from chatapp.store.turn_log import InProcessTurnLog, Superseded, TurnEvent, TurnLog, parse_id


@pytest.fixture(params=["in process", "redis"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[TurnLog]:
    if request.param == "in process":
        yield InProcessTurnLog()
        return
    redis.open_redis(request.getfixturevalue("redis_url"))
    yield redis.RedisTurnLog()
    await redis.close_redis()


def make_actor() -> Actor:
    return Actor(uuid4(), uuid4(), frozenset())


def delta(number: int, attempt: int = 1) -> TurnEvent:
    return TurnEvent("delta", json.dumps(f"word{number} "), f"{attempt}-{number}")


async def read(log: TurnLog, actor: Actor, turn_id, after: str = "") -> list[TurnEvent]:
    events = []
    async with aclosing(log.read(actor, turn_id, after=after, idle_seconds=0.2)) as stream:
        async for event in stream:
            if event.kind == "ping":
                break
            events.append(event)
            if event.kind == "done":
                break
    return events


async def test_a_reader_gets_what_follows_the_event_it_has(log: TurnLog) -> None:
    actor, turn_id = make_actor(), uuid4()
    for number in range(1, 11):
        await log.append(actor, turn_id, delta(number))
    await log.append(actor, turn_id, TurnEvent("done", "{}", "1-11"))

    for last in range(12):
        events = await read(log, actor, turn_id, f"1-{last}" if last else "")
        assert [event.id for event in events] == [f"1-{number}" for number in range(last + 1, 12)]


async def test_readers_follow_while_it_is_written(log: TurnLog) -> None:
    actor, turn_id = make_actor(), uuid4()
    readers = [asyncio.create_task(read(log, actor, turn_id)) for _ in range(5)]
    for number in range(1, 21):
        await log.append(actor, turn_id, delta(number))
        await asyncio.sleep(0.01)
    await log.append(actor, turn_id, TurnEvent("done", "{}", "1-21"))

    for events in await asyncio.gather(*readers):
        assert [event.id for event in events] == [f"1-{number}" for number in range(1, 22)]


async def test_other_tenants_log_is_empty(log: TurnLog) -> None:
    actor, other_actor, turn_id = make_actor(), make_actor(), uuid4()
    await log.append(actor, turn_id, delta(1))

    assert await log.exists(actor, turn_id)
    assert not await log.exists(other_actor, turn_id)
    assert await read(log, other_actor, turn_id) == []


async def test_an_attempt_that_was_taken_over_cannot_write(log: TurnLog) -> None:
    actor, turn_id = make_actor(), uuid4()
    await log.append(actor, turn_id, delta(7))
    await log.append(actor, turn_id, TurnEvent("reset", "{}", "2-1"))

    with pytest.raises(Superseded):
        await log.append(actor, turn_id, delta(8))
    assert [event.id for event in await read(log, actor, turn_id, "1-7")] == ["2-1"]


async def test_a_reader_who_leaves_before_anything_was_written_leaves_nothing() -> None:
    log = InProcessTurnLog()
    await read(log, make_actor(), uuid4())
    assert log._entries == {}


async def test_a_stop_request_reaches_every_process(redis_url: str) -> None:
    redis.open_redis(redis_url)
    log, turn_id = redis.RedisTurnLog(), uuid4()
    requests = log.stop_requests()
    listening = asyncio.ensure_future(anext(requests))
    await asyncio.sleep(0.2)
    await log.request_stop(turn_id)

    assert await asyncio.wait_for(listening, 2) == turn_id
    await requests.aclose()
    await redis.close_redis()


@pytest.mark.parametrize("event_id", ["", "1", "a-b", "1-", "-1", "1-2-3", "9" * 40 + "-1", "²-³"])
def test_what_is_no_event_id_stands_before_everything(event_id: str) -> None:
    assert parse_id(event_id) == (0, 0)


def test_an_event_takes_few_bytes_on_the_wire() -> None:
    assert TurnEvent("delta", '"Hi"', "1-2").encode() == b'id:1-2\ndata:"Hi"\n\n'
    assert TurnEvent("done", "{}", "1-3").encode() == b"event:done\nid:1-3\ndata:{}\n\n"
    assert TurnEvent("reset").encode() == b"event:reset\ndata:{}\n\n"
    assert TurnEvent("ping").encode() == b": ping\n\n"
