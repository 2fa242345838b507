"""`/v1/admin/tenants/{tenant_id}/sign-in` and `.../identity-providers`: how people of a tenant sign in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from chatapp.domain import Permission
from chatapp.services import identity_providers
from chatapp.services.administration import acting_in
from chatapp.services.csv_export import stream_csv
from chatapp.services.identity_providers import ProviderReport, ProviderView, SignInSettings
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin/tenants/{tenant_id}", tags=["admin: sign-in"])


class SignInChange(RequestBody):
    """How people of the tenant sign in."""

    model_config = ConfigDict(extra="forbid")

    has_password_sign_in: bool
    """False needs an identity provider that is in use and works; platform admins may use their password always."""


class Mapping(RequestBody):
    """What belonging to a group of the provider gives here."""

    model_config = ConfigDict(extra="forbid")

    group: str
    """The group's name at the provider."""
    roles: list[str] = Field(default_factory=list)
    groups: list[UUID] = Field(default_factory=list)
    """Groups of the tenant."""


class ProviderFields(RequestBody):
    """Fields of an identity provider that can be left out."""

    model_config = ConfigDict(extra="forbid")

    client_secret: str = Field("", repr=False)
    """Never given back; empty: a public client."""
    scopes: list[str] = Field(default_factory=list)
    """Asked for beside `openid`; `email` and `profile` where left out."""
    email_domains: list[str] = Field(default_factory=list)
    """People with such an address are led here, and only they are let in. Platform admins alone may add some."""
    groups_claim: str = "groups"
    mappings: list[Mapping] = Field(default_factory=list)
    default_roles: list[str] = Field(default_factory=list)
    """Of whom no mapping gives a role; none: they are not let in."""
    creates_users: bool = True
    is_enabled: bool = True


class ProviderChange(ProviderFields):
    """What is to be different of an identity provider; what is left out stays."""

    name: str = ""
    issuer: str = ""
    client_id: str = ""


class NewProvider(ProviderFields):
    """An identity provider to add."""

    name: str
    issuer: str
    client_id: str


@router.get("/sign-in")
async def get_sign_in(actor: SignedIn, tenant_id: PathId) -> SignInSettings:
    """How people of the tenant sign in."""
    return await identity_providers.sign_in_settings(await acting_in(actor, tenant_id, Permission.READ_ADMIN))


@router.put("/sign-in")
async def set_sign_in(actor: SignedIn, tenant_id: PathId, body: SignInChange) -> SignInSettings:
    """Switch passwords on or off."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await identity_providers.set_password_sign_in(there, is_on=body.has_password_sign_in)


@router.get("/identity-providers")
async def list_providers(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> ListAnswer[ProviderView]:
    """Identity providers of the tenant, by name."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    return list_answer(await identity_providers.list_providers(there, wanted))


@router.get("/identity-providers.csv", response_class=StreamingResponse)
async def export_csv(actor: SignedIn, tenant_id: PathId, wanted: Wanted) -> StreamingResponse:
    """Every identity provider the filters let through, as CSV."""
    there = await acting_in(actor, tenant_id, Permission.READ_ADMIN)
    lines = stream_csv(lambda asked: identity_providers.list_providers(there, asked), ProviderView, wanted)
    return await download(lines, filename="identity-providers.csv", media_type="text/csv")


@router.post("/identity-providers")
async def create(actor: SignedIn, tenant_id: PathId, body: NewProvider) -> ProviderView:
    """Add an identity provider."""
    return await identity_providers.create(await acting_in(actor, tenant_id, Permission.ADMIN), _given(body))


@router.get("/identity-providers/{provider_id}")
async def get(actor: SignedIn, tenant_id: PathId, provider_id: PathId) -> ProviderView:
    """One identity provider."""
    return await identity_providers.get(await acting_in(actor, tenant_id, Permission.READ_ADMIN), provider_id)


@router.patch("/identity-providers/{provider_id}")
async def change(actor: SignedIn, tenant_id: PathId, provider_id: PathId, body: ProviderChange) -> ProviderView:
    """Change an identity provider."""
    there = await acting_in(actor, tenant_id, Permission.ADMIN)
    return await identity_providers.update(there, provider_id, _given(body))


@router.delete("/identity-providers/{provider_id}", status_code=204)
async def delete(actor: SignedIn, tenant_id: PathId, provider_id: PathId) -> Response:
    """Remove an identity provider; the sign-ins of people who came from it end."""
    await identity_providers.delete(await acting_in(actor, tenant_id, Permission.ADMIN), provider_id)
    return Response(status_code=204)


@router.post("/identity-providers/{provider_id}/test")
async def try_out(actor: SignedIn, tenant_id: PathId, provider_id: PathId) -> ProviderReport:
    """Ask an identity provider what it is, and say what was found."""
    return await identity_providers.try_out(await acting_in(actor, tenant_id, Permission.ADMIN), provider_id)


def _given(body: ProviderFields) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)
