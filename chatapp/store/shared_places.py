"""Places that several processes share, in Redis: each is leased, so that those of a killed process come back.

Per key there are the leases, by the moment they run out, and a line of the processes that found no place, by the
moment they came: the first of the line has the next place, so no process takes them all. Both forget a process that
says nothing any more. Redis' own clock decides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from chatapp.store.redis import run_script, subscription

LEASE_SECONDS = 30.0
"""A lease is renewed well before; a killed process's places are back after that."""
_LINE_SECONDS = 3.0
"""A process in the line asks again every second."""
_CHANNEL = "chatapp:places"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_TAKE = (
    _NOW
    + """
local leases, line, living = KEYS[1], KEYS[2], KEYS[3]
local process, lease, places, lease_ms, line_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', living, '-inf', now)) do
  redis.call('ZREM', line, gone)
  redis.call('ZREM', living, gone)
end
local ahead = redis.call('ZRANK', line, process) or redis.call('ZCARD', line)
if places - redis.call('ZCARD', leases) > ahead then
  redis.call('ZADD', leases, now + lease_ms, lease)
  redis.call('PEXPIRE', leases, lease_ms * 2)
  redis.call('ZREM', line, process)
  redis.call('ZREM', living, process)
  return 1
end
redis.call('ZADD', line, 'NX', now, process)
redis.call('ZADD', living, now + line_ms, process)
redis.call('PEXPIRE', line, line_ms * 2)
redis.call('PEXPIRE', living, line_ms * 2)
return 0
"""
)
_GIVE_BACK = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 and redis.call('ZCARD', KEYS[2]) > 0 then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
"""
_LEAVE = """
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 and redis.call('ZCARD', KEYS[2]) > 0 then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
"""
_RENEW = (
    _NOW
    + """
for number = 2, #ARGV do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[number])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1] * 2)
"""
)


def tenant_key(tenant_id: UUID, name: str) -> str:
    """Key of the places of a tenant."""
    return f"{tenant_id}:places:{name}"


def installation_key(name: str) -> str:
    """Key of places that all tenants share."""
    return f"installation:places:{name}"


async def take(key: str, lease: str, *, process: str, places: int) -> bool:
    """Lease a place; False when there is none, or none that is not due to another process first.

    Args:
        key: of `tenant_key` or `installation_key`.
        lease: name of the lease, unlike any other.
        process: who asks; without a place it stands in the line.
        places: how many there are.

    Raises:
        RedisUnavailable: Redis cannot be reached, was too slow or refused.
    """
    arguments = (process, lease, places, int(LEASE_SECONDS * 1000), int(_LINE_SECONDS * 1000))
    return bool(await run_script(_TAKE, _keys(key), arguments))


async def give_back(key: str, lease: str) -> None:
    """End a lease, and tell who stands in the line.

    Raises:
        RedisUnavailable: Redis cannot be reached; the lease runs out by itself.
    """
    await run_script(_GIVE_BACK, _keys(key)[:2], (lease, _CHANNEL, key))


async def leave(key: str, *, process: str) -> None:
    """Leave the line: nobody in the process waits any more.

    Raises:
        RedisUnavailable: Redis cannot be reached; the process is forgotten by itself.
    """
    await run_script(_LEAVE, _keys(key)[:2], (process, _CHANNEL, key))


async def renew(key: str, leases: Sequence[str]) -> None:
    """Keep leases, or have them again where Redis has lost them.

    Raises:
        RedisUnavailable: Redis cannot be reached, was too slow or refused.
    """
    await run_script(_RENEW, [key], (int(LEASE_SECONDS * 1000), *leases))


@asynccontextmanager
async def places_given_back() -> AsyncIterator[AsyncIterator[str]]:
    """The keys of which a place was given back while somebody stood in the line, as it happens.

    Raises:
        RedisUnavailable: Redis cannot be reached; also while they are read.
    """
    async with subscription(_CHANNEL) as keys:
        yield keys


def _keys(key: str) -> list[str]:
    return [key, f"{key}:line", f"{key}:living"]
