"""Passwords: how long they are, how they are kept, how one is held against what is kept."""

from __future__ import annotations

import asyncio
import secrets
from functools import cache
from typing import TYPE_CHECKING

from chatapp.errors import InvalidInput

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 1024
"""Argon2 takes any length; a megabyte of password only costs time."""


async def hash_password(password: str, *, param: str = "password") -> str:
    """Hash a new password with Argon2id, in a thread.

    Args:
        password: as typed.
        param: name of the field it was typed into, for the error.

    Raises:
        InvalidInput: it is too short or too long.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidInput(
            f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters.", param=param
        )
    return await asyncio.to_thread(_hasher().hash, password.encode("utf-8", "surrogatepass"))


async def is_right(stored: str | None, password: str) -> bool:
    """Whether a password is the one kept, in a thread; takes as long when none is kept.

    Args:
        stored: what `hash_password` gave; None: there is no such person, or they have no password.
        password: as typed.
    """
    return await asyncio.to_thread(_verify, stored, password)


def _verify(stored: str | None, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    nobodys = _nobodys_hash()
    try:
        is_same = _hasher().verify(stored or nobodys, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
    return is_same and stored is not None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # The library's default is the second recommendation of RFC 9106: Argon2id, 64 MiB, 3 passes, 4 lanes.
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    # Looked at when the account does not exist, so that the answer takes as long as a wrong password's.
    return _hasher().hash(secrets.token_bytes(16))
