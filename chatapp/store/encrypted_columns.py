"""Every secret the database keeps encrypted, whatever table it stands in: for moving all of them to another key.

A column that holds one is called `encrypted_...`, so that a new one is found here by itself. System transactions
only: the secret is the installation's, not a tenant's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Table, and_, select, update
from sqlmodel import SQLModel

from chatapp.store import tables as _tables  # noqa: F401  # fills SQLModel.metadata
from chatapp.store.database import Transaction
from chatapp.store.encryption import CannotDecrypt

_PREFIX = "encrypted_"


@dataclass(slots=True)
class Rewritten:
    """What became of the secrets of one column."""

    column: str
    """`table.column`."""
    total: int = 0
    changed: int = 0
    unreadable: int = 0
    """Encrypted under a key that is not known any more; left as they are."""


def encrypted_columns() -> list[Column[str]]:
    """The columns that hold an encrypted text, by table and name."""
    found = [column for table in SQLModel.metadata.sorted_tables for column in table.columns]
    return sorted((column for column in found if column.name.startswith(_PREFIX)), key=str)


async def rewrite(tx: Transaction, column: Column[str], renew: Callable[[str], str]) -> Rewritten:
    """Replace each secret of a column by what a function makes of it.

    Args:
        tx: a system transaction.
        column: one of `encrypted_columns`.
        renew: gives the text to keep instead, or the same one; raises `CannotDecrypt` where it cannot be read.
    """
    table: Table = column.table  # pyright: ignore[reportAssignmentType]
    keys = list(table.primary_key.columns)
    rows = (await tx.session.execute(select(*keys, column).where(column != "").with_for_update())).all()
    result = Rewritten(str(column), total=len(rows))
    for *values, encrypted in rows:
        try:
            renewed = renew(encrypted)
        except CannotDecrypt:
            result.unreadable += 1
            continue
        if renewed != encrypted:
            is_row = and_(*(key == value for key, value in zip(keys, values, strict=True)))
            await tx.session.execute(update(table).where(is_row).values({column.name: renewed}))
            result.changed += 1
    return result
