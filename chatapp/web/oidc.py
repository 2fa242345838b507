"""Signing in through an identity provider, over HTTP: what an address can use, the way there, the way back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse

from chatapp.errors import RateLimited, UpstreamError
from chatapp.services import authentication, oidc
from chatapp.services.oidc import ToProve
from chatapp.services.oidc_client import SignInFailed
from chatapp.settings import Settings, get_settings
from chatapp.web.auth import (
    client_address,
    cookie_name,
    device_cookie_name,
    person,
    require_own_origin,
    set_cookie,
)
from chatapp.web.origin import safe_local_path
from chatapp.web.parameters import PathId
from chatapp.web.request_body import RequestBody

_MAX_PATH_CHARACTERS = 1_000
"""It goes into a cookie, of which browsers keep 4 kB."""

router = APIRouter(prefix="/auth", tags=["sign-in"])


class Choice(BaseModel):
    """A provider to sign in with."""

    id: UUID
    name: str


class MethodsAnswer(BaseModel):
    """How an address can sign in. It tells nothing about whether the address has an account."""

    password: bool
    providers: list[Choice]
    by_address: bool
    """Whether the address decides, so that a page asks for it first."""


class Proof(RequestBody):
    """The password of an account that somebody's provider vouched for."""

    password: str = Field(min_length=1, max_length=authentication.MAX_PASSWORD_CHARACTERS)


@router.get("/methods")
async def list_methods(request: Request, email: Annotated[str, Query(max_length=254)] = "") -> MethodsAnswer:
    """What can be used to sign in with this address; without one, what can be used with any."""
    found = await oidc.methods(email, address=client_address(request, get_settings()))
    return MethodsAnswer(
        password=found.password,
        providers=[Choice(id=each.id, name=each.name) for each in found.providers],
        by_address=found.by_address,
    )


@router.get("/oidc/callback")
async def come_back(request: Request) -> Response:
    """Where providers send people back to."""
    settings = get_settings()
    answer = {name: request.query_params[name] for name in request.query_params}
    try:
        done, path = await oidc.finish(
            answer,
            request.cookies.get(kept_name(settings), ""),
            address=client_address(request, settings),
            user_agent=request.headers.get("user-agent", ""),
            previous_token=request.cookies.get(cookie_name(settings)),
        )
    except (SignInFailed, UpstreamError) as error:
        return _failed(error, settings)
    if isinstance(done, ToProve):
        # A fragment is sent to no server, so the address stands in no log and in no Referer.
        shown = urlencode({"email": done.email, "provider": done.provider_name})
        response = RedirectResponse(f"/sign-in?prove=1#{shown}", status_code=303)
        _keep(response, done.kept, settings)
        return response
    response = RedirectResponse(safe_local_path(path), status_code=303)
    set_cookie(response, done, settings)
    _forget(response, settings)
    return response


@router.post("/oidc/prove")
async def prove(request: Request, body: Proof) -> Response:
    """Join an account to the provider that vouched for its person, by its password, and begin a session."""
    settings = get_settings()
    require_own_origin(request, settings)
    begun, path = await oidc.prove(
        body.password,
        request.cookies.get(kept_name(settings), ""),
        address=client_address(request, settings),
        user_agent=request.headers.get("user-agent", ""),
        previous_token=request.cookies.get(cookie_name(settings)),
        device=request.cookies.get(device_cookie_name(settings), ""),
    )
    response = JSONResponse(person(begun.actor) | {"next": safe_local_path(path)})
    set_cookie(response, begun, settings)
    _forget(response, settings)
    return response


@router.get("/oidc/{provider_id}/start")
async def start(
    request: Request,
    provider_id: PathId,
    path: Annotated[str, Query(alias="next")] = "/",
    email: Annotated[str, Query(max_length=254)] = "",
) -> Response:
    """Send the person to their provider."""
    settings = get_settings()
    try:
        next_path = safe_local_path(path) if len(path) <= _MAX_PATH_CHARACTERS else "/"
        address = client_address(request, settings)
        begun = await oidc.begin(provider_id, next_path=next_path, hint=email, address=address)
    except RateLimited as error:
        return RedirectResponse(f"/sign-in?error={error.code}", status_code=303)
    except SignInFailed as error:
        return _failed(error, settings)
    response = RedirectResponse(begun.url, status_code=303)
    _keep(response, begun.kept, settings)
    return response


def kept_name(settings: Settings) -> str:
    """Name of the cookie that is kept while a person is at their provider."""
    return "__Host-chatapp_sign_in" if settings.is_https else "chatapp_sign_in"


def _keep(response: Response, kept: str, settings: Settings) -> None:
    response.set_cookie(
        kept_name(settings),
        kept,
        max_age=oidc.KEPT_SECONDS,
        path="/",
        secure=settings.is_https,
        httponly=True,
        samesite="lax",
    )


def _forget(response: Response, settings: Settings) -> None:
    response.delete_cookie(kept_name(settings), path="/", secure=settings.is_https, httponly=True, samesite="lax")


def _failed(error: SignInFailed | UpstreamError, settings: Settings) -> Response:
    reason = error.reason if isinstance(error, SignInFailed) else "unreachable"
    response = RedirectResponse(f"/sign-in?error=oidc_{quote(reason)}", status_code=303)
    _forget(response, settings)
    return response
