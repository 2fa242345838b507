"""What a key may be called, allow and last, and who may make it.

Whoever makes or rotates a key could use it, so a key allows nothing that its maker may not give: what they may do
themselves, and for a platform admin what the tenant's own admins may. A key of a platform admin is made by them or by
another one only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Actor, Permission, Role, utc_now
from chatapp.errors import InvalidInput, NotPermitted
from chatapp.services import names
from chatapp.store.tables import UserTable

MAX_NAME_CHARACTERS = 120
MAX_DAYS = 3_650
"""Ten years: a date further off is a slip of the keyboard."""


def scopes_to_give(actor: Actor) -> list[str]:
    """The scopes the actor may give to a key."""
    allowed = _may_give(actor)
    return [scope for scope, permissions in SCOPE_PERMISSIONS.items() if permissions <= allowed]


def _may_give(actor: Actor) -> frozenset[Permission]:
    # In a tenant that is not theirs platform admins administer without chatting; its people's keys are made all the
    # same, as those people's own admins would make them.
    return actor.permissions | ROLE_PERMISSIONS[Role.ADMIN] if actor.may(Permission.PLATFORM) else actor.permissions


def require_gives(actor: Actor, scopes: Sequence[str]) -> None:
    """Refuse scopes that the actor may not give.

    Raises:
        NotPermitted: there is one among them.
    """
    allowed = set(scopes_to_give(actor))
    missing = [scope for scope in scopes if scope not in allowed]
    if missing:
        raise NotPermitted(f"You do not have the rights of {', '.join(missing)} and cannot give them to a key.")


def require_may_hold(actor: Actor, user: UserTable | None) -> None:
    """Refuse a platform admin's key to who is none: whoever makes a key could act with it.

    Raises:
        NotPermitted: the key would be a platform admin's.
    """
    # Who came through an identity provider is who a tenant's admin says, and never more than that.
    is_own = user is not None and user.id == actor.user_id and not actor.is_confined
    if user is not None and user.is_platform_admin and not is_own and not actor.may(Permission.PLATFORM):
        raise NotPermitted("This person looks after the whole installation. Only they make a key for themselves.")


def valid_name(name: str) -> str:
    """A key's name, spaces in order.

    Raises:
        InvalidInput: it is empty or too long.
    """
    return names.valid_name(name, what="the key a name that says what it is for", max_characters=MAX_NAME_CHARACTERS)


def valid_scopes(scopes: Sequence[str]) -> list[str]:
    """Scopes of a key, each once and in the order of `domain.SCOPE_PERMISSIONS`.

    Raises:
        InvalidInput: there is none, or one that is unknown.
    """
    unknown = sorted(set(scopes) - set(SCOPE_PERMISSIONS))
    if unknown or not scopes:
        known = ", ".join(SCOPE_PERMISSIONS)
        raise InvalidInput(f"Unknown scope {', '.join(unknown) or '(none given)'}. There are: {known}.", param="scopes")
    return [scope for scope in SCOPE_PERMISSIONS if scope in scopes]


def valid_end(expires_at: datetime | None) -> datetime | None:
    """When a key ends, in UTC where no zone is given; None: it does not.

    Raises:
        InvalidInput: it is past, or further off than ten years.
    """
    if expires_at is None:
        return None
    if expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    if not utc_now() < expires_at <= utc_now() + timedelta(days=MAX_DAYS):
        raise InvalidInput("A key ends in the future, and within ten years.", param="expires_at")
    return expires_at
