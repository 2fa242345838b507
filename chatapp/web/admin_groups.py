"""`/v1/admin/tenants/{tenant_id}/groups`: groups of people, and who is in them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.domain import Permission
from chatapp.services import groups
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.groups import GroupMemberView, GroupView, MembersChanged
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: groups"])


class NewGroup(RequestBody):
    """A group to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=1_000)
    description: str = Field("", max_length=4_000)
    user_ids: list[UUID] = Field(default_factory=list, max_length=groups.MAX_AT_ONCE)
    """People to put into it."""


class GroupChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=1_000)
    description: str | None = Field(None, max_length=4_000)


class People(RequestBody):
    """People of the tenant."""

    model_config = ConfigDict(extra="forbid")

    user_ids: list[UUID] = Field(min_length=1, max_length=groups.MAX_AT_ONCE)


class DeletedGroup(BaseModel):
    """A group that is gone."""

    id: UUID
    deleted: bool = True


@router.get("/groups")
async def list_groups(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[GroupView]:
    """The groups, by name."""
    return list_answer(await groups.list_groups(await acting_in(actor, tenant_id, Permission.READ_ADMIN), wanted))


@router.get("/groups.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every group the filters let through, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: groups.list_groups(there, asked), GroupView, wanted)
    return await download(lines, filename="groups.csv", media_type="text/csv")


@router.post("/groups")
async def create(actor: SignedIn, tenant_id: PathId, body: NewGroup) -> GroupView:
    """Make a group, with people in it where some are named."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await groups.create(there, name=body.name, description=body.description, user_ids=body.user_ids)


@router.get("/groups/{group_id}")
async def get(actor: SignedIn, tenant_id: PathId, group_id: PathId) -> GroupView:
    """One group."""
    return await groups.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN), group_id)


@router.patch("/groups/{group_id}")
async def change(actor: SignedIn, tenant_id: PathId, group_id: PathId, body: GroupChange) -> GroupView:
    """Change a group's name or description."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await groups.change(there, group_id, name=body.name, description=body.description)


@router.delete("/groups/{group_id}")
async def delete(actor: SignedIn, tenant_id: PathId, group_id: PathId) -> DeletedGroup:
    """Delete a group. Its people stay, and lose what it opened to them at once."""
    await groups.delete(await acting_in(actor, tenant_id, Permission.ADMIN), group_id)
    return DeletedGroup(id=group_id)


@router.get("/groups/{group_id}/members")
async def list_members(
    actor: SignedIn, tenant_id: PathId, group_id: PathId, wanted: Wanted
) -> ListAnswer[GroupMemberView]:
    """The people in a group, by address."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return list_answer(await groups.list_members(there, group_id, wanted))


@router.get("/groups/{group_id}/members.csv", response_class=StreamingResponse)
async def export_members(actor: SignedIn, tenant_id: PathId, group_id: PathId, wanted: Wanted) -> StreamingResponse:
    """The people in a group, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: groups.list_members(there, group_id, asked), GroupMemberView, wanted)
    return await download(lines, filename="members.csv", media_type="text/csv")


@router.post("/groups/{group_id}/members")
async def add_members(actor: SignedIn, tenant_id: PathId, group_id: PathId, body: People) -> MembersChanged:
    """Put people into a group; who is in it stays."""
    return await groups.add_members(await acting_in(actor, tenant_id, Permission.ADMIN), group_id, body.user_ids)


@router.post("/groups/{group_id}/members/remove")
async def remove_members(actor: SignedIn, tenant_id: PathId, group_id: PathId, body: People) -> MembersChanged:
    """Take people out of a group; who is not in it is left alone."""
    return await groups.remove_members(await acting_in(actor, tenant_id, Permission.ADMIN), group_id, body.user_ids)


@router.delete("/groups/{group_id}/members/{user_id}")
async def remove_member(actor: SignedIn, tenant_id: PathId, group_id: PathId, user_id: PathId) -> MembersChanged:
    """Take one person out of a group."""
    return await groups.remove_members(await acting_in(actor, tenant_id, Permission.ADMIN), group_id, [user_id])
