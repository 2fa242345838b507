"""`/v1/admin/tenants`: made, listed, renamed, suspended, resumed and deleted."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.errors import InvalidInput
from chatapp.services import tenants
from chatapp.services.csv_export import stream_csv
from chatapp.services.tenants import TenantView
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin", tags=["admin: tenants"])


class NewTenant(RequestBody):
    """A tenant to make."""

    model_config = ConfigDict(extra="forbid")

    name: str


class TenantChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    is_suspended: bool | None = None
    """Platform admins only."""
    reason: str = Field("", description="Why it is suspended; asked for then.")


class TenantToDelete(RequestBody):
    """The tenant's name, as a sign that this one is meant."""

    model_config = ConfigDict(extra="forbid")

    name: str


@router.get("/tenants")
async def list_tenants(actor: SignedIn, wanted: Wanted) -> ListAnswer[TenantView]:
    """The tenants, by name; for who is no platform admin, their own."""
    return list_answer(await tenants.list_tenants(actor, wanted))


@router.get("/tenants.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, wanted: Wanted) -> StreamingResponse:
    """Every tenant the filters let through, as CSV."""
    lines = stream_csv(lambda asked: tenants.list_tenants(actor, asked), TenantView, wanted)
    return await download(lines, filename="tenants.csv", media_type="text/csv")


@router.post("/tenants")
async def create(actor: SignedIn, body: NewTenant) -> TenantView:
    """Make an empty tenant; `POST /tenants/{id}/users` gives it its first person."""
    return await tenants.create(actor, name=body.name)


@router.get("/tenants/{tenant_id}")
async def get(actor: SignedIn, tenant_id: PathId) -> TenantView:
    """One tenant; while it is being deleted, how far that is."""
    return await tenants.get(actor, tenant_id)


@router.patch("/tenants/{tenant_id}")
async def change(actor: SignedIn, tenant_id: PathId, body: TenantChange) -> TenantView:
    """Rename a tenant, or suspend or resume it."""
    if body.name is not None and body.is_suspended is not None:
        raise InvalidInput("Rename a tenant, or suspend or resume it; not both at once.", param="is_suspended")
    if body.name is not None:
        return await tenants.rename(actor, tenant_id, name=body.name)
    if body.is_suspended is None:
        raise InvalidInput("Say what is to change: name, or is_suspended.", param="name")
    if body.is_suspended:
        return await tenants.suspend(actor, tenant_id, reason=body.reason)
    return await tenants.resume(actor, tenant_id)


@router.delete("/tenants/{tenant_id}", status_code=202)
async def delete(actor: SignedIn, tenant_id: PathId, body: TenantToDelete) -> TenantView:
    """Begin to delete a tenant with everything in it. It is closed at once, and not found any more when it is gone."""
    return await tenants.delete(actor, tenant_id, name=body.name)
