"""What SQLite is told of the tables' sizes, so that it plans for a full installation from the first row on.

Every statement names a tenant. SQLite, not knowing better, takes any index entry to stand for ten rows; so it reads
all of a tenant's rows where forty ids are given, because forty are more than ten. Statistics that it gathers itself
would come too late: an open connection does not look at them again. So they are written when the tables are made: a
tenant has a tenth of a large table.

Source: https://www.sqlite.org/optoverview.html, section 6.2, on filling `sqlite_stat1` by hand. PostgreSQL counts
for itself, all the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import DDL, Connection, MetaData, column, delete, event, insert, inspect, select, table
from sqlmodel import SQLModel

from chatapp.store import tables as _tables  # noqa: F401  # fills SQLModel.metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 1_000_000
ROWS_OF_A_TENANT = 100_000
_SIZES = {"tenant_id": ROWS_OF_A_TENANT, "collection_id": ROWS_OF_A_TENANT // 10}
"""How many rows share the first column of an index, by its name."""
_ROWS_OF_AN_ENTRY = 10
"""What SQLite assumes itself of an index's further columns, one less for each."""

_statistics = table("sqlite_stat1", column("tbl"), column("idx"), column("stat"))


def write(connection: Connection) -> None:
    """Write them into a SQLite database with every table, where it does not have these; else do nothing."""
    if connection.dialect.name != "sqlite":
        return
    wanted = sorted(_hints(connection))
    if inspect(connection).has_table("sqlite_stat1"):
        query = select(_statistics.c.tbl, _statistics.c.idx, _statistics.c.stat)
        if sorted(tuple(row) for row in connection.execute(query)) == wanted:
            return
    # The table is made by analysing something, and read again by analysing the schema.
    connection.execute(DDL("ANALYZE tenants"))
    connection.execute(delete(_statistics))
    connection.execute(insert(_statistics), [dict(zip(("tbl", "idx", "stat"), hint, strict=True)) for hint in wanted])
    connection.execute(DDL("ANALYZE sqlite_schema"))


def _hints(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Table, index and statistics of each index that begins with the tenant or the collection."""
    inspector = inspect(connection)
    for name in SQLModel.metadata.tables:
        # Those that stand for a unique constraint or a key too.
        indexes: list[Any] = inspector.get_indexes(name, include_auto_indexes=True) if inspector.has_table(name) else []
        for index in indexes:
            size = _SIZES.get(index["column_names"][0])
            if size is not None:
                rest = [max(1, _ROWS_OF_AN_ENTRY - place) for place in range(len(index["column_names"]) - 1)]
                entry = [size, *rest]
                if index["unique"]:
                    entry[-1] = 1
                yield name, index["name"], " ".join(map(str, [ROWS, *entry]))


def _after_create(_: MetaData, connection: Connection, **__: Any) -> None:
    write(connection)


# A database made without the migrations has them too.
event.listen(SQLModel.metadata, "after_create", _after_create)
