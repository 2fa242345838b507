"""The gate before everything: no socket without a session, and no page without one but the sign-in page.

It also binds a tab's state to its person. The browser names its tab by a token of its own making; the gate replaces
it with one derived from the token, the tenant and the person. So the next person in the same tab begins with an empty
state, and knowing somebody's token opens nothing, with every state manager and in every process alike.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.domain import Actor, Permission
from chatapp.services import authentication
from chatapp.settings import Settings
from chatapp.web.auth import client_address, cookie_name
from chatapp.web.errors import error_body
from chatapp.web.headers import served_path
from chatapp.web.origin import is_own_origin, safe_local_path
from chatapp.web.reflex_internals import NO_SOCKET_COOKIE, SOCKET_PATH, TOKEN_PARAMETER

SIGN_IN_PATH = "/sign-in"
SESSION_HEADER = "x-chatapp-session"
"""Header in which the gate tells the guard whose socket it is: the session's hash, which opens nothing."""
ADDRESS_HEADER = "x-chatapp-address"
"""Header in which the gate tells the guard the network address of who opened the socket."""
_NOT_PAGES = ("/v1", "/auth", "/assets", "/healthz", "/readyz", "/metrics", "/ping", "/_health", "/external")
"""Addresses that answer for themselves: routes that ask who is there, and files that are the same for everybody."""

_NEEDS = {
    "/": Permission.CHAT,
    "/c": Permission.CHAT,
    "/documents": Permission.READ_DOCUMENTS,
    "/admin": Permission.READ_ADMIN,
}
"""What a page is good for nothing without; `/` is that page alone."""


class Gate:
    """ASGI wrapper around the whole application."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Wrap the application.

        Args:
            app: the API with Reflex behind it.
            settings: the process's settings.
        """
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one connection through, or turn it away."""
        path = scope.get("path", "")
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http" and _is_below(path, SOCKET_PATH):
            # The same events over plain requests: our pages never ask for it, so it is one wall less to hold.
            body = error_body("There is no such address here.", code="not_found", status_code=404)
            await JSONResponse(body, status_code=404)(scope, receive, send)
        elif scope["type"] == "http" and is_page(scope["method"], path):
            await self._page(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        actor = await self._actor(scope)
        is_own = is_own_origin(headers.get("origin"), host=headers.get("host"), settings=self._settings)
        if actor is None or not is_own or not _is_below(scope["path"], SOCKET_PATH):
            await receive()
            # Closing before accepting makes the server answer the handshake with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "not signed in"})
            return
        query = self._bind(scope["query_string"], actor)
        await self._app({**scope, "query_string": query, "headers": self._without_cookies(scope)}, receive, send)

    def _without_cookies(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        # Reflex keeps a socket's headers in the tab's state and writes them into its log: no cookie may be among them.
        connection = HTTPConnection(scope)
        own = {
            SESSION_HEADER: authentication.session_hash(connection.cookies[cookie_name(self._settings)]),
            ADDRESS_HEADER: client_address(connection, self._settings),
        }
        dropped = {b"cookie", *(name.encode("ascii") for name in own)}
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]
        return [*kept, *((name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in own.items())]

    def _bind(self, query_string: bytes, actor: Actor) -> bytes:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
        bound = [
            (name, tab_token(value, actor, self._settings.effective_secret_key) if name == TOKEN_PARAMETER else value)
            for name, value in pairs
        ]
        return urlencode(bound).encode("latin-1")

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor = await self._actor(scope)
        path = scope["path"]
        target = self._target(actor, path, scope["query_string"].decode("latin-1"))
        if target is not None:
            await RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})(scope, receive, send)
            return
        if not path.endswith("/") and not _is_file(served_path(path)):
            # The static files live in folders; their server would answer with an absolute address, which is wrong
            # behind a proxy that speaks https for us.
            scope = {**scope, "path": path + "/", "raw_path": quote(path + "/").encode("ascii")}
        await self._app(scope, receive, _without_socket(send) if _is_below(path, SIGN_IN_PATH) else send)

    def _target(self, actor: Actor | None, path: str, query: str) -> str | None:
        place = served_path(path).removesuffix("/index.html").removesuffix(".html") or "/"
        if _is_below(place, SIGN_IN_PATH):
            # With a query the page has something to say: a link to redeem, or why sign-in failed.
            return "/" if actor is not None and not query else None
        if actor is None:
            way_back = safe_local_path(f"{path}?{query}" if query else path)
            return SIGN_IN_PATH if way_back == "/" else f"{SIGN_IN_PATH}?next={quote(way_back, safe='/')}"
        return _elsewhere(actor, place)

    async def _actor(self, scope: Scope) -> Actor | None:
        token = HTTPConnection(scope).cookies.get(cookie_name(self._settings))
        return await authentication.actor_of_session(token) if token else None


def _elsewhere(actor: Actor, path: str) -> str | None:
    """Where somebody is led who has nothing to do at an address; None: they may stay."""
    needed = next((needs for prefix, needs in _NEEDS.items() if _is_below(path, prefix)), None)
    if needed is None or actor.may(needed):
        return None
    # An auditor, or a platform admin who looks at a tenant, has no chat; the account is everybody's.
    places = (("/", Permission.CHAT), ("/admin", Permission.READ_ADMIN))
    return next((place for place, needs in places if actor.may(needs)), "/account")


def _without_socket(send: Send) -> Send:
    """Have the page leave its socket alone: it would be refused, and the page would try again for ever."""

    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            cookie = f"{NO_SOCKET_COOKIE}; Path={SIGN_IN_PATH}; SameSite=Lax"
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return send_with_cookie


def tab_token(token: str, actor: Actor, secret_key: str) -> str:
    """The name under which a tab's state is kept: one per browser tab, tenant, person and what they may do.

    Who has lost a right begins anew, and is not sent again what the tab showed them before.

    Args:
        token: what the browser calls its tab.
        actor: the person.
        secret_key: the installation's secret.
    """
    rights = ",".join(sorted(actor.permissions))
    message = f"tab|{actor.tenant_id}|{actor.user_id}|{rights}|{token}".encode("utf-8", "surrogatepass")
    digest = hmac.new(secret_key.encode(), message, hashlib.sha256).digest()
    return str(UUID(bytes=digest[:16]))


def is_page(method: str, path: str) -> bool:
    """Whether a request asks for a page rather than for data or a file."""
    place = served_path(path)
    if method not in {"GET", "HEAD"} or any(_is_below(place, prefix) for prefix in _NOT_PAGES):
        return False
    return not _is_file(place) or place.endswith(".html")


def _is_file(path: str) -> bool:
    return "." in path.rpartition("/")[2]


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")
