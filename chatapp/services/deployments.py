"""Use cases of deployments: the equal places where one model is served. Platform admins change them.

The first is the one that the model's own row names; it is changed as a part of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict
from chatapp.services.model_fields import valid_text, valid_weight
from chatapp.store import audit, deployments, providers
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import DeploymentTable, ModelTable, ProviderTable

MAX_DEPLOYMENTS = 50
"""Of one model, beside its own."""


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """One place where a model is served."""

    id: UUID | None
    """None: the model's own, which is changed with the model."""
    provider_id: UUID
    provider: str
    provider_model: str
    weight: int
    """Share of the work where it is shared by weight; 0: none of it while another is there."""
    is_enabled: bool
    is_provider_enabled: bool
    created_at: datetime


async def list_deployments(actor: Actor, model_id: UUID) -> list[DeploymentView]:
    """Every place where a model is served, its own first.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: there is no such model.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return await _views(tx, await providers.get_model(tx, model_id))


async def add(
    actor: Actor, model_id: UUID, *, provider: str, provider_model: str, weight: int = 1
) -> list[DeploymentView]:
    """Have a model served at one more place. It has to be the same model: answers may come from either.

    Args:
        actor: a platform admin.
        model_id: which.
        provider: name or id of who serves it there.
        provider_model: what it is called there.
        weight: share of the work where it is shared by weight, 0 to 1,000.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model.
        InvalidInput: a field is not valid, or there is no such provider.
        Conflict: it is served there under that name already, or at too many places.
    """
    actor.require(Permission.PLATFORM)
    provider_model, weight = valid_text(provider_model, "provider_model"), valid_weight(weight)
    async with transaction(actor) as tx:
        model = await providers.get_model(tx, model_id)
        row = DeploymentTable(
            model_id=model_id,
            provider_id=(await providers.provider_of(tx, provider)).id,
            provider_model=provider_model,
            weight=weight,
        )
        await _require_new(tx, model, row)
        tx.session.add(row)
        await tx.session.flush()
        await audit.write(tx, "deployment.added", row.id, after=_as_json(row), model=model.name)
        return await _views(tx, model)


async def change(actor: Actor, model_id: UUID, deployment_id: UUID, wanted: Mapping[str, Any]) -> list[DeploymentView]:
    """Change a further deployment; the next question goes by it.

    Args:
        actor: a platform admin.
        model_id: whose.
        deployment_id: which.
        wanted: `weight`, `is_enabled` or both; what is left out stays.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model, or it has no such deployment.
        InvalidInput: the weight is out of range.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        model = await providers.get_model(tx, model_id)
        row = await deployments.get(tx, model_id, deployment_id)
        before = _as_json(row)
        if "weight" in wanted:
            row.weight = valid_weight(wanted["weight"])
        if "is_enabled" in wanted:
            row.is_enabled = bool(wanted["is_enabled"])
        await audit.write(tx, "deployment.changed", row.id, before=before, after=_as_json(row), model=model.name)
        return await _views(tx, model)


async def remove(actor: Actor, model_id: UUID, deployment_id: UUID) -> None:
    """Have a model no longer served at a further place.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model, or it has no such deployment.
    """
    actor.require(Permission.PLATFORM)
    async with transaction(actor) as tx:
        model = await providers.get_model(tx, model_id)
        row = await deployments.get(tx, model_id, deployment_id)
        await audit.write(tx, "deployment.removed", row.id, before=_as_json(row), model=model.name)
        await tx.session.delete(row)


async def _require_new(tx: Transaction, model: ModelTable, row: DeploymentTable) -> None:
    there = [each for each, _ in await deployments.list_of(tx, model.id)]
    taken = {(each.provider_id, each.provider_model) for each in (model, *there)}
    if (row.provider_id, row.provider_model) in taken:
        raise Conflict(f"{model.name} is served there already.", param="provider_model")
    if len(there) >= MAX_DEPLOYMENTS:
        raise Conflict(f"A model has at most {MAX_DEPLOYMENTS} further deployments.")


async def _views(tx: Transaction, model: ModelTable) -> list[DeploymentView]:
    own = (model, await providers.get_provider(tx, model.provider_id))
    return [_view(None, *own)] + [_view(row.id, row, at) for row, at in await deployments.list_of(tx, model.id)]


def _view(deployment_id: UUID | None, row: ModelTable | DeploymentTable, provider: ProviderTable) -> DeploymentView:
    return DeploymentView(
        id=deployment_id,
        provider_id=provider.id,
        provider=provider.name,
        provider_model=row.provider_model,
        weight=row.weight,
        is_enabled=row.is_enabled,
        is_provider_enabled=provider.is_enabled,
        created_at=row.created_at,
    )


def _as_json(row: DeploymentTable) -> dict[str, Any]:
    return {
        "provider_id": str(row.provider_id),
        "provider_model": row.provider_model,
        "weight": row.weight,
        "is_enabled": row.is_enabled,
    }
