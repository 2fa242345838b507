"""What each web process has to do, told to the others through Redis: a report that is soon forgotten."""

from __future__ import annotations

from typing import Any

from chatapp.store.redis import run_script

KEEP_SECONDS = 10.0
"""A process that says nothing for so long is gone."""
_KEYS = ("installation:load", "installation:load:living")
_EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('HDEL', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
end
return redis.call('HGETALL', KEYS[1])
"""
_FORGET = """
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
"""


async def exchange(process: str, report: str) -> dict[str, str]:
    """Leave a report and read those of the other processes.

    Args:
        process: whose report it is; takes the place of its last one.
        report: any text.

    Returns:
        the other processes' last reports, by process.

    Raises:
        RedisUnavailable: Redis cannot be reached, was too slow or refused.
    """
    found: list[Any] = await run_script(_EXCHANGE, _KEYS, (process, report, int(KEEP_SECONDS * 1000)))
    texts = [each.decode() for each in found]
    return {name: text for name, text in zip(texts[::2], texts[1::2], strict=True) if name != process}


async def forget(process: str) -> None:
    """Take a process's report away: it is ending.

    Raises:
        RedisUnavailable: Redis cannot be reached; the report is forgotten by itself.
    """
    await run_script(_FORGET, _KEYS, (process,))
