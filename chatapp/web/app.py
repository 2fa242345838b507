"""The HTTP API as one FastAPI app, and the edge around it.

`chatapp.chatapp` wires them: `rx.App(api_transformer=[create_api(), edge])` and `app.add_middleware(Guard())`.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount
from starlette.types import ASGIApp

from chatapp.domain import Permission
from chatapp.settings import get_settings
from chatapp.web import (
    account,
    admin_audit,
    admin_breakers,
    admin_collections,
    admin_groups,
    admin_intents,
    admin_keys,
    admin_limits,
    admin_models,
    admin_overview,
    admin_providers,
    admin_routes,
    admin_sign_in,
    admin_tenants,
    admin_users,
    auth,
    catalog,
    chat_completions,
    embeddings,
    errors,
    feedback,
    file_batches,
    files,
    health,
    metrics,
    oidc,
    traces,
    turns,
    vector_stores,
)
from chatapp.web.auth import SignedIn
from chatapp.web.body_limit import BodyLimit
from chatapp.web.gate import Gate
from chatapp.web.headers import SecurityHeaders
from chatapp.web.reflex_internals import built_pages

ROUTERS = (
    health.router,
    metrics.router,
    auth.router,
    oidc.router,
    account.router,
    catalog.router,
    chat_completions.router,
    turns.router,
    embeddings.router,
    files.router,
    vector_stores.router,
    file_batches.router,
    feedback.router,
    traces.router,
    admin_audit.router,
    admin_breakers.router,
    admin_collections.router,
    admin_groups.router,
    admin_intents.router,
    admin_keys.router,
    admin_limits.router,
    admin_models.router,
    admin_overview.router,
    admin_providers.router,
    admin_routes.router,
    admin_sign_in.router,
    admin_tenants.router,
    admin_users.router,
)
"""Every router of the API: one module a noun, one line here."""

_API_PREFIXES = ("/v1", "/auth")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_api() -> FastAPI:
    """Build the API: routes, sign-in, one shape for errors. Parts are opened by the lifespan, not here."""
    # The documentation is ours to give: to signed-in admins, from a route of its own.
    api = FastAPI(
        title="chatapp", version="0.1.0", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    errors.install(api)
    for router in ROUTERS:
        api.include_router(router)
    api.add_api_route("/openapi.json", _openapi, methods=["GET"], include_in_schema=False)
    for prefix in _API_PREFIXES:
        # Reflex is mounted behind these routes and would answer an unknown address with a page.
        for path in (prefix, prefix + "/{rest:path}"):
            api.add_api_route(path, _no_such_route, methods=_METHODS, include_in_schema=False)
    return api


def edge(app: ASGIApp) -> ASGIApp:
    """What stands before the API and the pages: headers, the limit on bodies, the gate. From the outside in."""
    settings = get_settings()
    gated = Gate(app, settings=settings)
    limited = BodyLimit(gated, max_upload_bytes=settings.max_upload_bytes)
    return SecurityHeaders(limited, settings=settings, pages=built_pages())


async def _openapi(request: Request, actor: SignedIn) -> JSONResponse:
    """The API's description, for admins: it lists the admin routes too."""
    actor.require(Permission.READ_ADMIN)
    return JSONResponse(request.app.openapi())


async def _no_such_route(request: Request) -> Any:
    """404 in the API's shape, or 405 where the address exists with another method."""
    for route in request.app.routes:
        if not isinstance(route, Mount) and route.matches(request.scope)[0] is Match.PARTIAL:
            raise HTTPException(405)
    raise HTTPException(404)
