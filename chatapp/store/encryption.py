"""Encrypting the few secrets the store must give back, such as providers' keys.

Fernet (AES-128-CBC with HMAC-SHA256) under a key derived from the installation's secret by HKDF-SHA256.
Source: https://cryptography.io/en/latest/fernet/, RFC 5869.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PURPOSE = b"chatapp secrets at rest, version 1"


class CannotDecrypt(ValueError):
    """The text was encrypted under another secret key, or changed."""


def encrypt(secret_key: str, text: str) -> str:
    """Encrypt a text; the empty text stays empty, so that "no key" needs no secret.

    Args:
        secret_key: `Settings.secret_key`.
        text: what to keep.
    """
    return _fernet(secret_key).encrypt(text.encode()).decode() if text else ""


def decrypt(secret_key: str, encrypted: str) -> str:
    """Give back what `encrypt` was given.

    Raises:
        CannotDecrypt: it was encrypted under another secret key, or changed since.
    """
    from cryptography.fernet import InvalidToken

    if not encrypted:
        return ""
    try:
        return _fernet(secret_key).decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise CannotDecrypt("encrypted under another CHATAPP_SECRET_KEY") from error


@lru_cache(maxsize=4)
def _fernet(secret_key: str) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
