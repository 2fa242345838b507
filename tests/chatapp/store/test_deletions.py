from __future__ import annotations

from sqlmodel import SQLModel

from chatapp.store import deletions
from chatapp.store import tables as _tables  # noqa: F401  # fills SQLModel.metadata

_SMALL = {
    "sessions": "a row a browser",
    "one_time_links": "a row an invitation",
    "refusals": "some rows an hour of overload",
    "routes": "one row a tenant",
    "tenant_limits": "one row a tenant",
    "trace_days": "some rows a day",
}
"""Tables beside those of `deletions` whose rows go in one statement, with the tenant's own."""


def cascades_to(table: str) -> set[str]:
    """Tables whose rows take this table's rows with them."""
    return {key.column.table.name for key in SQLModel.metadata.tables[table].foreign_keys if key.ondelete == "CASCADE"}


def test_whatever_belongs_to_a_tenant_goes_with_its_row() -> None:
    of_tenants = [table.name for table in SQLModel.metadata.sorted_tables if "tenant_id" in table.columns]
    assert "sessions" in of_tenants
    assert [name for name in of_tenants if "tenants" not in cascades_to(name)] == []


def test_what_may_be_much_goes_in_batches() -> None:
    batched = {table.__tablename__ for table in deletions.batched_tables()}
    small = {table.__tablename__ for table in deletions._WITH_THE_TENANT} | _SMALL.keys()
    others = [
        table.name
        for table in SQLModel.metadata.sorted_tables
        if "tenant_id" in table.columns and table.name not in batched | small
    ]
    # With the rows of a batch go those that hang on them.
    assert [name for name in others if not cascades_to(name) & batched] == []
    assert {"documents", "turns", "conversations", "traces"} <= batched


def test_what_refers_to_others_goes_before_them() -> None:
    order = [str(table.__tablename__) for table in deletions.batched_tables()]
    assert order[0] == "documents"
    assert order.index("turns") < order.index("conversations")
