"""From an address and a password to the person they stand for.

An address belongs to nobody: in each tenant somebody else may have it. The password tells them apart. So attempts are
counted for each of them: whoever has an address in a tenant of their own, and signs in there as often as they like,
guesses at the others of that address no faster.

These functions run before an actor is known, so they take none.
"""

from __future__ import annotations

from datetime import UTC, datetime

from chatapp.errors import RateLimited
from chatapp.limits import attempts
from chatapp.services import devices, passwords
from chatapp.store import users
from chatapp.store.database import system_transaction
from chatapp.store.tables import UserTable

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def owners(email: str, password: str, *, address: str = "", device: str = "") -> list[UserTable]:
    """Who has this address and this password, the one who was here last first; the disabled are left out.

    An address that nobody has takes as long as one that somebody has; one that several have takes longer. The attempt
    is counted before the password is looked at, until `forget_attempts` takes it back.

    Args:
        email: in any case.
        password: as typed.
        address: network address the attempt came from.
        device: what the browser keeps from an earlier sign-in; anything else is nothing.

    Raises:
        RateLimited: everybody with this address was guessed at too often, or the network address failed too often.
    """
    async with system_transaction(readonly=True) as tx:
        found = await users.with_email(tx, email)
    held = [user for user in found if user.password_hash is not None and not user.is_disabled]
    if not held:
        await attempts.count_attempt(email, address)
        await passwords.is_right(None, password)
    # One after the other: each takes 64 MiB.
    right = [
        user
        for user in await _open_to_guesses(held, address, device)
        if await passwords.is_right(user.password_hash, password)
    ]
    if len(right) < 2:
        return right
    async with system_transaction(readonly=True) as tx:
        seen = await users.last_seen(tx, [user.id for user in right])
    return sorted(right, key=lambda user: seen.get(user.id, _NEVER), reverse=True)


async def forget_attempts(user: UserTable, *, address: str = "", device: str = "") -> None:
    """Take back what was counted against somebody who has proved who they are, and against nobody else."""
    await attempts.forget_attempts(str(user.id), address, device=devices.name_of(device, user.id))


async def _open_to_guesses(held: list[UserTable], address: str, device: str) -> list[UserTable]:
    """Those of them at whom may be guessed once more, each guess counted."""
    still_open: list[UserTable] = []
    refusals: list[RateLimited] = []
    for user in held:
        try:
            await attempts.count_attempt(str(user.id), address, device=devices.name_of(device, user.id))
        except RateLimited as refusal:
            refusals.append(refusal)
        else:
            still_open.append(user)
    if refusals and not still_open:
        raise refusals[0]
    return still_open
