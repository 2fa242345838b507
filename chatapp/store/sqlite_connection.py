"""SQLite connections that finish what they were asked, whoever stops waiting for it.

A statement runs in the connection's thread, where nothing can stop it. The driver would let go of it when the task
that waits is cancelled, as each is at the end of a process and when a reader leaves: the roll back that follows is
cancelled too, the connection is thrown away with its thread, and the log fills with errors of nobody's making. Here
the cancellation waits for the answer, a few milliseconds, and is then delivered.

A statement is one visit to the thread. The driver makes four of them, to open a cursor, to execute, to fetch and to
close; each costs more than most statements do.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import aiosqlite

from chatapp.store.answers import Answer, answered


class Cursor:
    """What a statement brought, all of it: the cursor in the thread is closed already.

    Of a DB-API cursor it has what SQLAlchemy's adapter of the driver asks for.
    """

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        """Begin before a statement.

        Args:
            connection: in whose thread it runs.
        """
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Cursor:
        """Nothing is open yet."""
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Run a statement and fetch its rows."""
        return await self._connection.visit(lambda own: self._take(own.execute(statement, parameters)))

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        """Run a statement once for each of several sets of parameters."""
        return await self._connection.visit(lambda own: self._take(own.executemany(statement, parameters)))

    async def fetchall(self) -> Sequence[Any]:
        """The rows, once."""
        rows, self._rows = self._rows, ()
        return rows

    async def close(self) -> None:
        """Nothing is open any more."""

    def _take(self, done: sqlite3.Cursor) -> Cursor:
        self.description, self.lastrowid = done.description, done.lastrowid
        self._rows = done.fetchall() if done.description else ()
        # With RETURNING the rows are counted as they are fetched.
        self.rowcount = done.rowcount
        done.close()
        return self


class Connection(aiosqlite.Connection):
    """A connection whose statements are answered before a cancellation is."""

    def cursor(self) -> Cursor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A cursor that opens nothing until it is given a statement."""
        return Cursor(self)

    async def visit(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do something in the connection's thread.

        Args:
            work: takes the connection.
        """
        return await self._execute(lambda: work(self._conn))

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # The driver's own, with another future.
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        answer = Answer(loop=asyncio.get_running_loop())
        self._tx.put_nowait((answer, partial(fn, *args, **kwargs)))
        return await answered(answer)


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
