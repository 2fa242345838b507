"""Who is an admin, of a tenant and of the installation, and that neither loses its last one.

A platform admin's change ends somebody's place in every tenant, so these statements look past the actor's own: they
speak of the table and not of its class. They give no more than names of tenants.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from chatapp.domain import Role
from chatapp.store.database import Transaction
from chatapp.store.tables import MembershipTable, TenantTable, UserTable

_PLACE: Any = MembershipTable.__table__.alias("place")  # pyright: ignore[reportAttributeAccessIssue]


async def lock_tenants_of(tx: Transaction, user_id: UUID) -> None:
    """`memberships.lock_tenant` for every tenant the person has a place in, those that are not the actor's too."""
    places = select_columns(_PLACE.c.tenant_id).where(_PLACE.c.user_id == user_id)
    statement = select(TenantTable.id).where(col(TenantTable.id).in_(places)).order_by(col(TenantTable.id))
    await tx.session.execute(statement.with_for_update(key_share=True))


async def is_last_admin(tx: Transaction, user_id: UUID, tenant_id: UUID) -> bool:
    """Whether the person is an admin of the tenant who may act, and nobody else is.

    Args:
        tx: the transaction; in an actor's another tenant can be asked about too.
        user_id: the person.
        tenant_id: the tenant.
    """
    statement = (
        select_columns(_PLACE.c.user_id)
        .join(UserTable, col(UserTable.id) == _PLACE.c.user_id)
        .where(_PLACE.c.tenant_id == tenant_id, *_acting_admin())
        .limit(2)
    )
    return list((await tx.session.execute(statement)).scalars()) == [user_id]


async def may_administer(tx: Transaction, user_id: UUID, tenant_id: UUID) -> bool:
    """Whether the person is an admin of the tenant who may act, or a platform admin.

    Args:
        tx: the transaction; in an actor's another tenant can be asked about too.
        user_id: the person.
        tenant_id: the tenant.
    """
    user = await tx.session.get(UserTable, user_id)
    if user is None or user.is_disabled:
        return False
    statement = (
        select_columns(_PLACE.c.user_id)
        .join(UserTable, col(UserTable.id) == _PLACE.c.user_id)
        .where(_PLACE.c.tenant_id == tenant_id, _PLACE.c.user_id == user_id, *_acting_admin())
    )
    return user.is_platform_admin or (await tx.session.execute(statement)).first() is not None


async def only_admin_in(tx: Transaction, user_id: UUID) -> list[str]:
    """Names of the tenants whose only acting admin the person is, those that are not the actor's too."""
    statement = (
        select(TenantTable.id, TenantTable.name)
        .join(_PLACE, _PLACE.c.tenant_id == col(TenantTable.id))
        .join(UserTable, col(UserTable.id) == _PLACE.c.user_id)
        .where(col(UserTable.id) == user_id, *_acting_admin())
        .order_by(col(TenantTable.name))
    )
    tenants = (await tx.session.execute(statement)).all()
    return [name for tenant_id, name in tenants if await is_last_admin(tx, user_id, tenant_id)]


def _acting_admin() -> tuple[ColumnElement[bool], ...]:
    return (
        cast(_PLACE.c.roles, String).contains(f'"{Role.ADMIN.value}"'),
        _PLACE.c.is_disabled.is_(False),
        _PLACE.c.accepted_at.is_not(None),
        col(UserTable.is_disabled).is_(False),
    )


async def lock_platform_admins(tx: Transaction) -> list[UUID]:
    """Ids of the platform admins who can sign in, locked until the end of the transaction."""
    statement = (
        select(UserTable.id)
        .where(col(UserTable.is_platform_admin).is_(True), col(UserTable.is_disabled).is_(False))
        .order_by(col(UserTable.id))
        .with_for_update()
    )
    return list((await tx.session.execute(statement)).scalars())
