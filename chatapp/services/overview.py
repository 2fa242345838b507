"""What the admin's first page shows of the tenant and the installation."""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.domain import Actor, Permission
from chatapp.services import doctor
from chatapp.settings import get_settings

_LABELS = {"database": "Database", "redis": "Redis", "vector_index": "Vector index"}


@dataclass(frozen=True, slots=True)
class Dependency:
    """One server the product needs."""

    name: str
    label: str
    state: str
    """`ok`, or why not."""


async def dependencies(actor: Actor) -> list[Dependency]:
    """The state of each server the product needs.

    Raises:
        NotPermitted: the actor may not see the admin section.
    """
    actor.require(Permission.READ_ADMIN)
    states = await doctor.readiness(get_settings())
    return [Dependency(name, _LABELS.get(name, name), state) for name, state in states.items()]
