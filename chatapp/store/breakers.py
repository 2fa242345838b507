"""Queries about circuit breakers: what each process says of its own, and which an admin holds open."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select
from sqlmodel import col

from chatapp.store.database import Transaction
from chatapp.store.tables import BreakerDrillTable, BreakerTable, DeploymentTable, ModelTable, ProviderTable


async def save(tx: Transaction, reports: Iterable[BreakerTable]) -> None:
    """Write what a process says of its breakers, in the place of what it said before."""
    for report in reports:
        await tx.session.merge(report)


async def list_reports(tx: Transaction, *, since: datetime) -> list[BreakerTable]:
    """What was said since a moment, the latest first."""
    query = select(BreakerTable).where(col(BreakerTable.seen_at) >= since).order_by(col(BreakerTable.seen_at).desc())
    return list((await tx.session.execute(query)).scalars())


async def forget_reports(tx: Transaction, *, process: str, before: datetime) -> None:
    """Remove what a process said, and whatever is older than a moment."""
    gone = (col(BreakerTable.process) == process) | (col(BreakerTable.seen_at) < before)
    await tx.session.execute(delete(BreakerTable).where(gone))


async def list_drills(tx: Transaction, *, now: datetime) -> list[BreakerDrillTable]:
    """The drills that have not ended."""
    query = select(BreakerDrillTable).where(col(BreakerDrillTable.until) > now)
    return list((await tx.session.execute(query)).scalars())


async def find_drill(tx: Transaction, deployment: str, *, now: datetime) -> BreakerDrillTable | None:
    """The drill of a deployment that has not ended."""
    row = await tx.session.get(BreakerDrillTable, deployment)
    return row if row is not None and row.until > now else None


async def put_drill(tx: Transaction, row: BreakerDrillTable) -> None:
    """Hold a deployment's breaker open, in the place of a drill that is there; forgets those that have ended."""
    await tx.session.execute(delete(BreakerDrillTable).where(col(BreakerDrillTable.until) <= row.created_at))
    await tx.session.merge(row)


async def end_drill(tx: Transaction, deployment: str) -> None:
    """Let a deployment's breaker go."""
    await tx.session.execute(delete(BreakerDrillTable).where(col(BreakerDrillTable.deployment) == deployment))


async def list_places(tx: Transaction) -> list[tuple[str, str, str]]:
    """Every place where a model in use is served, as `(model, provider, provider's name of it)`, by model."""
    named = select(col(ModelTable.name), col(ProviderTable.name), col(ModelTable.provider_model)).join(
        ProviderTable, col(ProviderTable.id) == col(ModelTable.provider_id)
    )
    further = (
        select(col(ModelTable.name), col(ProviderTable.name), col(DeploymentTable.provider_model))
        .join(DeploymentTable, col(DeploymentTable.model_id) == col(ModelTable.id))
        .join(ProviderTable, col(ProviderTable.id) == col(DeploymentTable.provider_id))
        .where(col(DeploymentTable.is_enabled))
    )
    in_use = (col(ModelTable.is_enabled), col(ProviderTable.is_enabled))
    found = [
        (model, provider, provider_model)
        for query in (named, further)
        for model, provider, provider_model in await tx.session.execute(query.where(*in_use))
    ]
    return sorted(found, key=lambda place: place[0].casefold())
