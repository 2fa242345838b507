"""From what an identity provider says about somebody to a person of ours, their roles and their groups.

Whoever runs a tenant chooses its provider and so what it says. Therefore it says nothing about anybody outside the
tenant: who has the same address elsewhere is somebody else, and of the tenant's own people an address alone takes
over nobody who is elsewhere too, and no platform admin. They prove once with their password that it is them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from chatapp.domain import Actor, Role, utc_now
from chatapp.services import authentication, keys_left
from chatapp.services.oidc_client import SignInFailed
from chatapp.store import admins, audit, identity_providers, memberships, sessions, users
from chatapp.store.database import Transaction, system_transaction, transaction
from chatapp.store.tables import IdentityProviderTable, IdentityTable, MembershipTable, UserTable

_MAX_SUBJECT_CHARACTERS = 255
_MAX_GROUPS = 1_000
_MAX_NAME_CHARACTERS = 120
_VERIFIED_CLAIMS = ("email_verified", "xms_edov")
"""Say that the address is the person's. The second is Microsoft's, which sends no `email_verified`:
https://learn.microsoft.com/entra/identity-platform/optional-claims-reference"""
_YES = (True, 1, "true", "True", "1")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a provider says about somebody."""

    subject: str
    email: str
    """Lower case; empty: it says none, or none that is an address."""
    is_verified: bool
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Whom the provider means."""

    kind: Literal["known", "new", "link", "prove"]
    """`known`: signed in with it before. `new`: nobody of this tenant has the address. `link`: somebody of this tenant
    alone has it. `prove`: somebody has it who is elsewhere too, and has to show with a password that it is them."""
    user: UserTable | None = None


def claimed(claims: Mapping[str, Any], *, groups_claim: str) -> Claimed:
    """Read a token's claims.

    Args:
        claims: verified.
        groups_claim: name of the one that lists groups.

    Raises:
        SignInFailed: it names nobody.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS or not _is_plain(subject):
        raise SignInFailed("token", "no subject, or one too long")
    groups = claims.get(groups_claim)
    groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return Claimed(
        subject=subject,
        email=_email(claims.get("email")),
        is_verified=any(claims.get(name) in _YES for name in _VERIFIED_CLAIMS),
        name=_name(claims),
        groups=tuple(group for group in groups if isinstance(group, str))[:_MAX_GROUPS],
    )


def _email(value: Any) -> str:
    email = value.strip().lower() if isinstance(value, str) else ""
    name, _, host = email.partition("@")
    is_one = name and host and "@" not in host and len(email) <= 254 and _is_plain(email) and " " not in email
    return email if is_one else ""


def _name(claims: Mapping[str, Any]) -> str:
    name = claims.get("name")
    return name.strip()[:_MAX_NAME_CHARACTERS] if isinstance(name, str) and _is_plain(name) else ""


def _is_plain(text: str) -> bool:
    return text.isprintable() and not any("\ud800" <= character <= "\udfff" for character in text)


async def find(provider: IdentityProviderTable, who: Claimed) -> Found:
    """Whom the provider means, and whether it may say so.

    Raises:
        SignInFailed: the address is not of the provider's domains or was not verified, nobody new is let in, or the
            person is disabled.
    """
    domain = who.email.rpartition("@")[2]
    if provider.email_domains and domain not in provider.email_domains:
        raise SignInFailed("domain", f"address of {domain or 'no domain'}")
    async with system_transaction(readonly=True) as tx:
        identity = await identity_providers.identity(tx, provider.id, who.subject)
        if identity is not None:
            user = await users.by_id(tx, identity.user_id)
            return _unless_disabled("known", user, await _place(tx, user, provider))
        if not who.email or not who.is_verified:
            raise SignInFailed("unverified", "address missing or not verified")
        # Whoever has the address in other tenants is no business of this one's provider.
        user, place = await users.in_tenant(tx, who.email, provider.tenant_id)
        if user is None:
            return _new(provider)
        is_elsewhere = await users.is_elsewhere(tx, user.id, provider.tenant_id)
    is_ours = not is_elsewhere and not user.is_platform_admin
    if not is_ours and user.password_hash is None:
        raise SignInFailed("elsewhere", "the person belongs elsewhere and has no password to prove it with")
    return _unless_disabled("link" if is_ours else "prove", user, place)


def _new(provider: IdentityProviderTable) -> Found:
    if not provider.creates_users:
        raise SignInFailed("unknown", "the provider brings nobody new")
    return Found("new")


async def _place(tx: Transaction, user: UserTable | None, provider: IdentityProviderTable) -> MembershipTable | None:
    return await users.place_in(tx, user.id, provider.tenant_id) if user is not None else None


def _unless_disabled(
    kind: Literal["known", "link", "prove"], user: UserTable | None, place: MembershipTable | None
) -> Found:
    if user is None or user.is_disabled or (place is not None and place.is_disabled):
        raise SignInFailed("disabled", "the person is disabled")
    return Found(kind, user)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the provider's groups come to here."""

    roles: list[str]
    group_ids: list[UUID]


def mapped(provider: IdentityProviderTable, groups: Sequence[str]) -> Mapped:
    """Roles and groups of ours that somebody's groups at the provider come to; each mapping that fits applies."""
    fitting = [mapping for mapping in provider.mappings if mapping.get("group") in groups]
    wanted = {role for mapping in fitting for role in mapping.get("roles", [])} or set(provider.default_roles)
    group_ids = {UUID(group_id) for mapping in fitting for group_id in mapping.get("groups", [])}
    return Mapped([role.value for role in Role if role.value in wanted], sorted(group_ids))


def with_mapped_groups(provider: IdentityProviderTable, who: Claimed) -> Claimed:
    """The same person with only those of their groups that come to anything here."""
    known = {mapping.get("group") for mapping in provider.mappings}
    return replace(who, groups=tuple(group for group in who.groups if group in known))


async def bring_in(provider: IdentityProviderTable, who: Claimed, found: Found) -> tuple[UserTable, MembershipTable]:
    """Give the person the place the provider says they have: at the first sign-in and at each one after it.

    Roles that people gave by hand stay as they are; those from the provider follow it. Where they change, the
    person's sessions in the tenant end.

    Args:
        provider: whose word it is.
        who: what it says.
        found: whom it means, as `find` told.

    Raises:
        SignInFailed: the provider gives the person no role here, or the person was disabled meanwhile.
    """
    there = Actor(provider.tenant_id, None, frozenset(), name=f"{provider.name} (identity provider)", is_system=True)
    wanted = mapped(provider, who.groups)
    async with transaction(there) as tx:
        # One sign-in through a provider after the other: two of the same new person make one person.
        await identity_providers.get(tx, provider.id, for_update=True)
        await memberships.lock_tenant(tx)
        user = await _linked(tx, provider, who, found)
        place = await users.place_in(tx, user.id, provider.tenant_id)
        if place is None:
            if not wanted.roles:
                # Nothing is kept of somebody who has no place here.
                raise SignInFailed("no_role", "no mapping fits and there are no default roles")
            place = await _add_place(tx, user, provider)
        await _follow(tx, user, place, wanted)
    authentication.forget_cached_actors()
    if not place.roles:
        raise SignInFailed("no_role", "no mapping fits any more and there are no default roles")
    return user, place


async def _add_place(tx: Transaction, user: UserTable, provider: IdentityProviderTable) -> MembershipTable:
    place = MembershipTable(tenant_id=provider.tenant_id, user_id=user.id, is_managed=True, accepted_at=utc_now())
    tx.session.add(place)
    await tx.session.flush()
    await audit.write(tx, "user.added", user.id, email=user.email, provider=provider.name)
    return place


async def _linked(tx: Transaction, provider: IdentityProviderTable, who: Claimed, found: Found) -> UserTable:
    """The person, known to the provider by its name for them from now on."""
    identity = await identity_providers.identity(tx, provider.id, who.subject)
    if identity is not None:
        user = await users.by_id(tx, identity.user_id)
    elif found.user is not None:
        user = await users.by_id(tx, found.user.id)
    else:
        user = await _created(tx, who)
    if user is None or user.is_disabled:
        raise SignInFailed("disabled", "the person is disabled or gone")
    if identity is None:
        tx.session.add(
            IdentityTable(tenant_id=provider.tenant_id, provider_id=provider.id, user_id=user.id, subject=who.subject)
        )
        await audit.write(tx, "identity.linked", user.id, email=user.email, provider=provider.name)
    return user


async def _created(tx: Transaction, who: Claimed) -> UserTable:
    if (await users.in_tenant(tx, who.email, tx.tenant_id))[0] is not None:
        # Somebody of this address came here since they were looked for, and has not been looked at.
        raise SignInFailed("expired", "an account of the address was made meanwhile")
    user = UserTable(email=who.email, name=who.name or who.email.partition("@")[0])
    tx.session.add(user)
    await tx.session.flush()
    return user


async def _roles_to_have(tx: Transaction, user: UserTable, place: MembershipTable, wanted: Mapped) -> list[str]:
    is_demoted = Role.ADMIN in place.roles and Role.ADMIN not in wanted.roles
    # The tenant is locked: nobody else stops being an admin meanwhile.
    if is_demoted and await admins.is_last_admin(tx, user.id, place.tenant_id):
        return [*wanted.roles, Role.ADMIN.value]
    return wanted.roles


async def _follow(tx: Transaction, user: UserTable, place: MembershipTable, wanted: Mapped) -> None:
    """Have the place be what the provider says; the person's sessions end where their roles change.

    The tenant's last admin stays one, whatever the provider says: nobody could make another.
    """
    if place.is_disabled:
        raise SignInFailed("disabled", "the person is kept out of the tenant")
    roles_before = list(place.roles)
    place.accepted_at = place.accepted_at or utc_now()
    if place.is_managed:
        place.roles = await _roles_to_have(tx, user, place, wanted)
    groups_before, groups = await identity_providers.set_managed_groups(tx, user.id, wanted.group_ids)
    await tx.session.flush()
    if Role.ADMIN in roles_before and Role.ADMIN not in place.roles and not user.is_platform_admin:
        await keys_left.end(tx, user.id, "admin")
    if place.roles == roles_before and groups == groups_before:
        return
    await audit.write(
        tx,
        "user.changed",
        user.id,
        before={"roles": roles_before, "managed_groups": sorted(map(str, groups_before))},
        after={"roles": list(place.roles), "managed_groups": sorted(map(str, groups))},
        email=user.email,
    )
    if place.roles != roles_before:
        await sessions.revoke_in_tenant(tx, user.id, place.tenant_id)
