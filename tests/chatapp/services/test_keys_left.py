from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.services import authentication, keys, keys_left, memberships, users
from chatapp.services.administration import acting_in
from chatapp.services.keys import CreatedKey
from chatapp.store.database import transaction
from chatapp.store.tables import AuditTable
from tests.fixtures.people import MakeActor


@dataclass
class Left:
    """The keys of services two admins made in a tenant, and the one who goes."""

    goes: Actor
    admins: CreatedKey
    others: CreatedKey
    grandchild: CreatedKey
    """Made with an admin's key that she made."""
    colleagues: CreatedKey


async def make_keys(actor: Actor, make_actor: MakeActor) -> Left:
    goes = await make_actor(tenant=actor.tenant_id)
    admins = await keys.create(goes, name="Deploy", scopes=["admin"])
    robot = await authentication.actor_of_key(admins.key)
    assert robot is not None
    return Left(
        goes,
        admins,
        await keys.create(goes, name="Bot", scopes=["use:chat"]),
        await keys.create(robot, name="Child", scopes=["admin"]),
        await keys.create(actor, name="Mine", scopes=["admin"]),
    )


async def living(left: Left) -> set[str]:
    made = (left.admins, left.others, left.grandchild, left.colleagues)
    return {each.name for each in made if await authentication.actor_of_key(each.key) is not None}


def id_of(actor: Actor) -> UUID:
    assert actor.user_id is not None
    return actor.user_id


END = {
    "removed": lambda actor, user_id, **keys: memberships.remove_user(actor, actor.tenant_id, user_id, **keys),
    "kept out": lambda actor, user_id, **keys: memberships.update_user(
        actor, actor.tenant_id, user_id, is_disabled=True, **keys
    ),
    "an admin no more": lambda actor, user_id, **keys: memberships.update_user(
        actor, actor.tenant_id, user_id, roles=["content_owner"], **keys
    ),
}


@pytest.mark.parametrize("how", END)
async def test_admin_keys_end_with_their_makers_right_to_make_them(
    actor: Actor, other_actor: Actor, make_actor: MakeActor, how: str
) -> None:
    left, elsewhere = await make_keys(actor, make_actor), await make_keys(other_actor, make_actor)
    counted = await keys_left.count(actor, actor.tenant_id, [id_of(left.goes)])

    await END[how](actor, id_of(left.goes))

    assert (counted.admin, counted.others) == (2, 1)
    assert await living(left) == {"Bot", "Mine"}
    assert await living(elsewhere) == {"Deploy", "Bot", "Child", "Mine"}
    async with transaction(actor, readonly=True) as tx:
        query = select(AuditTable).where(col(AuditTable.action) == "key.revoked")
        lines = (await tx.session.execute(query)).scalars().all()
    assert {(line.details["name"], line.actor_name) for line in lines} == {
        ("Deploy", actor.email),
        ("Child", actor.email),
    }
    assert all(line.reason for line in lines)


@pytest.mark.parametrize(("which", "stay"), [("all", {"Mine"}), ("none", {"Deploy", "Bot", "Child", "Mine"})])
async def test_whoever_takes_the_right_says_which_keys_end(
    actor: Actor, make_actor: MakeActor, which: Any, stay: set[str]
) -> None:
    left = await make_keys(actor, make_actor)

    await memberships.remove_user(actor, actor.tenant_id, id_of(left.goes), keys=which)

    assert await living(left) == stay


async def test_other_changes_end_no_key(actor: Actor, make_actor: MakeActor) -> None:
    left = await make_keys(actor, make_actor)

    await memberships.update_user(actor, actor.tenant_id, id_of(left.goes), roles=["admin", "reviewer"], name="New")

    assert await living(left) == {"Deploy", "Bot", "Child", "Mine"}


@pytest.mark.parametrize("how", ["locked", "demoted"])
async def test_a_platform_admins_keys_end_where_they_may_make_none_any_more(
    actor: Actor, operator: Actor, make_actor: MakeActor, how: str
) -> None:
    goes = await make_actor(is_platform_admin=True)
    assert goes.user_id is not None
    await make_actor(tenant=goes.tenant_id)
    at_home = await keys.create(goes, name="Home", scopes=["admin"])
    abroad = await keys.create(await acting_in(goes, actor.tenant_id, Permission.ADMIN), name="A", scopes=["admin"])

    change = {"is_disabled": True} if how == "locked" else {"is_platform_admin": False}
    await users.update(operator, goes.user_id, **change)

    assert await authentication.actor_of_key(abroad.key) is None
    # Where they stay an admin their key stays.
    assert (await authentication.actor_of_key(at_home.key) is None) is (how == "locked")


async def test_another_tenants_keys_are_not_counted(actor: Actor, other_actor: Actor, make_actor: MakeActor) -> None:
    left = await make_keys(actor, make_actor)

    with pytest.raises(NotFound):
        await keys_left.count(other_actor, actor.tenant_id, [id_of(left.goes)])
    counted = await keys_left.count(other_actor, other_actor.tenant_id, [id_of(left.goes)])
    assert (counted.admin, counted.others) == (0, 0)
