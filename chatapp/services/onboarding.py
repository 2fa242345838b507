"""The guided start of a tenant: people, documents, a model, the first question.

What is done is read from what is there; only what somebody chose to leave out is kept (`TenantTable.onboarding`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput
from chatapp.providers.extractive import Extractive
from chatapp.store import audit, catalog, onboarding, routes, tenants
from chatapp.store.database import Transaction, transaction

STEPS = ("people", "documents", "model", "question")
"""In the order they are offered."""


@dataclass(frozen=True, slots=True)
class OnboardingStep:
    """One step."""

    name: str
    is_done: bool
    is_skipped: bool
    """Somebody chose to leave it out; for the model: to keep the built-in one."""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return not (self.is_done or self.is_skipped)


@dataclass(frozen=True, slots=True)
class OnboardingView:
    """How far a tenant is."""

    steps: tuple[OnboardingStep, ...]
    is_dismissed: bool
    """The whole was put away."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return not any(step.is_open for step in self.steps)


async def get(actor: Actor) -> OnboardingView:
    """How far the actor's tenant is.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
    """
    actor.require(Permission.ADMIN)
    # What there is counts whoever may read it.
    async with transaction(replace(actor, is_system=True), readonly=True) as tx:
        kept = (await tenants.get(tx, actor.tenant_id)).onboarding
        done = {
            "people": await onboarding.has_company(tx),
            "documents": await onboarding.has_ready_document(tx),
            "model": await _has_model(tx),
            "question": await onboarding.has_answer(tx),
        }
    skipped = _skipped(kept)
    steps = tuple(OnboardingStep(name, done[name], name in skipped) for name in STEPS)
    return OnboardingView(steps, is_dismissed=kept.get("dismissed") is True)


async def skip(actor: Actor, step: str, *, is_skipped: bool = True) -> OnboardingView:
    """Leave a step out, or take it up again.

    Args:
        actor: an admin of the tenant.
        step: one of `STEPS`.
        is_skipped: False takes it up again.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: there is no such step.
    """
    if step not in STEPS:
        raise InvalidInput(f"There is no step “{step[:40]}”. There are: {', '.join(STEPS)}.", param="step")

    def change(kept: dict[str, Any]) -> dict[str, Any]:
        skipped = (_skipped(kept) | {step}) if is_skipped else (_skipped(kept) - {step})
        return {**kept, "skipped": [name for name in STEPS if name in skipped]}

    return await _change(actor, change)


async def dismiss(actor: Actor, *, is_dismissed: bool = True) -> OnboardingView:
    """Put the whole away, or bring it back with all its steps.

    Args:
        actor: an admin of the tenant.
        is_dismissed: False brings it back, and takes up what was left out.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
    """
    return await _change(actor, lambda kept: {**kept, "dismissed": True} if is_dismissed else {})


async def _change(actor: Actor, change: Any) -> OnboardingView:
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row = await tenants.get(tx, actor.tenant_id, for_update=True)
        before, row.onboarding = row.onboarding, change(row.onboarding)
        if before != row.onboarding:
            await audit.write(tx, "onboarding.changed", row.id, before=before, after=row.onboarding)
    return await get(actor)


async def _has_model(tx: Transaction) -> bool:
    """Whether answers come from anything but the built-in model, which only quotes."""
    route = await routes.find(tx)
    found = await catalog.find_model(tx, route.default_model) if route is not None else None
    found = found or await catalog.find_default(tx)
    return found is not None and found[1].kind != Extractive.kind


def _skipped(kept: dict[str, Any]) -> set[str]:
    names = kept.get("skipped")
    return {name for name in names if name in STEPS} if isinstance(names, list) else set()
