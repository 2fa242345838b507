"""Who may read and write a collection, as conditions of SQL: the one place that says what a grant means.

`store.database` puts them to every statement of an actor's transaction, and `store.grants` explains with the same
ones, so what is explained is what holds. The tables stand here under names of their own: a condition must never be
taken to speak of a table the statement itself names.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true

from chatapp.domain import Actor, Permission
from chatapp.store.tables import (
    ChunkTable,
    CollectionGrantTable,
    CollectionTable,
    DocumentTable,
    DocumentVersionTable,
    GroupMemberTable,
)


def _apart(table: type, name: str) -> Any:
    return table.__table__.alias(name)  # type: ignore[attr-defined]


_GRANT = _apart(CollectionGrantTable, "held_grant")
_PLACE = _apart(GroupMemberTable, "own_group")
_DOCUMENT = _apart(DocumentTable, "own_document")


def may_read(actor: Actor, collection_id: Any) -> ColumnElement[bool]:
    """Whether the actor may read the collection of that id.

    Args:
        actor: who reads.
        collection_id: column with the id.
    """
    if actor.is_system:
        return true()
    return collection_id.in_(_held(actor)) if actor.may(Permission.READ_DOCUMENTS) else false()


def may_write(actor: Actor, collection_id: Any) -> ColumnElement[bool]:
    """Whether the actor may write the collection of that id; who may, may read it too."""
    if actor.is_system:
        return true()
    if not actor.permissions >= {Permission.READ_DOCUMENTS, Permission.WRITE_DOCUMENTS}:
        return false()
    return collection_id.in_(_held(actor).where(_GRANT.c.access == "write"))


def may_write_document(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor may write the document of the statement: its collection, or one of theirs in none."""
    if not actor.is_system and not actor.may(Permission.WRITE_DOCUMENTS):
        return false()
    document: Any = DocumentTable
    return or_(may_write(actor, document.collection_id), document.collection_id.is_(None))


def walls(actor: Actor) -> dict[type, ColumnElement[bool]]:
    """By table, which of its rows the actor may see."""
    document, version = DocumentTable.__table__.c, DocumentVersionTable.__table__.c  # type: ignore[attr-defined]
    return {
        CollectionTable: may_read(actor, CollectionTable.__table__.c.id),  # type: ignore[attr-defined]
        DocumentTable: _may_see(actor, document),
        DocumentVersionTable: exists()
        .where(_DOCUMENT.c.id == version.document_id, _may_see(actor, _DOCUMENT.c))
        .correlate_except(_DOCUMENT),
        ChunkTable: may_read(actor, ChunkTable.__table__.c.collection_id),  # type: ignore[attr-defined]
    }


def _may_see(actor: Actor, document: Any) -> ColumnElement[bool]:
    if not actor.may(Permission.READ_DOCUMENTS):
        return false()
    own = document.created_by == actor.user_id if actor.user_id else document.created_by_key == actor.key_id
    return or_(may_read(actor, document.collection_id), and_(document.collection_id.is_(None), own))


def held_by(actor: Actor) -> ColumnElement[bool]:
    """Whether the grant of the statement is one the actor has."""
    return _is_held(actor, CollectionGrantTable.__table__.c)  # type: ignore[attr-defined]


def _held(actor: Actor) -> Any:
    """The collections of the actor's grants."""
    # Told to look outside at nothing: the statement around it may name the same tables.
    return select(_GRANT.c.collection_id).where(_is_held(actor, _GRANT.c)).correlate(None)


def _is_held(actor: Actor, grant: Any) -> ColumnElement[bool]:
    def granted_to(kind: str, *who: ColumnElement[bool]) -> ColumnElement[bool]:
        # The tenant in each, so that each is found by an index instead of reading all of a tenant's grants.
        return and_(grant.tenant_id == actor.tenant_id, grant.subject_kind == kind, *who)

    held = [granted_to("everyone")]
    if actor.user_id is None:
        held.append(granted_to("key", grant.subject == str(actor.key_id)))
    else:
        # A person's key has what the person has, and nothing of its own.
        place = _PLACE.c
        groups = select(place.group_id).where(place.tenant_id == actor.tenant_id, place.user_id == actor.user_id)
        held.append(granted_to("user", grant.subject == str(actor.user_id)))
        held.append(granted_to("group", grant.group_id.in_(groups.correlate(None))))
    if actor.roles:
        held.append(granted_to("role", grant.subject.in_([str(role) for role in actor.roles])))
    return or_(*held)
