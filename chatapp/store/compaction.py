"""Taking out of the data folder's files what was deleted in them.

A row that is deleted stays in a SQLite file's free pages, and in its log, until something is written over it; and the
Chroma server that `serve` starts keeps the folders of vectors it dropped, and names of collections in its own log.
When a tenant is gone nothing of it must be found there either, so the files are written anew. A note in the data
folder says that this is to be done: it is made before the last row goes, so a killed process leaves it to the next.

PostgreSQL frees such space by itself (autovacuum). A Chroma server of the operator's own is the operator's to tidy:
`chroma vacuum` does it, https://docs.trychroma.com/docs/cli/vacuum.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from chatapp.settings import Settings

_NOTE = "compaction-wanted"
_CHROMA = "chroma"
_CHROMA_DATABASE = "chroma.sqlite3"
_BUSY_SECONDS = 15.0
_AGAIN_SECONDS = 0.02


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
    done = [await asyncio.to_thread(_rewrite, path) for path in _files(settings)]
    done.append(await asyncio.to_thread(_remove_dropped_vectors, settings.data_dir / _CHROMA))
    await asyncio.to_thread(_empty, settings.data_dir / "chroma.log")
    if all(done):
        (settings.data_dir / _NOTE).unlink(missing_ok=True)
    return all(done)


def _files(settings: Settings) -> list[Path]:
    """The database, and the one of the Chroma server that `serve` starts; those that are SQLite files here."""
    url = make_url(settings.effective_database_url)
    files = [settings.data_dir / _CHROMA / _CHROMA_DATABASE]
    if url.get_backend_name() == "sqlite" and url.database:
        files.append(Path(url.database))
    return [path for path in files if path.is_file()]


def _rewrite(path: Path) -> bool:
    # A connection of its own: the driver's others begin transactions, and in one nothing can be written anew.
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("VACUUM")
            return _empty_log(connection)
        except sqlite3.OperationalError:
            return False


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Bring the write-ahead log into the file and cut it off; False when others were at it all the time."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        # Writers have waited for the file: the first of them is there before us, and this call does not wait for it.
        is_blocked, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_blocked or time.monotonic() > deadline:
            return not is_blocked
        time.sleep(_AGAIN_SECONDS)


def _remove_dropped_vectors(folder: Path) -> bool:
    """Remove the folders that belong to no collection of the Chroma server any more; it leaves them lying."""
    if not (folder / _CHROMA_DATABASE).is_file():
        return True
    # Listed before the database is asked: a folder is made after its row.
    found = [path for path in folder.iterdir() if path.is_dir()]
    with closing(sqlite3.connect(folder / _CHROMA_DATABASE, timeout=_BUSY_SECONDS)) as connection:
        try:
            known = {segment_id for (segment_id,) in connection.execute("SELECT id FROM segments")}
        except sqlite3.OperationalError:
            return False
    for path in found:
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
    return True


def _empty(path: Path) -> None:
    # Whoever writes it appends, so what comes next stands at its beginning.
    if path.is_file():
        os.truncate(path, 0)
