"""Whether a request with a cookie was made by our own pages: the wall against cross-site requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from chatapp.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_own_origin(origin: str | None, *, host: str | None, settings: Settings) -> bool:
    """Whether an `Origin` header names this installation.

    A browser sends `Origin` with every unsafe request and every socket, so a missing one is refused too: programs
    authenticate with a key, which no browser sends by itself. Where people come over https, a page that came over http
    may have been changed on its way and is none of ours.

    Args:
        origin: the header's value.
        host: the `Host` header: the address the browser believes to talk to.
        settings: the public address and further origins the operator allows.
    """
    if not origin or origin == "null":
        return False
    if origin.rstrip("/") in settings.allowed_origins:
        return True
    parts = urlsplit(origin)
    schemes = {"https"} if settings.is_https else {"http", "https"}
    return parts.scheme in schemes and bool(parts.netloc) and parts.netloc == host


def safe_local_path(path: str | None) -> str:
    """Where to go after sign-in: a path of this installation, `/` for anything else.

    Refused: other hosts, `//host`, backslashes (browsers read them as slashes), control characters, and the sign-in
    page itself.
    """
    if not path or not path.startswith("/") or path.startswith("//"):
        return "/"
    if "\\" in path or any(ord(character) < 0x21 or ord(character) == 0x7F for character in path):
        return "/"
    return "/" if path.startswith(("/sign-in", "/auth/")) else path
