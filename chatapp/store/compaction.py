"""Taking out of SQLite's files what was deleted in them.

A row that is deleted stays in the file's free pages, and in its log, until something is written over it. When a
tenant is gone its texts must not be found there either, so the file is written anew. A note in the data folder says
that this is to be done: it is made before the last row goes, so a killed process leaves it to the next one.

PostgreSQL frees such space by itself (autovacuum), and so does a Chroma server of the operator's own, or not.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from chatapp.settings import Settings

_NOTE = "compaction-wanted"
_BUSY_SECONDS = 15.0


def want(settings: Settings) -> None:
    """Note that the files are to be written anew."""
    (settings.data_dir / _NOTE).touch(mode=0o600)


def is_wanted(settings: Settings) -> bool:
    """Whether somebody noted it and nobody has done it."""
    return (settings.data_dir / _NOTE).exists()


async def carry_out(settings: Settings) -> bool:
    """Write the files anew; others read meanwhile and wait with writing, about a second per 100 MB.

    Returns:
        False when a file was in use for too long: the note stays, to be tried again.
    """
    note = settings.data_dir / _NOTE
    done = [await asyncio.to_thread(_rewrite, path) for path in _files(settings)]
    if all(done):
        note.unlink(missing_ok=True)
    return all(done)


def _files(settings: Settings) -> list[Path]:
    """The database, and the one of the Chroma server that `serve` starts; those that are SQLite files here."""
    url = make_url(settings.effective_database_url)
    files = [settings.data_dir / "chroma" / "chroma.sqlite3"]
    if url.get_backend_name() == "sqlite" and url.database:
        files.append(Path(url.database))
    return [path for path in files if path.is_file()]


def _rewrite(path: Path) -> bool:
    # A connection of its own: the driver's others begin transactions, and in one nothing can be written anew.
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("VACUUM")
            is_blocked, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
    return not is_blocked
