"""The database's schema: brought up to date by alembic, under a lock, and never taken backwards by accident."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from chatapp.errors import DatabaseUnavailable, Misconfigured
from chatapp.store import planner_hints
from chatapp.store.database import engine

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy.engine import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_NUMBER = 7_023_514
"""Any number, the same for every process: PostgreSQL's name of the lock."""


async def migrate() -> None:
    """Bring the open database's schema up to date; several processes may try at once.

    Raises:
        DatabaseUnavailable: it cannot be reached.
        Misconfigured: the database was written by a newer version.
    """
    await ping()
    async with engine().connect() as connection:
        # SQLite changes a table by making it anew, and dropping the old one would delete what refers to it.
        await connection.execution_options(without_foreign_keys=True)
        async with connection.begin():
            await connection.run_sync(_upgrade)
        await connection.invalidate()


async def is_current() -> bool:
    """Whether the open database has the schema this version works with."""
    async with engine().connect() as connection:
        found, head = await connection.run_sync(_revisions)
    return found == head


async def ping() -> None:
    """Ask the open database for a sign of life.

    Raises:
        DatabaseUnavailable: there is none; the message has the driver's reason.
    """
    try:
        async with engine().connect() as connection:
            await connection.execute(select(1))
    except (SQLAlchemyError, OSError) as error:
        # Drivers append addresses and statements in further lines.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DatabaseUnavailable(
            f"The database cannot be reached ({reason}). Start it, or correct DATABASE_URL."
        ) from error


async def make_revision(message: str) -> Path:
    """Write a new revision from the difference between the open database and `store.tables`.

    Args:
        message: what changes, as a sentence.

    Returns:
        The file to read, correct and commit.
    """
    from alembic import command

    def write(connection: Connection) -> Path:
        number = len(list(_script_directory().walk_revisions())) + 1
        script = command.revision(_config(connection), message, autogenerate=True, rev_id=f"{number:04d}")
        return Path(script.path)  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]

    async with engine().begin() as connection:
        return await connection.run_sync(write)


def _upgrade(connection: Connection) -> None:
    from alembic import command

    if connection.dialect.name == "postgresql":
        # Held to the end of the transaction. SQLite's write lock is taken already.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_NUMBER)))
    found, head = _revisions(connection)
    if found == head:
        planner_hints.write(connection)
        return
    if found is not None and not _is_known(found):
        raise Misconfigured(
            f"The database was written by a newer version (revision {found}). Install that version, or set "
            "DATABASE_URL or CHATAPP_DATA_DIR to another database."
        )
    command.upgrade(_config(connection), "head")
    planner_hints.write(connection)


def _revisions(connection: Connection) -> tuple[str | None, str | None]:
    """What the database has and what this version wants."""
    from alembic.runtime.migration import MigrationContext

    found = MigrationContext.configure(connection).get_current_revision()
    return found, _script_directory().get_current_head()


def _is_known(revision: str) -> bool:
    return any(script.revision == revision for script in _script_directory().walk_revisions())


def _script_directory() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(_MIGRATIONS))


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
