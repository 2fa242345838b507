"""Headers every answer carries: what browsers may do with it, and how long it may be kept."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.settings import Settings

_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Inline scripts run when they are ones the build wrote, known by their hashes. 'unsafe-eval' is for the short
        # callbacks of events that Reflex sends as text, such as toasts.
        "script-src 'self' 'unsafe-eval'{hashes}",
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

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)

_PRIVATE_PREFIXES = ("/v1", "/auth", "/openapi", "/metrics", "/readyz", "/healthz")
"""Where answers depend on who asks, or on the moment."""
_IMMUTABLE_PREFIX = "/assets/"
"""The build puts a hash of the content into each name below it."""


class SecurityHeaders:
    """ASGI wrapper that adds the headers; what an answer sets itself stays."""

    def __init__(self, app: ASGIApp, *, settings: Settings, pages: Path) -> None:
        """Wrap the application.

        Args:
            app: what answers.
            settings: says whether people come over https.
            pages: folder of the built pages.
        """
        self._app = app
        self._scripts = PageScripts(pages)
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
                content_type = headers.get("content-type", "")
                # "Not modified" names no type, and its policy replaces the one of the page the browser kept.
                is_page = content_type.startswith("text/html") or message["status"] == 304
                hashes = self._scripts.hashes() if is_page else ""
                headers.setdefault("Content-Security-Policy", _POLICY.format(hashes=hashes))
                headers.setdefault("Cache-Control", _caching(path, message["status"], content_type))
            await send(message)

        await self._app(scope, receive, send_with_headers)


class PageScripts:
    """The inline scripts the build wrote into the pages: the only ones a page may run."""

    def __init__(self, pages: Path) -> None:
        """Begin without having read anything.

        Args:
            pages: folder of the built pages; need not be there.
        """
        self._pages = pages
        self._built_at = -1
        self._hashes = ""

    def hashes(self) -> str:
        """Sources for `script-src`, each after a space; read again when the pages were built again."""
        index = self._pages / "index.html"
        built_at = index.stat().st_mtime_ns if index.exists() else 0
        if built_at != self._built_at:
            scripts = {
                script.encode()
                for page in self._pages.rglob("*.html")
                for script in _INLINE_SCRIPT.findall(page.read_text(encoding="utf-8"))
            }
            self._hashes = "".join(sorted(f" 'sha256-{_digest(script)}'" for script in scripts))
            self._built_at = built_at
        return self._hashes


def _digest(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


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


def served_path(path: str) -> str:
    """An address as whoever serves the files reads it: `/assets/../admin` and `/admin/.` are the admin section."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _caching(path: str, status: int, content_type: str) -> str:
    served = served_path(path)
    # Files go by what is served, routes by what was asked for: what either would keep to itself is kept by nobody.
    if path.startswith(_PRIVATE_PREFIXES) or served.startswith(_PRIVATE_PREFIXES):
        return "no-cache" if content_type.startswith("text/html") else "private, no-store"
    if served.startswith(_IMMUTABLE_PREFIX) and status == 200:
        return "public, max-age=31536000, immutable"
    return "no-cache"
