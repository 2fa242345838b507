"""From an address and a password to the person they stand for.

An address belongs to nobody: in each tenant somebody else may have it. The password tells them apart.

These functions run before an actor is known, so they take none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from chatapp.services import passwords
from chatapp.store import users
from chatapp.store.database import system_transaction
from chatapp.store.tables import UserTable

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def owners(email: str, password: str) -> list[UserTable]:
    """Who has this address and this password, the one who was here last first; the disabled are left out.

    An address that nobody has takes as long as one that somebody has; one that several have takes longer.

    Args:
        email: in any case.
        password: as typed.
    """
    async with system_transaction(readonly=True) as tx:
        found = await users.with_email(tx, email)
    held = [user for user in found if user.password_hash is not None and not user.is_disabled]
    if not held:
        await passwords.is_right(None, password)
    # One after the other: each takes 64 MiB.
    right = [user for user in held if await passwords.is_right(user.password_hash, password)]
    if len(right) < 2:
        return right
    async with system_transaction(readonly=True) as tx:
        seen = await users.last_seen(tx, [user.id for user in right])
    return sorted(right, key=lambda user: seen.get(user.id, _NEVER), reverse=True)
