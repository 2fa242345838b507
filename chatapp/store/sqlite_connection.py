"""SQLite connections that finish what they were asked, whoever stops waiting for it.

A statement runs in the connection's thread, where nothing can stop it. The driver would let go of it when the task
that waits is cancelled, as each is at the end of a process and when a reader leaves: the roll back that follows is
cancelled too, the connection is thrown away with its thread, and the log fills with errors of nobody's making. Here
the cancellation waits for the answer, a few milliseconds, and is then delivered.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite


class _Answer(asyncio.Future[Any]):
    """What the thread will say. Not to be cancelled: whoever is, while they wait for it, is so once it is there."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002
        """Refuse."""
        return False


class Connection(aiosqlite.Connection):
    """A connection whose statements are answered before a cancellation is."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # The driver's own, with another future.
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        answer = _Answer(loop=asyncio.get_running_loop())
        self._tx.put_nowait((answer, partial(fn, *args, **kwargs)))
        try:
            return await answer
        except asyncio.CancelledError as cancelled:
            _cancel_later(cancelled)
            return answer.result()


def _cancel_later(cancelled: asyncio.CancelledError) -> None:
    """Have the present task cancelled where it waits next, with the same words: some tell by them who did it."""
    task = asyncio.current_task()
    if task is not None:
        task.cancel(*cancelled.args)
        # It has been counted already.
        task.uncancel()


def connect(path: str, **options: Any) -> Connection:
    """A connection that opens when it is awaited.

    Args:
        path: of the database file.
        options: as for `sqlite3.connect`.
    """
    connection = Connection(partial(sqlite3.connect, path, **options), iter_chunk_size=64)
    # A process must not wait at its end for a connection nobody closed.
    connection._thread.daemon = True
    return connection
