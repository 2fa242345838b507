"""Sign-in over HTTP: the session cookie, the routes under `/auth`, and the actor behind a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse

from chatapp.domain import Actor, utc_now
from chatapp.errors import AppError, InvalidInput, NotPermitted, NotSignedIn, RateLimited
from chatapp.services import authentication, devices, one_time_links
from chatapp.settings import Settings, get_settings
from chatapp.web.errors import invalid_field
from chatapp.web.origin import SAFE_METHODS, is_own_origin, safe_local_path
from chatapp.web.request_body import RequestBody, read_json

_Body = TypeVar("_Body", bound=RequestBody)

router = APIRouter(prefix="/auth", tags=["sign-in"])


class Credentials(RequestBody):
    """Who signs in."""

    email: str = Field(min_length=1, max_length=254)
    password: str = Field(min_length=1, max_length=authentication.MAX_PASSWORD_CHARACTERS)
    next: str = "/"
    link: str | None = Field(default=None, min_length=1, max_length=200)
    """Secret of an invitation: the person joins its tenant."""
    new_password: str | None = Field(default=None, max_length=authentication.MAX_PASSWORD_CHARACTERS)
    """Takes the place of a password an admin chose, which leads into no other tenant."""


class NewPassword(RequestBody):
    """The password a one-time link sets."""

    token: str = Field(min_length=1, max_length=200)
    password: str = Field(max_length=authentication.MAX_PASSWORD_CHARACTERS)
    next: str = "/"


class LinkSecret(RequestBody):
    """A one-time link somebody holds."""

    token: str = Field(min_length=1, max_length=200)


class LinkDescription(BaseModel):
    """What a one-time link is for."""

    kind: one_time_links.LinkKind
    """`reset`: another password; `invite`: the first password, and joins; `join`: sign in to join."""
    email: str
    tenant_name: str
    """Where it leads; empty for a reset."""


def cookie_name(settings: Settings) -> str:
    """Name of the session cookie; on https browsers hold `__Host-` cookies to Secure, Path=/ and no Domain."""
    return "__Host-chatapp_session" if settings.is_https else "chatapp_session"


def device_cookie_name(settings: Settings) -> str:
    """Name of the cookie a browser is known again by when somebody signs in with it."""
    return "__Host-chatapp_device" if settings.is_https else "chatapp_device"


def client_address(request: HTTPConnection, settings: Settings) -> str:
    """Network address of the person, through as many proxies as the operator trusts."""
    hops = settings.trusted_proxy_hops
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    if hops and len(forwarded) >= hops:
        return forwarded[-hops]
    return request.client.host if request.client else ""


async def actor_from_request(request: Request) -> Actor:
    """The actor behind a request: its bearer key, or its session cookie.

    Raises:
        NotSignedIn: neither is there, or what is there is not valid (any more).
        NotPermitted: a cookie came with an unsafe method from a page that is not ours.
    """
    settings = get_settings()
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, key = header.partition(" ")
        actor = await authentication.actor_of_key(key.strip()) if scheme.lower() == "bearer" else None
        if actor is None:
            raise NotSignedIn("The key is not valid.")
        return replace(actor, address=client_address(request, settings))
    token = request.cookies.get(cookie_name(settings))
    actor = await authentication.actor_of_session(token) if token else None
    if actor is None:
        raise NotSignedIn
    require_own_origin(request, settings)
    return replace(actor, address=client_address(request, settings))


SignedIn = Annotated[Actor, Depends(actor_from_request)]
"""The actor, as a route's parameter."""


def require_own_origin(request: Request, settings: Settings) -> None:
    """Refuse an unsafe request that one of our own pages did not make.

    Raises:
        NotPermitted: `Origin` is missing or names somebody else.
    """
    if request.method in SAFE_METHODS:
        return
    if not is_own_origin(request.headers.get("origin"), host=request.headers.get("host"), settings=settings):
        raise NotPermitted("This request did not come from one of our own pages.")


@router.post("/login")
async def login(request: Request) -> Response:
    """Begin a session. JSON answers with the person, a form with a way to the page it names."""
    fields, is_form = await _read(request)
    settings = get_settings()
    # A foreign page must not be able to sign a person in as somebody else; programs that send no Origin have no cookie.
    if request.headers.get("origin") is not None:
        require_own_origin(request, settings)
    try:
        body = _valid(Credentials, fields)
        begun = await authentication.sign_in(
            body.email,
            body.password,
            address=client_address(request, settings),
            user_agent=request.headers.get("user-agent", ""),
            previous_token=request.cookies.get(cookie_name(settings)),
            link=body.link,
            new_password=body.new_password,
            device=request.cookies.get(device_cookie_name(settings), ""),
        )
    except AppError as error:
        if not is_form:
            raise
        if fields.get("link"):
            return await _back_to_link(error, fields, fields["link"])
        return RedirectResponse(f"/sign-in?{_problem(error, fields)}", status_code=303)
    return _signed_in(begun, settings, is_form=is_form, path=body.next)


@router.post("/link")
async def redeem_link(request: Request) -> Response:
    """Set a password with a one-time link and begin a session."""
    fields, is_form = await _read(request)
    settings = get_settings()
    if request.headers.get("origin") is not None:
        require_own_origin(request, settings)
    try:
        body = _valid(NewPassword, fields)
        begun = await authentication.redeem_link(
            body.token,
            body.password,
            address=client_address(request, settings),
            user_agent=request.headers.get("user-agent", ""),
            previous_token=request.cookies.get(cookie_name(settings)),
        )
    except AppError as error:
        if not is_form:
            raise
        return await _back_to_link(error, fields, fields.get("token", ""))
    return _signed_in(begun, settings, is_form=is_form, path=body.next)


@router.get("/link")
async def open_link(request: Request, token: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Lead the holder of a one-time link to the page where it is used.

    The page is told what the link is for: `link=reset` sets another password, `link=invite` the first one, and with
    `link=join` the holder signs in and so joins.
    """
    address = client_address(request, get_settings())
    try:
        view = await one_time_links.look(token, address=address) if token else None
    except RateLimited as error:
        return RedirectResponse(f"/sign-in?error={error.code}", status_code=303)
    if view is None:
        return RedirectResponse("/sign-in?error=link", status_code=303)
    return RedirectResponse(f"/sign-in?link={view.kind}{_fragment(token)}", status_code=303)


@router.post("/link/about")
async def describe_link(request: Request, body: LinkSecret) -> LinkDescription:
    """What a one-time link is for and whom, for the page that uses it. Looking does not use it."""
    view = await one_time_links.look(body.token, address=client_address(request, get_settings()))
    if view is None:
        raise NotSignedIn(one_time_links.GONE)
    return LinkDescription(kind=view.kind, email=view.email, tenant_name=view.tenant_name)


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session of this browser."""
    settings = get_settings()
    token = request.cookies.get(cookie_name(settings))
    if token:
        require_own_origin(request, settings)
        await authentication.sign_out(token, address=client_address(request, settings))
    if _is_form(request):
        response: Response = RedirectResponse("/sign-in", status_code=303)
    else:
        response = JSONResponse({"signed_in": False})
    forget_cookie(response, settings)
    return response


def person(actor: Actor) -> dict[str, Any]:
    """An actor as JSON."""
    return {
        "user_id": str(actor.user_id) if actor.user_id else None,
        "tenant_id": str(actor.tenant_id),
        "email": actor.email,
        "name": actor.name,
        "permissions": sorted(actor.permissions),
    }


def _signed_in(begun: authentication.SignIn, settings: Settings, *, is_form: bool, path: str) -> Response:
    if is_form:
        response: Response = RedirectResponse(safe_local_path(path), status_code=303)
    else:
        response = JSONResponse(person(begun.actor) | {"next": safe_local_path(path)})
    set_cookie(response, begun, settings)
    return response


def set_cookie(response: Response, begun: authentication.SignIn, settings: Settings) -> None:
    """Have the browser keep a session that has begun, and what it is known again by."""
    lifetime = max(0, int((begun.expires_at - utc_now()).total_seconds()))
    kept = [(cookie_name(settings), begun.token, lifetime)]
    if begun.device:
        kept.append((device_cookie_name(settings), begun.device, devices.KEPT_SECONDS))
    for name, value, max_age in kept:
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=settings.is_https, httponly=True, samesite="lax"
        )


def forget_cookie(response: Response, settings: Settings) -> None:
    """Have the browser drop its session."""
    response.delete_cookie(cookie_name(settings), path="/", secure=settings.is_https, httponly=True, samesite="lax")


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


async def _read(request: Request) -> tuple[Any, bool]:
    """The body, and whether it is a form; a form's blank fields are left out."""
    if not _is_form(request):
        return await read_json(request), False
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=20).items()}, True
    except ValueError as error:
        raise InvalidInput("The form has too many fields.") from error


def _valid(kind: type[_Body], fields: Any) -> _Body:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid_field(first["loc"], first["msg"]) from error


def _problem(error: AppError, fields: dict[str, str]) -> str:
    """What the page a form came from is told, as a query."""
    return f"error={error.code}&next={quote(safe_local_path(fields.get('next', '')), safe='/')}"


async def _back_to_link(error: AppError, fields: dict[str, str], token: str) -> Response:
    # It was counted when it was refused; looking once more is no attempt of its own.
    view = await one_time_links.look(token, address=None) if token else None
    if view is None:
        return RedirectResponse("/sign-in?error=link", status_code=303)
    place = f"link={view.kind}&{_problem(error, fields)}{_fragment(token)}"
    return RedirectResponse(f"/sign-in?{place}", status_code=303)


def _fragment(token: str) -> str:
    # A fragment is sent to no server, so the token stands in no log and in no Referer.
    return f"#token={quote(token, safe='')}"
