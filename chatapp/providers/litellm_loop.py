"""The thread in which litellm runs, with an event loop of its own.

litellm does some of its work blocking: signing for clouds, counting tokens, asking an Ollama for a model's properties
after each answer. In a loop of its own that delays its other answers at worst, and nothing of ours.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TypeVar

import httpx

from chatapp.outbound import Reach, async_client
from chatapp.providers.connections import policy_of

Item = TypeVar("Item")
_CLOSE_SECONDS = 5.0


class _Thread:
    """The thread and what belongs to its loop; begun on first use, ended by the lifespan."""

    loop: asyncio.AbstractEventLoop | None = None
    thread: threading.Thread | None = None
    clients: dict[Reach, httpx.AsyncClient] = {}  # noqa: RUF012  # one set a process is what this is


def own_client(reach: Reach) -> httpx.AsyncClient:
    """The connection pool of the thread's loop for addresses that lead so far. Called in the thread."""
    if reach not in _Thread.clients:
        _Thread.clients[reach] = async_client(policy_of(reach))
    return _Thread.clients[reach]


async def stream_from_thread(make: Callable[[], AsyncGenerator[Item, None]]) -> AsyncGenerator[Item, None]:
    """Run a generator in the thread and yield here what it yields there; closing this one closes that one.

    Args:
        make: makes the generator; called in the thread.
    """
    here, items = asyncio.get_running_loop(), asyncio.Queue[tuple[Item | None, BaseException | None]]()

    def hand_over(item: Item | None, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # our loop is closing: nobody waits any more
            here.call_soon_threadsafe(items.put_nowait, (item, error))

    async def pump() -> None:
        generator = make()
        try:
            async for item in generator:
                hand_over(item, None)
            hand_over(None, None)
        except Exception as error:  # noqa: BLE001  # raised again on the other side
            hand_over(None, error)
        finally:
            await generator.aclose()

    running = asyncio.run_coroutine_threadsafe(pump(), _begin())
    try:
        while True:
            item, error = await items.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        running.cancel()


def _begin() -> asyncio.AbstractEventLoop:
    if _Thread.loop is None:
        _Thread.loop = loop = asyncio.new_event_loop()
        _Thread.thread = threading.Thread(target=loop.run_forever, name="litellm", daemon=True)
        _Thread.thread.start()
    return _Thread.loop


async def close_litellm_loop() -> None:
    """Cancel what still runs in the thread, close its connections and end it."""
    loop, thread = _Thread.loop, _Thread.thread
    if loop is None or thread is None:
        return
    ended = asyncio.run_coroutine_threadsafe(_end(), loop)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(ended), _CLOSE_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    await asyncio.to_thread(thread.join, _CLOSE_SECONDS)
    if not thread.is_alive():
        loop.close()
    _Thread.loop = _Thread.thread = None


async def _end() -> None:
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not current]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    clients, _Thread.clients = _Thread.clients, {}
    for client in clients.values():
        await client.aclose()
