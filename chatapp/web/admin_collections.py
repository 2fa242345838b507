"""`/v1/admin/tenants/{tenant_id}/collections`: who may read which collection and why, and changing it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.domain import Permission
from chatapp.services import grants
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.grants import GrantChange, GrantedCollectionView, GrantLine, GrantsSet, ReadableView, ReaderView
from chatapp.services.subjects import MAX_GRANTS
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.grant_body import GrantBody, as_grants
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: collections"])


class WantedGrants(RequestBody):
    """All grants that a collection is to have."""

    model_config = ConfigDict(extra="forbid")

    grants: list[GrantBody] = Field(max_length=MAX_GRANTS)
    """Empty: nobody may read it, until an admin grants it again."""
    reason: str = Field("", max_length=500)
    """Why, for the audit log."""


class Readable(BaseModel):
    """What a person may read."""

    object: Literal["list"] = "list"
    data: list[ReadableView]


@router.get("/collections")
async def list_collections(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[GrantedCollectionView]:
    """Every collection with who may read it, also those the caller may not read."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return list_answer(await grants.list_collections(there, wanted))


@router.get("/collections.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every collection the filters let through, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: grants.list_lines(there, asked), GrantLine, wanted)
    return await download(lines, filename="collections.csv", media_type="text/csv")


@router.get("/collections/{collection_id}")
async def get(actor: SignedIn, tenant_id: PathId, collection_id: PathId) -> GrantedCollectionView:
    """One collection with who may read it."""
    return await grants.get_collection(await acting_in(actor, tenant_id, Permission.READ_ADMIN), collection_id)


@router.put("/collections/{collection_id}/grants")
async def set_grants(actor: SignedIn, tenant_id: PathId, collection_id: PathId, body: WantedGrants) -> GrantsSet:
    """Put a list of grants in the place of those there are. They hold at once."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await grants.set_grants(there, collection_id, as_grants(body.grants), reason=body.reason)


@router.post("/collections/{collection_id}/grants/preview")
async def preview(actor: SignedIn, tenant_id: PathId, collection_id: PathId, body: WantedGrants) -> GrantChange:
    """Who would gain and who would lose the collection with these grants. Nothing is changed."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await grants.preview(there, collection_id, as_grants(body.grants))


@router.get("/collections/{collection_id}/readers")
async def list_readers(
    actor: SignedIn, tenant_id: PathId, collection_id: PathId, wanted: Wanted
) -> ListAnswer[ReaderView]:
    """Who may read a collection, and through which grants."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return list_answer(await grants.list_readers(there, collection_id, wanted))


@router.get("/users/{user_id}/collections")
async def what_may_be_read(actor: SignedIn, tenant_id: PathId, user_id: PathId) -> Readable:
    """The collections a person may read, and through which grants."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return Readable(data=await grants.what_may_be_read(there, user_id))
