"""From rows to an actor: what a person's roles and a key's scopes allow."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chatapp.domain import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Actor, Permission, Role
from chatapp.store.tables import ApiKeyTable, MembershipTable, UserTable

PLATFORM_PERMISSIONS = frozenset({Permission.READ_ADMIN, Permission.ADMIN, Permission.PLATFORM})
"""What a platform admin may in every tenant: administer it, and not read what its people ask and keep."""


def roles_of(names: Iterable[str]) -> tuple[Role, ...]:
    """The roles this version knows out of those that are kept."""
    known = {role.value for role in Role}
    return tuple(Role(name) for name in names if name in known)


def permissions_of(user: UserTable, roles: Iterable[str]) -> frozenset[Permission]:
    """What a person with these roles may do; a role this version does not know gives nothing."""
    permissions = permissions_in_place(roles)
    return permissions | PLATFORM_PERMISSIONS if user.is_platform_admin else permissions


def permissions_in_place(roles: Iterable[str]) -> frozenset[Permission]:
    """What these roles alone allow."""
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles_of(roles)))


def person(
    user: UserTable,
    place: MembershipTable | None,
    *,
    tenant_id: UUID,
    session_id: UUID | None = None,
    address: str = "",
    method: str = "",
) -> Actor:
    """A person as they act in a tenant.

    Args:
        user: the person.
        place: their place there; None: a platform admin who only looks at the tenant.
        tenant_id: where they act.
        session_id: the sign-in they act in.
        address: network address they act from.
        method: how they signed in. Whoever runs a tenant chooses its identity provider, and so who it says is there:
            with `oidc` nobody is more than their place in the tenant.
    """
    roles = place.roles if place is not None else []
    is_confined = method == "oidc"
    return Actor(
        tenant_id=tenant_id,
        user_id=user.id,
        permissions=permissions_in_place(roles) if is_confined else permissions_of(user, roles),
        roles=roles_of(roles),
        email=user.email,
        name=user.name,
        address=address,
        session_id=session_id,
        is_confined=is_confined,
    )


def key_actor(row: ApiKeyTable, user: UserTable | None, place: MembershipTable | None) -> Actor:
    """Who acts with a key.

    A person's key never allows more than the person, of this moment and of the moment it was made; one with the scope
    `admin` allows who was a platform admin then to act as such. A service's key never does.

    Args:
        row: the key.
        user: the person it belongs to; None: a service.
        place: the person's place in the key's tenant.
    """
    permissions = frozenset().union(*(SCOPE_PERMISSIONS.get(scope, frozenset()) for scope in row.scopes))
    if user is not None and place is not None:
        of_platform = PLATFORM_PERMISSIONS if row.is_of_platform else frozenset()
        if "admin" in row.scopes:
            permissions |= of_platform
        if row.roles is not None:
            permissions &= permissions_in_place(row.roles) | of_platform
        permissions &= permissions_of(user, place.roles)
    return Actor(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        permissions=permissions,
        roles=roles_of(place.roles) if place is not None else (),
        email=user.email if user is not None else "",
        name=user.name if user is not None else row.name,
        key_id=row.id,
    )
