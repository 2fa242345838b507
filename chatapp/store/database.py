"""The database: one engine a process, and the transaction that carries the tenant and what its actor may read.

A session exists only inside `transaction(actor)`. Every ORM statement in it gets the actor's tenant added, and
a row of another tenant cannot be written, so a query without a tenant cannot be made by forgetting it. Nor can one
that reads a collection nobody granted to the actor: collections, documents, versions and chunks are only there as far
as a grant goes, at the moment of the statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Table, Update, bindparam, event, insert, update
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import LoaderCriteriaOption, ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.pool import ConnectionPoolEntry

from chatapp.domain import Actor
from chatapp.store import sqlite_connection
from chatapp.store.access_conditions import walls
from chatapp.store.statement_tables import tables_in
from chatapp.store.tables import TenantRow

_SQLITE_BUSY_TIMEOUT_MS = 15_000
_SQLITE_CACHE_KIB = 512
"""Of pages, in each connection; there are fifteen in a process, and the system keeps what the file has anyway."""
_POOL_SIZE = 10
_MAX_KEPT_CRITERIA = 256
"""Tenants and actors whose conditions are kept: they take a millisecond to make, and say only what to ask."""
SEES_EVERY_COLLECTION = "sees_every_collection"
"""Option of a single statement that goes by no grant, as a name is looked for that somebody else may have taken."""


_Walls = Mapping[str, LoaderCriteriaOption]
"""By the name of a table, which of its rows a statement sees."""


class WrongTenant(RuntimeError):
    """A row of another tenant was about to be written: a bug, never a person's mistake."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open session and whose it is."""

    session: AsyncSession
    actor: Actor | None
    """None in a system transaction."""
    at_end: list[Callable[[Transaction], Awaitable[None]]] = field(default_factory=list)
    """What is to be done just before the commit, in order."""

    @property
    def tenant_id(self) -> UUID:
        """The actor's tenant.

        Raises:
            WrongTenant: this is a system transaction, which has none.
        """
        if self.actor is None:
            raise WrongTenant("a system transaction has no tenant")
        return self.actor.tenant_id


class _Database:
    """The process's engine; opened and closed by the lifespan."""

    engine: AsyncEngine | None = None
    sessions: async_sessionmaker[AsyncSession] | None = None
    writing: asyncio.Lock | None = None
    """Whose turn it is to write, where one may at a time."""


def open_database(url: str) -> AsyncEngine:
    """Make the process's engine. Connections are opened when first needed.

    Args:
        url: SQLAlchemy address with an asynchronous driver, as `Settings.effective_database_url` gives it.
    """
    if url.startswith("sqlite"):
        options = {"timeout": _SQLITE_BUSY_TIMEOUT_MS / 1000, "async_creator_fn": sqlite_connection.connect}
        engine = create_async_engine(url, connect_args=options)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        _Database.writing = asyncio.Lock()
    else:
        engine = create_async_engine(url, pool_size=_POOL_SIZE, max_overflow=_POOL_SIZE, pool_pre_ping=True)
    _Database.engine = engine
    _Database.sessions = async_sessionmaker(engine, expire_on_commit=False)
    return engine


async def close_database() -> None:
    """Close every connection of the process."""
    if _Database.engine is not None:
        await _Database.engine.dispose()
    _Database.engine = _Database.sessions = _Database.writing = None


def engine() -> AsyncEngine:
    """The process's engine, for health checks and migrations.

    Raises:
        RuntimeError: the lifespan has not opened the database.
    """
    if _Database.engine is None:
        raise RuntimeError("the database is not open: run inside the lifespan")
    return _Database.engine


@asynccontextmanager
async def transaction(
    actor: Actor, *, readonly: bool = False, sees_every_collection: bool = False
) -> AsyncIterator[Transaction]:
    """One short transaction in the actor's tenant; commits at the end, rolls back on an error.

    Args:
        actor: whose tenant every statement is confined to, and whose grants.
        readonly: take no write lock (SQLite has one for the whole file); writing then fails late or never.
        sees_every_collection: go by no grant, for those who give and take them; `tests/architecture` names them all.
    """
    async with _session(readonly) as session:
        session.info["tenant_id"] = actor.tenant_id
        session.info["tenant_criteria"] = _tenant_criteria(actor.tenant_id)
        if not actor.is_system and not sees_every_collection:
            session.info["grant_criteria"] = _grant_criteria(actor)
        tx = Transaction(session, actor)
        yield tx
        for finish in tx.at_end:
            await finish(tx)


@asynccontextmanager
async def system_transaction(*, readonly: bool = False) -> AsyncIterator[Transaction]:
    """A transaction over all tenants, for what happens before an actor is known.

    Sign-in, keys, the worker's sweep and set-up use it; `tests/architecture` names them all.
    """
    async with _session(readonly) as session:
        yield Transaction(session, None)


async def insert_all(tx: Transaction, rows: Sequence[TenantRow]) -> None:
    """Write new rows of one table in one statement. The session does not know them afterwards.

    Args:
        tx: the transaction of the actor in whose tenant they are.
        rows: complete ones, as nothing is filled in here.

    Raises:
        WrongTenant: one of them is of another tenant.
    """
    _require_tenant(rows, tx.tenant_id)
    statement = _insert(rows[0].__table__)  # pyright: ignore[reportAttributeAccessIssue]
    names = statement.table.columns.keys()
    values = [{name: getattr(row, name) for name in names} for row in rows]
    await (await tx.session.connection()).execute(statement, values)


async def update_all(tx: Transaction, kind: type[TenantRow], changes: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Change rows of one table in one statement. The session's own copies are not brought up to date.

    Args:
        tx: the transaction of the actor in whose tenant they are; one of another tenant stays as it is.
        kind: the table, whose key is `id`.
        changes: by id, the new values of columns by name; the same columns for every row.
    """
    values = [{"of_id": key, "of_tenant": tx.tenant_id, **changed} for key, changed in changes.items()]
    await (await tx.session.connection()).execute(_update(kind.__table__), values)  # pyright: ignore[reportAttributeAccessIssue]


@cache
def _insert(table: Table) -> Insert:
    # Made once: SQLAlchemy knows a statement again faster than it reads one that only looks the same.
    return insert(table)


@cache
def _update(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam("of_id"), table.c.tenant_id == bindparam("of_tenant"))


@asynccontextmanager
async def _session(readonly: bool) -> AsyncIterator[AsyncSession]:
    if _Database.sessions is None:
        raise RuntimeError("the database is not open: run inside the lifespan")
    async with _turn_to_write(readonly), _Database.sessions() as session, session.begin():
        await session.connection(execution_options={"readonly": readonly})
        yield session


@asynccontextmanager
async def _turn_to_write(readonly: bool) -> AsyncIterator[None]:
    """Writers of this process one after the other where the file lets only one in, in the order they came.

    SQLite has no queue: who waits tries again now and then, so that of many some wait for seconds, each in a thread
    and on a connection that others could use. Writers of other processes are waited for by SQLite itself.
    """
    lock = _Database.writing
    if readonly or lock is None:
        yield
        return
    try:
        async with asyncio.timeout(_SQLITE_BUSY_TIMEOUT_MS / 1000):
            await lock.acquire()
    except TimeoutError:
        # Somebody writes for very long; SQLite says what becomes of it.
        yield
        return
    try:
        yield
    finally:
        lock.release()


@lru_cache(maxsize=_MAX_KEPT_CRITERIA)
def _tenant_criteria(tenant_id: UUID) -> _Walls:
    # One a class: SQLAlchemy's shared criteria for a mixin needs the mixin to be mapped, and a SQLModel one is not.
    return {
        str(cls.__tablename__): with_loader_criteria(cls, cls.tenant_id == tenant_id, include_aliases=True)  # pyright: ignore[reportArgumentType]
        for cls in TenantRow.__subclasses__()
    }


def _grant_criteria(actor: Actor) -> _Walls:
    # What a grant is made to, and nothing that differs from one request to the next.
    return _criteria_of(Actor(actor.tenant_id, actor.user_id, actor.permissions, actor.roles, key_id=actor.key_id))


@lru_cache(maxsize=_MAX_KEPT_CRITERIA)
def _criteria_of(actor: Actor) -> _Walls:
    return {
        cls.__tablename__: with_loader_criteria(cls, condition, include_aliases=True)  # pyright: ignore[reportAttributeAccessIssue]
        for cls, condition in walls(actor).items()
    }


@event.listens_for(Session, "do_orm_execute")
def _add_walls(state: ORMExecuteState) -> None:
    criteria: _Walls | None = state.session.info.get("tenant_criteria")
    if criteria is None:
        return
    granted: _Walls = state.session.info.get("grant_criteria", {})
    if state.execution_options.get(SEES_EVERY_COLLECTION, False):
        granted = {}
    tables = tables_in(state.statement)
    put_up = [around[table] for around in (criteria, granted) for table in around if table in tables]
    state.statement = state.statement.options(*put_up)


@event.listens_for(Session, "before_flush")
def _refuse_other_tenants(session: Session, *_: Any) -> None:
    tenant_id = session.info.get("tenant_id")
    if tenant_id is None:
        return
    _require_tenant((*session.new, *session.dirty, *session.deleted), tenant_id)


def _require_tenant(rows: Iterable[object], tenant_id: UUID) -> None:
    for row in rows:
        if isinstance(row, TenantRow) and row.tenant_id != tenant_id:
            raise WrongTenant(f"{type(row).__name__} of another tenant")


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own transaction handling would begin too late; `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"cache_size=-{_SQLITE_CACHE_KIB}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute(f"PRAGMA busy_timeout={_SQLITE_BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock first: a read that turns into a write would fail instead of waiting.
    options = connection.get_execution_options()
    if options.get("without_foreign_keys", False):
        # Only possible before the transaction; who asks for it throws the connection away.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        # A table made anew is missing for a moment; SQLite would refuse the renaming where a trigger speaks of it.
        connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
    readonly = options.get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")
