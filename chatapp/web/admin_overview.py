"""`/v1/admin/tenants/{tenant_id}/overview`: is it up, is it fast, is it right, what does it cost."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from chatapp.services import overview
from chatapp.services.overview import DEFAULT_RANGE, Overview
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: overview"])


@router.get("/overview")
async def get_overview(
    actor: SignedIn,
    tenant_id: PathId,
    span: Annotated[str, Query(alias="range", max_length=10, description="24h, 7d, 30d or 90d")] = DEFAULT_RANGE,
) -> Overview:
    """The tenant's figures over a span and the one before, and the state of the installation's servers."""
    return await overview.get_of(actor, tenant_id, span=span)
