"""API keys: made, listed, renamed, rotated, revoked. A key is shown once; only its hash is kept.

A key belongs to a person, and never allows more than the person at this moment, or to a service. What it may be and
who may make it stands in `services.key_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chatapp.domain import SCOPE_PERMISSIONS, Actor, Permission, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.services import authentication
from chatapp.services.key_rules import MAX_DAYS, require_gives, require_may_hold, valid_end, valid_name, valid_scopes
from chatapp.services.list_page import ListPage
from chatapp.services.tokens import KEY_PREFIX, new_key
from chatapp.store import api_keys, audit, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import ApiKeyTable, UserTable

MAX_GRACE_HOURS = 168
"""A week: enough to bring a new key everywhere."""
_PREFIX_CHARACTERS = len(KEY_PREFIX) + 5


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as people see it: enough to tell it from others."""

    id: UUID
    name: str
    prefix: str
    owner: str
    """Address of the person it belongs to; empty: a service's."""
    user_id: UUID | None
    scopes: tuple[str, ...]
    state: str
    """`active`, `expired`, `revoked`, or `owner_away`: its person is disabled, left, or has not come yet."""
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    previous_expires_at: datetime | None
    """Until when the key before the last rotation opens too; None: it does not."""

    @classmethod
    def from_row(cls, row: ApiKeyTable, email: str | None, _: str | None, state: str) -> KeyView:
        """The view of a row."""
        in_grace = row.previous_expires_at is not None and row.previous_expires_at > utc_now() and state == "active"
        return cls(
            id=row.id,
            name=row.name,
            prefix=row.prefix,
            owner=email or "",
            user_id=row.user_id,
            scopes=tuple(row.scopes),
            state=state,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            previous_expires_at=row.previous_expires_at if in_grace else None,
        )


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key, shown once."""

    id: UUID
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    user_id: UUID | None
    expires_at: datetime | None
    previous_expires_at: datetime | None = None
    """After a rotation: until when the key before opens too; None: it does not."""


async def list_keys(actor: Actor, wanted: Mapping[str, str]) -> ListPage[KeyView]:
    """The tenant's keys, those that ended among them.

    Args:
        actor: who asks.
        wanted: filters, order and page as `store.listing` describes them; without order the newest first.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        InvalidInput: a filter or the order is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await api_keys.find_page(tx, wanted), KeyView.from_row)


async def get(actor: Actor, key_id: UUID) -> KeyView:
    """One key of the tenant.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
        NotFound: the tenant has no such key.
    """
    page = await list_keys(actor, {"id": str(key_id), "limit": "1"})
    if not page.items:
        raise NotFound("There is no such key.", param="key_id")
    return page.items[0]


async def create(
    actor: Actor,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    user_id: UUID | None = None,
) -> CreatedKey:
    """Make a key in the actor's tenant.

    Args:
        actor: who makes it.
        name: what it is for.
        scopes: names out of `domain.SCOPE_PERMISSIONS`, at least one.
        expires_at: when it ends, within ten years, in UTC where no zone is given; None: when it is revoked.
        user_id: the person of the tenant it belongs to; None: a service.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, may not give a scope, or wants a key of a
            platform admin and is none.
        NotFound: there is no such person in the tenant.
        InvalidInput: the name, a scope or the end is not valid.
    """
    actor.require(Permission.ADMIN)
    name, known = valid_name(name), valid_scopes(scopes)
    require_gives(actor, known)
    expires_at = valid_end(expires_at)
    key, key_hash = new_key()
    async with transaction(actor) as tx:
        user = await _person_in(tx, user_id) if user_id is not None else None
        require_may_hold(actor, user)
        row = ApiKeyTable(
            tenant_id=tx.tenant_id,
            user_id=user_id,
            name=name,
            prefix=key[:_PREFIX_CHARACTERS],
            key_hash=key_hash,
            scopes=known,
            created_by=actor.user_id or actor.key_id,
            expires_at=expires_at,
        )
        await _hold_to_present(tx, row, user)
        tx.session.add(row)
        await audit.write(tx, "key.created", row.id, after=facts_of(row))
    return _created(row, key)


async def change(actor: Actor, key_id: UUID, changes: Mapping[str, Any]) -> KeyView:
    """Change a key's name or end.

    Args:
        actor: who changes it.
        key_id: which.
        changes: `name`, and `expires_at` as for `create`; what is left out stays.

    Raises:
        NotPermitted: the actor may not change the tenant's settings, or it is a platform admin's key and they are none.
        NotFound: the tenant has no such key.
        InvalidInput: the name or the end is not valid.
        Conflict: the key was revoked.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row, user = await _living(tx, key_id)
        before = facts_of(row)
        if "name" in changes:
            row.name = valid_name(changes["name"])
        if "expires_at" in changes:
            # A later end is a key anew, for whoever holds it.
            require_may_hold(actor, user)
            row.expires_at = valid_end(changes["expires_at"])
        if before != facts_of(row):
            await audit.write(tx, "key.changed", row.id, before=before, after=facts_of(row))
    authentication.forget_cached_actors()
    return await get(actor, key_id)


async def rotate(actor: Actor, key_id: UUID, *, grace_hours: float = 0.0) -> CreatedKey:
    """Put a new key in the place of one; name, scopes, owner and end stay.

    Args:
        actor: who rotates it, and so comes to know the new key; it is held to what its person is now.
        key_id: which.
        grace_hours: how long the key before opens too, 0 to 168.

    Raises:
        NotPermitted: the actor may not change the tenant's settings or may not give the key's scopes, or it is a
            platform admin's key and they are none.
        NotFound: the tenant has no such key.
        InvalidInput: the hours are out of range.
        Conflict: the key was revoked or has expired.
    """
    actor.require(Permission.ADMIN)
    if not 0 <= grace_hours <= MAX_GRACE_HOURS:
        raise InvalidInput(f"The key before can stay for 0 to {MAX_GRACE_HOURS} hours.", param="grace_hours")
    key, key_hash = new_key()
    async with transaction(actor) as tx:
        row, user = await _living(tx, key_id)
        if row.expires_at is not None and row.expires_at <= utc_now():
            raise Conflict("This key has expired. Give it a later end, or make a new one.")
        require_may_hold(actor, user)
        require_gives(actor, [scope for scope in row.scopes if scope in SCOPE_PERMISSIONS])
        row.previous_key_hash = row.key_hash if grace_hours else None
        row.previous_expires_at = utc_now() + timedelta(hours=grace_hours) if grace_hours else None
        row.key_hash, row.prefix = key_hash, key[:_PREFIX_CHARACTERS]
        row.created_by = actor.user_id or actor.key_id
        await _hold_to_present(tx, row, user)
        await audit.write(tx, "key.rotated", row.id, name=row.name, grace_hours=grace_hours)
    authentication.forget_cached_actors()
    return _created(row, key)


async def revoke(actor: Actor, key_id: UUID) -> None:
    """End a key of the tenant; it is refused everywhere within a second.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: the tenant has no such key, or it was revoked before.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row, _ = await api_keys.get(tx, key_id, for_update=True)
        if row.revoked_at is not None:
            raise NotFound("This key was revoked before.", param="key_id")
        row.revoked_at = utc_now()
        row.previous_key_hash = row.previous_expires_at = None
        await audit.write(tx, "key.revoked", row.id, before=facts_of(row), name=row.name)
    authentication.forget_cached_actors()


async def find_owner(actor: Actor, email: str) -> UUID:
    """The person of the tenant with this address, for whom a key is to be made.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: nobody here has the address.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor, readonly=True) as tx:
        _, place = await users.in_tenant(tx, email, tx.tenant_id)
    if place is None:
        raise InvalidInput("Nobody in this tenant has this address.", param="email")
    return place.user_id


async def create_key(
    *,
    email: str | None,
    name: str,
    scopes: list[str],
    expires_in_days: int | None = None,
    tenant_id: UUID | None = None,
) -> CreatedKey:
    """Make an API key from the command line, in nobody's name.

    Args:
        email: whose key it is; None: a service's.
        name: what the key is for.
        scopes: names out of `domain.SCOPE_PERMISSIONS`.
        expires_in_days: days the key lives, 1 to 3,650; None: until it is revoked.
        tenant_id: where; None: the person's oldest tenant, for a service the first one.

    Raises:
        NotFound: nobody has this address, they are not in that tenant, or there is no tenant yet.
        InvalidInput: the name or a scope is not valid, or the days are too few or too many.
    """
    if expires_in_days is not None and not 1 <= expires_in_days <= MAX_DAYS:
        raise InvalidInput(
            f"A key is valid for 1 to {MAX_DAYS} days, not {expires_in_days}; leave the days out for a key that is "
            "valid until it is revoked.",
            param="expires_in_days",
        )
    name, known = valid_name(name), valid_scopes(scopes)
    async with system_transaction(readonly=True) as tx:
        user, place = await _owner(tx, email, tenant_id)
    key, key_hash = new_key()
    actor = Actor(tenant_id=place, user_id=None, permissions=frozenset(), name="command line", is_system=True)
    async with transaction(actor) as tx:
        row = ApiKeyTable(
            tenant_id=place,
            user_id=user.id if user else None,
            name=name,
            prefix=key[:_PREFIX_CHARACTERS],
            key_hash=key_hash,
            scopes=known,
            expires_at=utc_now() + timedelta(days=expires_in_days) if expires_in_days is not None else None,
        )
        await _hold_to_present(tx, row, user)
        tx.session.add(row)
        await audit.write(tx, "key.created", row.id, after=facts_of(row))
    return _created(row, key)


async def _owner(tx: Transaction, email: str | None, tenant_id: UUID | None) -> tuple[UserTable | None, UUID]:
    """The person a key of the command line is for, and the tenant it is made in."""
    found = await users.with_email(tx, email) if email else []
    if email and not found:
        raise NotFound(f"Nobody here has the address {email}.")
    places = [(user, place.tenant_id) for user in found for place in await users.memberships(tx, user.id)]
    if found and tenant_id is not None:
        places = [(user, place) for user, place in places if place == tenant_id]
        if not places:
            raise NotFound(f"{email} is not in this tenant.")
    if places:
        return places[0]
    tenant = await users.first_tenant(tx)
    if tenant_id is None and tenant is None:
        raise NotFound("There is no tenant yet. Start the product once first.")
    return found[0] if found else None, tenant_id or tenant.id  # pyright: ignore[reportOptionalMemberAccess]


async def _person_in(tx: Transaction, user_id: UUID) -> UserTable:
    place = await users.place_in(tx, user_id, tx.tenant_id)
    user = await users.by_id(tx, user_id) if place is not None else None
    if user is None:
        raise NotFound("There is no such person in this tenant.", param="user_id")
    return user


async def _hold_to_present(tx: Transaction, row: ApiKeyTable, user: UserTable | None) -> None:
    """Keep what the key's person is now: the key never becomes more with them."""
    if user is None:
        return
    place = await users.place_in(tx, user.id, tx.tenant_id)
    row.roles = list(place.roles) if place is not None else []
    row.is_of_platform = user.is_platform_admin


async def _living(tx: Transaction, key_id: UUID) -> tuple[ApiKeyTable, UserTable | None]:
    row, user = await api_keys.get(tx, key_id, for_update=True)
    if row.revoked_at is not None:
        raise Conflict("This key was revoked. Make a new one.")
    return row, user


def facts_of(row: ApiKeyTable) -> dict[str, Any]:
    """What the audit log keeps of a key."""
    return {
        "name": row.name,
        "prefix": row.prefix,
        "scopes": list(row.scopes),
        "user_id": row.user_id,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }


def _created(row: ApiKeyTable, key: str) -> CreatedKey:
    return CreatedKey(
        id=row.id,
        key=key,
        prefix=row.prefix,
        name=row.name,
        scopes=tuple(row.scopes),
        user_id=row.user_id,
        expires_at=row.expires_at,
        previous_expires_at=row.previous_expires_at,
    )
