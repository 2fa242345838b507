"""Secrets handed out once, and the hashes that are kept of them: cookies, links and API keys."""

from __future__ import annotations

import hashlib
import secrets

KEY_PREFIX = "sk-chatapp-"


def new_token() -> tuple[str, str]:
    """A fresh secret and its hash: 256 random bits for the holder, what the database keeps."""
    token = secrets.token_urlsafe(32)
    return token, hash_of(token)


def new_key() -> tuple[str, str]:
    """A fresh API key and its hash."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, hash_of(key)


def hash_of(token: str) -> str:
    """What is kept of a secret. A plain hash is enough for 256 random bits; only passwords need a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
