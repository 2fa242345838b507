"""Queries about loose files: uploaded over the API, in no collection, and so seen by their uploader alone.

When the uploader is gone for good nobody sees them any more. Such a file is marked when that is first noticed, and
removed when it has stayed so for a while: a member taken out by mistake finds their files when they are back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlmodel import col

from chatapp.domain import utc_now
from chatapp.store.database import Transaction
from chatapp.store.tables import ApiKeyTable, DocumentTable, MembershipTable

_OWNERLESS = "ownerless"


async def mark(tx: Transaction) -> None:
    """Mark, in every tenant, the loose files whose uploader is gone, and unmark those whose uploader is back.

    Args:
        tx: a system transaction.
    """
    gone, mine = _is_ownerless(), col(DocumentTable.error_stage)
    for where, stage in ((and_(gone, mine != _OWNERLESS), _OWNERLESS), (and_(~gone, mine == _OWNERLESS), "")):
        found = select(col(DocumentTable.id)).where(col(DocumentTable.collection_id).is_(None), where)
        statement = update(DocumentTable).where(col(DocumentTable.id).in_(found))
        await tx.session.execute(
            statement.values(error_stage=stage, updated_at=utc_now()).execution_options(synchronize_session=False)
        )


async def list_marked(tx: Transaction, *, before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and id of files that were marked before a moment and still have no owner, the oldest first.

    Args:
        tx: a system transaction.
        before: the moment.
        limit: most files.
    """
    query = (
        select(col(DocumentTable.tenant_id), col(DocumentTable.id))
        .where(
            col(DocumentTable.collection_id).is_(None),
            col(DocumentTable.error_stage) == _OWNERLESS,
            col(DocumentTable.updated_at) < before,
            _is_ownerless(),
        )
        .order_by(col(DocumentTable.updated_at))
        .limit(limit)
    )
    return [(tenant_id, document_id) for tenant_id, document_id in await tx.session.execute(query)]


def _is_ownerless() -> ColumnElement[bool]:
    document: Any = DocumentTable
    member = exists().where(
        col(MembershipTable.tenant_id) == document.tenant_id, col(MembershipTable.user_id) == document.created_by
    )
    key = exists().where(
        col(ApiKeyTable.tenant_id) == document.tenant_id,
        col(ApiKeyTable.id) == document.created_by_key,
        col(ApiKeyTable.revoked_at).is_(None),
    )
    return or_(
        and_(document.created_by.is_not(None), ~member),
        and_(document.created_by.is_(None), ~key),
    )
