"""What the audit log says of documents."""

from __future__ import annotations

from typing import Any, TypedDict

from chatapp.store.tables import DocumentTable


class Change(TypedDict):
    """A document before and after, as `audit.write` takes it."""

    before: dict[str, Any]
    after: dict[str, Any]


def facts_of(row: DocumentTable) -> dict[str, Any]:
    """What the audit log says of a document."""
    return {
        "filename": row.filename,
        "latest_version": row.latest_version,
        "collection_id": row.collection_id,
        "status": row.status,
    }


def change_of(row: DocumentTable, **after: Any) -> Change:
    """What a change makes of a document; asked before it is made.

    Args:
        row: as it is.
        **after: the facts that will be different.
    """
    return Change(before=facts_of(row), after=facts_of(row) | after)
