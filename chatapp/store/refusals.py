"""Queries about how many questions were turned away because too much was being asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import RefusalTable, TenantTable


async def add(tx: Transaction, counts: Mapping[tuple[UUID, datetime, str], int]) -> None:
    """Add to the counts of several tenants; those of tenants that are gone are dropped.

    Args:
        tx: a system transaction.
        counts: by tenant, first moment of the hour in UTC, and reason.
    """
    wanted = {tenant_id for tenant_id, _, _ in counts}
    known = set(
        (await tx.session.execute(select(col(TenantTable.id)).where(col(TenantTable.id).in_(wanted)))).scalars()
    )
    rows = [
        {"tenant_id": tenant_id, "hour": hour, "reason": reason, "count": count}
        for (tenant_id, hour, reason), count in counts.items()
        if tenant_id in known
    ]
    if not rows:
        return
    insert = postgresql.insert if tx.session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(RefusalTable)
    key = [col(RefusalTable.tenant_id), col(RefusalTable.hour), col(RefusalTable.reason)]
    more = {"count": col(RefusalTable.count) + statement.excluded["count"]}
    await tx.session.execute(statement.on_conflict_do_update(index_elements=key, set_=more), rows)


async def count(tx: Transaction, since: datetime, until: datetime) -> int:
    """How many of the actor's tenant were turned away in a span, by whole hours.

    Args:
        tx: an actor's transaction.
        since: inclusive.
        until: exclusive.
    """
    statement = select(func.coalesce(func.sum(col(RefusalTable.count)), 0)).where(
        col(RefusalTable.tenant_id) == tx.tenant_id,
        col(RefusalTable.hour) >= since,
        col(RefusalTable.hour) < until,
    )
    return int((await tx.session.execute(statement)).scalar_one())
