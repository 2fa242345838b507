"""Which tables a statement speaks of, wherever in it: the walls of those are put up around it, and of no others.

A wall around every table of the product would be as right, but to carry them all takes longer than most statements.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnClause, Executable, FromClause, Table
from sqlalchemy.sql.visitors import iterate


def tables_in(statement: Executable) -> set[str]:
    """The names of the tables in a statement: selected, joined, changed, in subqueries, CTEs and conditions.

    Args:
        statement: any one. A table under another name counts as itself.
    """
    found: set[str] = set()
    seen: set[int] = set()
    left: list[Any] = [statement]
    while left:
        for element in iterate(left.pop()):
            if isinstance(element, Table):
                found.add(element.name)
            elif isinstance(element, ColumnClause) and _is_to_be_looked_at(element.table, found, seen):
                # A column stands alone where it is compared; what it is of is no part of the statement's tree then.
                left.append(element.table)
    return found


def _is_to_be_looked_at(source: FromClause | None, found: set[str], seen: set[int]) -> bool:
    if source is None or (isinstance(source, Table) and source.name in found) or id(source) in seen:
        return False
    seen.add(id(source))
    return True
