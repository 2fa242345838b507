"""Browsers somebody has signed in with before, so that a stranger's wrong passwords do not keep the right one out.

A browser keeps a text that only we can write, with the person who signed in and a name of its own. Its attempts at
that person are counted by that name; those of all others, and its own at others of the same address, by the account
and where they come from. Nothing about it is kept here.
Source: OWASP, Slow Down Online Guessing Attacks with Device Cookies,
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies

These functions run before an actor is known, so they take none.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from chatapp.settings import get_settings
from chatapp.store import encryption
from chatapp.store.encryption import CannotDecrypt

KEPT_SECONDS = 365 * 24 * 3600
"""How long a browser is known after its last sign-in."""


def issue(user_id: UUID) -> str:
    """What a browser keeps in which somebody has just signed in, unreadable to it."""
    text = f"{user_id.hex}:{secrets.token_urlsafe(12)}"
    return encryption.encrypt(get_settings().effective_secret_key, text, purpose=encryption.DEVICE)


def name_of(kept: str, user_id: UUID) -> str:
    """The name of a browser in which this person has signed in before; empty for any other.

    Args:
        kept: what it sent; anybody may send anything.
        user_id: who is to sign in.
    """
    settings = get_settings()
    try:
        text = encryption.decrypt(
            settings.effective_secret_key,
            kept,
            previous=settings.previous_secret_keys,
            purpose=encryption.DEVICE,
            max_age_seconds=KEPT_SECONDS,
        )
    except (CannotDecrypt, ValueError):
        return ""
    whose, _, name = text.partition(":")
    return name if whose == user_id.hex else ""
