"""`/v1/admin/tenants/{tenant_id}/keys`: API keys of a tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.responses import StreamingResponse

from chatapp.domain import Permission
from chatapp.services import keys
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.keys import CreatedKey, KeyView
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: keys"])


class NewKey(RequestBody):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str
    scopes: list[str]
    expires_at: datetime | None = None
    """In UTC where no zone is given; null: it is valid until it is revoked."""
    user_id: UUID | None = None
    """The person it belongs to; null: a service."""


class KeyChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    expires_at: datetime | None = None


class Rotation(RequestBody):
    """How the key before ends."""

    model_config = ConfigDict(extra="forbid")

    grace_hours: float = 0.0
    """How long it opens too, 0 to 168."""


@router.get("/keys")
async def list_keys(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[KeyView]:
    """Keys of the tenant, the newest first, those that ended among them."""
    return list_answer(await keys.list_keys(await acting_in(actor, tenant_id, Permission.READ_ADMIN), wanted))


@router.get("/keys.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every key the filters let through, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: keys.list_keys(there, asked), KeyView, wanted)
    return await download(lines, filename="keys.csv", media_type="text/csv")


@router.post("/keys")
async def create(actor: SignedIn, tenant_id: PathId, body: NewKey) -> CreatedKey:
    """Make a key. The answer holds it; it is never shown again."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await keys.create(
        there, name=body.name, scopes=body.scopes, expires_at=body.expires_at, user_id=body.user_id
    )


@router.get("/keys/{key_id}")
async def get(actor: SignedIn, tenant_id: PathId, key_id: PathId) -> KeyView:
    """One key."""
    return await keys.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN), key_id)


@router.patch("/keys/{key_id}")
async def change(actor: SignedIn, tenant_id: PathId, key_id: PathId, body: KeyChange) -> KeyView:
    """Change a key's name or end; `expires_at: null` is no end."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await keys.change(there, key_id, body.model_dump(exclude_unset=True))


@router.post("/keys/{key_id}/rotate")
async def rotate(actor: SignedIn, tenant_id: PathId, key_id: PathId, body: Rotation | None = None) -> CreatedKey:
    """Put a new key in the place of one. The answer holds it; it is never shown again."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await keys.rotate(there, key_id, grace_hours=(body or Rotation()).grace_hours)


@router.delete("/keys/{key_id}")
async def revoke(actor: SignedIn, tenant_id: PathId, key_id: PathId) -> KeyView:
    """End a key; it is refused everywhere within a second."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    await keys.revoke(there, key_id)
    return await keys.get(there, key_id)
