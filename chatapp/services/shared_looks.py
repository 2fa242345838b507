"""One look at the database for all who want to know the same at the same moment.

What is believed for a moment grows old for everybody at once, and then as many would look as there are requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_Found = TypeVar("_Found")


class SharedLooks(Generic[_Found]):
    """Looks under way in this process. Nothing is kept: who comes behind the end of one looks anew."""

    def __init__(self) -> None:
        """Begin with none."""
        self._under_way: dict[Hashable, asyncio.Task[_Found]] = {}

    def is_under_way(self, key: Hashable) -> bool:
        """Whether somebody is looking."""
        return key in self._under_way

    async def look(self, key: Hashable, look: Callable[[], Coroutine[Any, Any, _Found]]) -> _Found:
        """What a look finds: the one under way, or a new one. Whoever leaves it leaves it to the others.

        Args:
            key: says what is looked for, and whose it is.
            look: does it.
        """
        return await asyncio.shield(self._begun(key, look))

    def look_ahead(self, key: Hashable, look: Callable[[], Coroutine[Any, Any, _Found]]) -> None:
        """Begin a look nobody waits for yet, so that what is kept is new again before it has grown old."""
        self._begun(key, look)

    def forget(self) -> None:
        """Let nobody join a look that began before this."""
        self._under_way.clear()

    def _begun(self, key: Hashable, look: Callable[[], Coroutine[Any, Any, _Found]]) -> asyncio.Task[_Found]:
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(look())
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    def _end(self, key: Hashable, done: asyncio.Task[_Found]) -> None:
        if self._under_way.get(key) is done:
            del self._under_way[key]
        if not done.cancelled():
            # Looked at here, as everybody who waited may have left.
            done.exception()
