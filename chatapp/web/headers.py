"""Headers every answer carries: what browsers may do with it, and how long it may be kept."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.settings import Settings

_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Reflex's pages carry small inline scripts (theme before paint, router data), and its runtime evaluates the
        # short callbacks of events such as toasts. Scripts from anywhere else stay refused.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_SANDBOX_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
"""For uploaded files: whatever is inside, it runs nothing and reads nothing."""

_IMMUTABLE_PREFIX = "/assets/"
"""The build puts a hash of the content into each name below it."""


class SecurityHeaders:
    """ASGI wrapper that adds the headers; what an answer sets itself stays."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        """Wrap the application.

        Args:
            app: what answers.
            settings: says whether people come over https.
        """
        self._app = app
        self._fixed = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if settings.is_https:
            self._fixed["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request through the app, with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers.setdefault("Cache-Control", _caching(path, message["status"], headers.get("content-type", "")))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def uploaded_file_headers(*, is_inline: bool) -> dict[str, str]:
    """Headers for the bytes somebody uploaded: shown or saved, never run.

    Args:
        is_inline: whether the browser may show it in place (PDF and images); everything else is saved.
    """
    return {
        "Content-Security-Policy": _SANDBOX_POLICY,
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN" if is_inline else "DENY",
    }


def _caching(path: str, status: int, content_type: str) -> str:
    if path.startswith(_IMMUTABLE_PREFIX) and status == 200:
        return "public, max-age=31536000, immutable"
    if content_type.startswith("text/html"):
        return "no-cache"
    if path.startswith(("/v1", "/auth", "/openapi")):
        return "private, no-store"
    return "no-cache"
