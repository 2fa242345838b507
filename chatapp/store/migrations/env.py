"""Read by alembic: the tables to compare with, and the connection that `store.schema` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from chatapp.store import tables

assert tables  # noqa: S101  # importing it is what fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    compare_type=True,
    # True of PostgreSQL anyway. On SQLite the driver begins where `store.database` says, so it holds there too.
    transactional_ddl=True,
    # SQLite cannot alter a column in place; alembic then copies the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
