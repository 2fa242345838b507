"""`/auth/...` for who is signed in: who they are, their sign-ins, password and tenants. A key changes none of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from chatapp.services import account, sign_ins
from chatapp.services.account import OwnTenant
from chatapp.services.passwords import MAX_PASSWORD_CHARACTERS
from chatapp.settings import get_settings
from chatapp.web.auth import SignedIn, client_address, cookie_name, forget_cookie, person, set_cookie
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/auth", tags=["sign-in"])


class Me(BaseModel):
    """Who the caller is, and where they may act."""

    user_id: UUID | None
    """null for a service's key."""
    tenant_id: UUID
    tenant_name: str
    email: str
    name: str
    is_platform_admin: bool
    has_password: bool
    permissions: list[str]
    roles: list[str]
    tenants: list[OwnTenant]
    """Where they are a member, and the one they look at."""


class NewName(RequestBody):
    """What the person is called from now on."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=1_000)


class PasswordChange(RequestBody):
    """Another password, and the present one as a proof."""

    model_config = ConfigDict(extra="forbid")

    current_password: str = Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)
    new_password: str = Field(max_length=MAX_PASSWORD_CHARACTERS)


class TenantChoice(RequestBody):
    """The tenant to look at."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: UUID


class Ended(BaseModel):
    """How many sign-ins ended."""

    ended: int


class SignInItem(BaseModel):
    """An open sign-in."""

    id: UUID
    browser: str
    address: str
    method: str
    tenant_name: str
    began_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_this_one: bool


class SignInList(BaseModel):
    """The caller's open sign-ins, the one used last first."""

    data: list[SignInItem]


@router.get("/me")
async def me(actor: SignedIn) -> Me:
    """Who the caller is."""
    own = await account.describe(actor)
    return Me(
        user_id=own.user_id,
        tenant_id=own.tenant_id,
        tenant_name=own.tenant_name,
        email=own.email,
        name=own.name,
        is_platform_admin=own.is_platform_admin,
        has_password=own.has_password,
        permissions=sorted(actor.permissions),
        roles=list(actor.roles),
        tenants=list(own.tenants),
    )


@router.patch("/me")
async def rename(actor: SignedIn, body: NewName) -> Me:
    """Change the caller's own name."""
    await account.rename(actor, name=body.name)
    return await me(actor)


@router.post("/password")
async def change_password(actor: SignedIn, body: PasswordChange) -> Ended:
    """Change the caller's own password; their other sign-ins end."""
    ended = await account.change_password(actor, current_password=body.current_password, new_password=body.new_password)
    return Ended(ended=ended)


@router.post("/tenant")
async def switch_tenant(request: Request, response: Response, actor: SignedIn, body: TenantChoice) -> dict[str, object]:
    """Look at another of the caller's tenants: the session is replaced by one there."""
    settings = get_settings()
    begun = await account.switch_tenant(
        actor,
        body.tenant_id,
        token=request.cookies.get(cookie_name(settings), ""),
        address=client_address(request, settings),
        user_agent=request.headers.get("user-agent", ""),
    )
    set_cookie(response, begun, settings)
    return person(begun.actor)


@router.get("/sessions")
async def list_sessions(actor: SignedIn) -> SignInList:
    """Where the caller is signed in."""
    return SignInList(
        data=[SignInItem.model_validate(each, from_attributes=True) for each in await sign_ins.list_own(actor)]
    )


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(actor: SignedIn, session_id: PathId) -> Response:
    """End one of the caller's sign-ins."""
    await sign_ins.end_own(actor, session_id)
    answer = Response(status_code=204)
    if session_id == actor.session_id:
        forget_cookie(answer, get_settings())
    return answer


@router.delete("/sessions")
async def end_sessions(response: Response, actor: SignedIn, keep_this_one: bool = False) -> Ended:
    """Sign the caller out everywhere."""
    ended = await sign_ins.end_all_own(actor, keep_this_one=keep_this_one)
    if not keep_this_one:
        forget_cookie(response, get_settings())
    return Ended(ended=ended)
