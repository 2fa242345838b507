"""`/v1/admin/tenants/{tenant_id}/limits`: how much a tenant may have in the making at once."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict

from chatapp.domain import Permission
from chatapp.services import tenant_limits
from chatapp.services.administration import acting_in
from chatapp.services.tenant_limits import Limits, LimitsView
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}/limits", tags=["admin: limits"])


class LimitsBody(Limits, RequestBody):
    """A tenant's limits, whole: what is left out is the installation's."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@router.get("")
async def get(actor: SignedIn, tenant_id: PathId) -> LimitsView:
    """The tenant's limits, and what is in force."""
    return await tenant_limits.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN))


@router.put("")
async def put(actor: SignedIn, tenant_id: PathId, body: LimitsBody) -> LimitsView:
    """Give the tenant these limits. More than the installation gives everybody is for platform admins to give."""
    return await tenant_limits.put(await acting_in(actor, tenant_id, Permission.ADMIN), body)
