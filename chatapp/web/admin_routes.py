"""`/v1/admin/tenants/{tenant_id}/route`: which model answers what in a tenant."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chatapp.domain import Permission
from chatapp.services import route_trials, routes
from chatapp.services.administration import acting_in
from chatapp.services.route_trials import MAX_TRIED, Trial
from chatapp.services.routes import MAX_REASON_CHARACTERS, RouteSettings, RouteView
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}/route", tags=["admin: routes"])


class RouteBody(RouteSettings, RequestBody):
    """A tenant's route, whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = Field(default="", max_length=MAX_REASON_CHARACTERS, description="Why, for the audit log.")


class RemovedRoute(BaseModel):
    """A route that is gone."""

    tenant_id: UUID
    deleted: bool = True


class DryRun(RequestBody):
    """A route to try."""

    model_config = ConfigDict(extra="forbid")

    route: RouteSettings
    last: int = Field(default=100, ge=1, le=MAX_TRIED, description="How many of the last answers.")


@router.get("")
async def get(actor: SignedIn, tenant_id: PathId) -> RouteView:
    """The tenant's route, or what the installation does where it has none."""
    return await routes.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN))


@router.put("")
async def put(actor: SignedIn, tenant_id: PathId, body: RouteBody) -> RouteView:
    """Give the tenant a route. The next question goes by it."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await routes.put(there, body, reason=body.reason)


@router.delete("")
async def remove(actor: SignedIn, tenant_id: PathId) -> RemovedRoute:
    """Take the route away. The next question goes where the installation sends it."""
    await routes.remove(await acting_in(actor, tenant_id, Permission.ADMIN))
    return RemovedRoute(tenant_id=tenant_id)


@router.post("/dry-run")
async def dry_run(actor: SignedIn, tenant_id: PathId, body: DryRun) -> Trial:
    """What a route would have done with the tenant's last questions; nothing is changed or asked."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await route_trials.dry_run(there, body.route, last=body.last)
