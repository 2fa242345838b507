"""`/v1/admin/tenants/{tenant_id}/users` and `/v1/admin/users`: people of a tenant, and of the installation."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.domain import Role
from chatapp.errors import InvalidInput
from chatapp.services import invitations, memberships, users
from chatapp.services.csv_export import stream_csv
from chatapp.services.keys_left import KeysToEnd
from chatapp.services.memberships import UserDetail, UserView
from chatapp.services.passwords import MAX_PASSWORD_CHARACTERS
from chatapp.services.users import PersonView
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin", tags=["admin: users"])

_MAX_ROLES = len(Role)


class NewUser(RequestBody):
    """Somebody to invite, or to add with a password."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(min_length=1, max_length=1_000)
    roles: list[Role] = Field(min_length=1, max_length=_MAX_ROLES)
    name: str = Field("", max_length=1_000)
    password: str | None = Field(None, max_length=MAX_PASSWORD_CHARACTERS)
    """For a new account, which can be used at once. Left out, or where there is an account: a link is made."""


class UserChange(RequestBody):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    roles: list[Role] | None = Field(None, max_length=_MAX_ROLES)
    name: str | None = Field(None, max_length=1_000)
    is_disabled: bool | None = None
    """Whether they are kept out of this tenant."""
    keys: KeysToEnd = "admin"
    """Which keys of services they made end with their right to make them."""


class PersonChange(RequestBody):
    """What is to be different of a person, in every tenant; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    is_disabled: bool | None = None
    is_platform_admin: bool | None = None
    keys: KeysToEnd = "admin"
    """Which keys of services they made end, in tenants where they may make none any more."""


class InvitedUser(BaseModel):
    """Somebody who was added or invited."""

    id: UUID
    email: str
    roles: list[str]
    status: str
    """`active`: they can sign in; `invited`: they join with the link."""
    invite_link: str | None = None
    """To give to the person, shown this once."""


class Link(BaseModel):
    """A link to give to the person, shown this once."""

    link: str


class SignedOut(BaseModel):
    """How many sign-ins ended."""

    ended: int


@router.get("/tenants/{tenant_id}/users")
async def list_users(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[UserView]:
    """The people of a tenant, by address."""
    return list_answer(await memberships.list_users(actor, tenant_id, wanted))


@router.get("/tenants/{tenant_id}/users.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Everybody the filters let through, as CSV."""
    lines = stream_csv(lambda asked: memberships.list_users(actor, tenant_id, asked), UserView, wanted)
    return await download(lines, filename="users.csv", media_type="text/csv")


@router.post("/tenants/{tenant_id}/users", response_model_exclude_none=True)
async def invite(actor: SignedIn, tenant_id: PathId, body: NewUser) -> InvitedUser:
    """Invite a person into a tenant by a link, or add them with a password."""
    invited = await invitations.invite(
        actor, tenant_id, email=body.email, roles=body.roles, name=body.name, password=body.password
    )
    return InvitedUser.model_validate(invited, from_attributes=True)


@router.get("/tenants/{tenant_id}/users/{user_id}")
async def get(actor: SignedIn, tenant_id: PathId, user_id: PathId) -> UserDetail:
    """One person of a tenant, with groups, sign-ins and the number of keys."""
    return await memberships.get_user(actor, tenant_id, user_id)


@router.patch("/tenants/{tenant_id}/users/{user_id}")
async def change(actor: SignedIn, tenant_id: PathId, user_id: PathId, body: UserChange) -> UserDetail:
    """Change a person's roles or name, or keep them out of the tenant."""
    if body.roles is None and body.name is None and body.is_disabled is None:
        raise InvalidInput("Say what is to change: roles, name, or is_disabled.", param="roles")
    return await memberships.update_user(
        actor, tenant_id, user_id, roles=body.roles, name=body.name, is_disabled=body.is_disabled, keys=body.keys
    )


@router.delete("/tenants/{tenant_id}/users/{user_id}", status_code=204)
async def remove(actor: SignedIn, tenant_id: PathId, user_id: PathId, keys: KeysToEnd = "admin") -> Response:
    """Take a person out of a tenant, or an invitation back; `keys` says which keys of services they made end too."""
    await memberships.remove_user(actor, tenant_id, user_id, keys=keys)
    return Response(status_code=204)


@router.post("/tenants/{tenant_id}/users/{user_id}/invite")
async def renew_invitation(actor: SignedIn, tenant_id: PathId, user_id: PathId) -> Link:
    """Make a new link for somebody who was invited; the one before stops working."""
    return Link(link=await invitations.renew(actor, tenant_id, user_id))


@router.post("/tenants/{tenant_id}/users/{user_id}/reset-link")
async def make_reset_link(actor: SignedIn, tenant_id: PathId, user_id: PathId) -> Link:
    """Make a link with which a person sets another password."""
    return Link(link=await invitations.reset_link(actor, tenant_id, user_id))


@router.post("/tenants/{tenant_id}/users/{user_id}/sign-out")
async def sign_out(actor: SignedIn, tenant_id: PathId, user_id: PathId) -> SignedOut:
    """End every sign-in of a person in a tenant."""
    return SignedOut(ended=await memberships.sign_out_user(actor, tenant_id, user_id))


@router.get("/users/{user_id}")
async def get_person(actor: SignedIn, user_id: PathId) -> PersonView:
    """A person of the installation with their tenants; platform admins only."""
    return await users.get(actor, user_id)


@router.patch("/users/{user_id}")
async def change_person(actor: SignedIn, user_id: PathId, body: PersonChange) -> PersonView:
    """Keep a person out of every tenant, or make them a platform admin; platform admins only."""
    if body.is_disabled is None and body.is_platform_admin is None:
        raise InvalidInput("Say what is to change: is_disabled, or is_platform_admin.", param="is_disabled")
    return await users.update(
        actor, user_id, is_disabled=body.is_disabled, is_platform_admin=body.is_platform_admin, keys=body.keys
    )


@router.post("/users/{user_id}/reset-link")
async def make_reset_link_of_anyone(actor: SignedIn, user_id: PathId) -> Link:
    """Make a link with which any person sets another password; platform admins only."""
    return Link(link=await invitations.reset_link_of_anyone(actor, user_id))


@router.post("/users/{user_id}/sign-out")
async def sign_out_everywhere(actor: SignedIn, user_id: PathId) -> SignedOut:
    """End every sign-in of a person, in every tenant; platform admins only."""
    return SignedOut(ended=await users.sign_out_everywhere(actor, user_id))
