"""Further places where a model is served, beside the one its own row names."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from chatapp.errors import NotFound
from chatapp.store.database import Transaction
from chatapp.store.tables import DeploymentTable, ProviderTable


async def list_of(tx: Transaction, model_id: UUID) -> Sequence[tuple[DeploymentTable, ProviderTable]]:
    """A model's further deployments with their providers, in use or not, the oldest first."""
    query = _with_providers().where(col(DeploymentTable.model_id) == model_id)
    return [(deployment, provider) for deployment, provider in (await tx.session.execute(query)).all()]


async def list_in_use(
    tx: Transaction, model_ids: Sequence[UUID]
) -> dict[UUID, list[tuple[DeploymentTable, ProviderTable]]]:
    """The further deployments in use of these models, by model, the oldest first; a model without any is left out."""
    query = _with_providers().where(
        col(DeploymentTable.model_id).in_(model_ids),
        col(DeploymentTable.is_enabled),
        col(ProviderTable.is_enabled),
    )
    found: dict[UUID, list[tuple[DeploymentTable, ProviderTable]]] = {}
    for deployment, provider in (await tx.session.execute(query)).all():
        found.setdefault(deployment.model_id, []).append((deployment, provider))
    return found


async def get(tx: Transaction, model_id: UUID, deployment_id: UUID) -> DeploymentTable:
    """One further deployment of a model.

    Raises:
        NotFound: the model has none of that id.
    """
    row = await tx.session.get(DeploymentTable, deployment_id)
    if row is None or row.model_id != model_id:
        raise NotFound("There is no such deployment.", param="deployment_id")
    return row


async def count_at(tx: Transaction, provider_id: UUID) -> int:
    """How many further deployments are at a provider."""
    query = select(func.count()).where(col(DeploymentTable.provider_id) == provider_id)
    return (await tx.session.execute(query)).scalar_one()


def _with_providers():  # SQLAlchemy's type of a two-entity select is longer than the query
    return (
        select(DeploymentTable, ProviderTable)
        .join(ProviderTable, col(ProviderTable.id) == col(DeploymentTable.provider_id))
        .order_by(col(DeploymentTable.created_at), col(DeploymentTable.id))
    )
