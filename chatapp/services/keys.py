"""API keys: made, listed, revoked. A key is shown once; only its hash is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chatapp.domain import SCOPE_PERMISSIONS, Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.services import authentication
from chatapp.store import api_keys, audit, users
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import ApiKeyTable

_MAX_DAYS = 3_650
"""Ten years: a date further off is a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as people see it: enough to tell it from others."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    user_id: UUID | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key, shown once."""

    id: UUID
    key: str
    prefix: str


async def list_keys(actor: Actor) -> list[KeyView]:
    """The tenant's living keys, newest first.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        rows = await api_keys.of_tenant(tx)
    return [
        KeyView(
            row.id,
            row.name,
            row.prefix,
            tuple(row.scopes),
            row.user_id,
            row.created_at,
            row.expires_at,
            row.last_used_at,
        )
        for row in rows
    ]


async def revoke(actor: Actor, key_id: UUID) -> None:
    """End a key of the tenant; it is refused everywhere within a second.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: the tenant has no such living key.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        if not await api_keys.revoke(tx, key_id):
            raise NotFound
        await audit.write(tx, "key.revoked", key_id)
    authentication.forget_cached_actors()


async def create_key(
    *, email: str | None, name: str, scopes: list[str], expires_in_days: int | None = None
) -> CreatedKey:
    """Make an API key from the command line.

    Args:
        email: whose key it is; None: a service's, in the first tenant.
        name: what the key is for.
        scopes: names out of `domain.SCOPE_PERMISSIONS`.
        expires_in_days: days the key lives, 1 to 3,650; None: until it is revoked.

    Raises:
        NotFound: nobody has this address, or there is no tenant yet.
        InvalidInput: a scope is unknown, or the days are too few or too many.
    """
    if expires_in_days is not None and not 1 <= expires_in_days <= _MAX_DAYS:
        raise InvalidInput(
            f"A key is valid for 1 to {_MAX_DAYS} days, not {expires_in_days}; leave the days out for a key that is "
            "valid until it is revoked.",
            param="expires_in_days",
        )
    unknown = sorted(set(scopes) - set(SCOPE_PERMISSIONS))
    if unknown or not scopes:
        known = ", ".join(SCOPE_PERMISSIONS)
        raise InvalidInput(f"Unknown scope {', '.join(unknown) or '(none given)'}. There are: {known}.", param="scopes")
    key, key_hash = authentication.new_key()
    async with system_transaction() as tx:
        user = await users.by_email(tx, email) if email else None
        if email and user is None:
            raise NotFound(f"Nobody here has the address {email}.")
        places = await users.memberships(tx, user.id) if user else []
        tenant = await users.first_tenant(tx)
        tenant_id = places[0].tenant_id if places else tenant.id if tenant else None
        if tenant_id is None:
            raise NotFound("There is no tenant yet. Start the product once first.")
        row = ApiKeyTable(
            tenant_id=tenant_id,
            user_id=user.id if user else None,
            name=name,
            prefix=key[: len(authentication.KEY_PREFIX) + 5],
            key_hash=key_hash,
            scopes=scopes,
            expires_at=utc_now() + timedelta(days=expires_in_days) if expires_in_days is not None else None,
        )
        tx.session.add(row)
    return CreatedKey(row.id, key, row.prefix)
