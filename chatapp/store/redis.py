"""Redis: what several web processes share. The one module that imports its client.

Keys begin with the tenant. Nothing here is the only copy of anything: a lost Redis costs running streams their
replay, never an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chatapp.domain import Actor
from chatapp.errors import RedisUnavailable
from chatapp.store.turn_log import KEEP_SECONDS, Superseded, TurnEvent, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import ConnectionPool
    from redis.asyncio import Redis

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 5.0
_MAX_EVENTS = 20_000
"""Events kept of one turn. A delta every 40 ms for the longest answer allowed is 7,500."""
_RUNNING_SECONDS = 3_600
"""How long the log of a turn without an end is kept."""
_STOP_CHANNEL = "chatapp:stop"


class _Client:
    """The process's client; opened and closed by the lifespan."""

    redis: Redis | None = None


def open_redis(url: str) -> None:
    """Make the process's client. Connections are opened when first needed.

    Args:
        url: `redis://`, `rediss://` or `unix://` address.
    """
    from redis.asyncio import Redis

    # A reader that follows a stream waits longer than any other call: it sets its own time.
    _Client.redis = Redis.from_url(url, socket_connect_timeout=_CONNECT_SECONDS, health_check_interval=30)


async def close_redis() -> None:
    """Close every connection of the process."""
    client, _Client.redis = _Client.redis, None
    if client is not None:
        await client.aclose()


async def ping() -> None:
    """Ask whether Redis is there.

    Raises:
        RedisUnavailable: it is not.
    """
    with translated():
        await _bounded(_redis().ping())


def make_blocking_pool(url: str) -> ConnectionPool:
    """Connections for a client that waits in threads: the job queue's. Nothing is connected yet.

    Args:
        url: `redis://`, `rediss://` or `unix://` address.
    """
    from redis import ConnectionPool
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # One try more for a connection that the server closed while it was idle; who waits is answered soon.
    retry = Retry(NoBackoff(), 1)
    return ConnectionPool.from_url(
        url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_ANSWER_SECONDS, retry=retry
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into ours.

    Raises:
        RedisUnavailable: Redis cannot be reached, was too slow or refused.
    """
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, TimeoutError) as error:
        raise RedisUnavailable from error


def is_outage(error: BaseException | None) -> bool:
    """Whether an error says that Redis cannot be reached, was too slow or refused."""
    from redis.exceptions import RedisError

    return isinstance(error, RedisError | TimeoutError)


async def run_script(source: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
    """Run a script in Redis, where nothing happens in between.

    Args:
        source: Lua; sent whole once, by its hash from then on.
        keys: what it reads and writes; each begins with a tenant, or with `installation`.
        arguments: its values.

    Raises:
        RedisUnavailable: Redis cannot be reached, was too slow or refused.
    """
    with translated():
        return await _bounded(_redis().register_script(source)(keys=list(keys), args=list(arguments)))


@asynccontextmanager
async def subscription(channel: str) -> AsyncIterator[AsyncIterator[str]]:
    """What is said on a channel from now on.

    Raises:
        RedisUnavailable: Redis cannot be reached; also while messages are read.
    """
    async with _redis().pubsub(ignore_subscribe_messages=True) as pubsub:
        with translated():
            await pubsub.subscribe(channel)

        async def messages() -> AsyncIterator[str]:
            while True:
                with translated():
                    message: Any = await pubsub.get_message(timeout=None)
                if message is not None:
                    yield message["data"].decode()

        yield messages()


def _redis() -> Redis:
    if _Client.redis is None:
        raise RuntimeError("Redis is not open: run inside the lifespan with REDIS_URL set")
    return _Client.redis


class RedisTurnLog:
    """The turn log of an installation with several web processes: one capped stream a turn.

    The entry ids of the stream are the events' ids, so Redis itself keeps their order.
    """

    async def append(self, actor: Actor, turn_id: UUID, event: TurnEvent) -> None:
        """See `TurnLog.append`."""
        from redis.exceptions import ResponseError

        key = _key(actor, turn_id)
        fields: dict[Any, Any] = {"kind": event.kind, "data": event.data}
        seconds = KEEP_SECONDS if event.kind == "done" else _RUNNING_SECONDS
        with translated():
            try:
                async with _redis().pipeline(transaction=True) as pipe:
                    pipe.xadd(key, fields, id=event.id, maxlen=_MAX_EVENTS, approximate=True)
                    pipe.expire(key, int(seconds))
                    await _bounded(pipe.execute())
            except ResponseError as error:
                if "equal or smaller" in str(error):
                    raise Superseded from error
                raise

    async def exists(self, actor: Actor, turn_id: UUID) -> bool:
        """See `TurnLog.exists`."""
        with translated():
            return bool(await _bounded(_redis().exists(_key(actor, turn_id))))

    async def read(
        self, actor: Actor, turn_id: UUID, *, after: str, idle_seconds: float
    ) -> AsyncGenerator[TurnEvent, None]:
        """See `TurnLog.read`."""
        key, last = _key(actor, turn_id), after or "0-0"
        if await _has_all(key, last):
            return
        while True:
            with translated():
                found: Any = await _redis().xread({key: last}, block=int(idle_seconds * 1000))
            if not found:
                yield TurnEvent("ping")
                continue
            for entry_id, fields in found[0][1]:
                last = entry_id.decode()
                yield TurnEvent(fields[b"kind"].decode(), fields[b"data"].decode(), id=last)
                if fields[b"kind"] == b"done":
                    return

    async def request_stop(self, turn_id: UUID) -> None:
        """See `TurnLog.request_stop`."""
        with translated():
            await _bounded(_redis().publish(_STOP_CHANNEL, str(turn_id)))

    async def forget_tenant(self, actor: Actor) -> None:
        """See `TurnLog.forget_tenant`: whatever Redis keeps under the tenant's name."""
        with translated():
            keys = [key async for key in _redis().scan_iter(match=f"{actor.tenant_id}:*", count=1_000)]
            for first in range(0, len(keys), 1_000):
                await _bounded(_redis().unlink(*keys[first : first + 1_000]))

    async def stop_requests(self) -> AsyncGenerator[UUID, None]:
        """See `TurnLog.stop_requests`."""
        async with subscription(_STOP_CHANNEL) as messages:
            async for message in messages:
                yield UUID(message)


async def _has_all(key: str, last: str) -> bool:
    """Whether the log is at its end, and the reader there too."""
    with translated():
        newest: Any = await _bounded(_redis().xrevrange(key, count=1))
    if not newest or newest[0][1][b"kind"] != b"done":
        return False
    return parse_id(newest[0][0].decode()) <= parse_id(last)


async def _bounded(call: Any) -> Any:
    async with asyncio.timeout(_ANSWER_SECONDS):
        return await call


def _key(actor: Actor, turn_id: UUID) -> str:
    return f"{actor.tenant_id}:turn:{turn_id}"
