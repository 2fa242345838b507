"""Encrypting the few secrets the store must give back, such as providers' keys, and what a browser keeps for us.

Fernet (AES-128-CBC with HMAC-SHA256) under a key derived from the installation's secret by HKDF-SHA256, one for each
purpose, so that what was encrypted for one opens nowhere else.
Source: https://cryptography.io/en/latest/fernet/, RFC 5869.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

AT_REST = "chatapp secrets at rest, version 1"
"""What the database keeps."""
SIGN_IN = "chatapp sign-in under way, version 1"
"""What a browser keeps between leaving for an identity provider and coming back."""
DEVICE = "chatapp known browser, version 1"
"""What a browser keeps to be known again by when somebody signs in with it."""


class CannotDecrypt(ValueError):
    """The text was encrypted under another secret key or for another purpose, changed since, or is too old."""


def encrypt(secret_key: str, text: str, *, purpose: str = AT_REST) -> str:
    """Encrypt a text; the empty text stays empty, so that "no key" needs no secret.

    Args:
        secret_key: `Settings.effective_secret_key`.
        text: what to keep.
        purpose: what it is kept for.
    """
    return _fernet(secret_key, purpose).encrypt(text.encode()).decode() if text else ""


def decrypt(
    secret_key: str,
    encrypted: str,
    *,
    previous: Sequence[str] = (),
    purpose: str = AT_REST,
    max_age_seconds: int | None = None,
) -> str:
    """Give back what `encrypt` was given.

    Args:
        secret_key: the present secret, tried first.
        encrypted: what `encrypt` returned.
        previous: `Settings.previous_secret_keys`, tried in their order.
        purpose: what it was kept for.
        max_age_seconds: how long ago it may have been encrypted; None: any time.

    Raises:
        CannotDecrypt: it was encrypted under none of these or for something else, changed since, or is too old.
    """
    from cryptography.fernet import InvalidToken

    if not encrypted:
        return ""
    for secret in (secret_key, *previous):
        try:
            return _fernet(secret, purpose).decrypt(encrypted.encode(), ttl=max_age_seconds).decode()
        except InvalidToken:
            continue
    raise CannotDecrypt("encrypted under a secret that is neither CHATAPP_SECRET_KEY nor a previous one")


@lru_cache(maxsize=32)
def _fernet(secret_key: str, purpose: str) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
