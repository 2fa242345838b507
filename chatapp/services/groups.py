"""Use cases of groups: sets of people that collections are granted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput
from chatapp.services.list_page import ListPage
from chatapp.services.names import valid_description, valid_name
from chatapp.store import audit, groups, listing
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import GroupTable

MAX_NAME_CHARACTERS = 120
MAX_DESCRIPTION_CHARACTERS = 500
MAX_AT_ONCE = 500
"""People put into a group or taken out of it with one call."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as admins see it."""

    id: UUID
    name: str
    description: str
    members: int
    collections: int
    """Collections with a grant to it."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GroupMemberView:
    """Somebody in a group."""

    id: UUID
    name: str
    """Empty while they are invited and not here yet."""
    email: str
    status: str
    """`invited`, `active` or `disabled`."""
    is_managed: bool
    """Put there by the identity provider, which may do so again at the next sign-in."""
    created_at: datetime
    """Since when they are in it."""


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """What became of people put into a group or taken out of it."""

    changed: int
    """The others were there already, or were not there."""
    members: int
    """People in the group now."""


async def list_groups(actor: Actor, wanted: Mapping[str, str]) -> ListPage[GroupView]:
    """The tenant's groups, by name.

    Args:
        actor: who asks.
        wanted: filters and order, as for `store.listing`.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        InvalidInput: something of what is wanted is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return ListPage.of(await listing.find(tx, groups.LISTING, wanted), GroupView)


async def get(actor: Actor, group_id: UUID) -> GroupView:
    """One group.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such group in this tenant.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        return await _view(tx, group_id)


async def list_members(actor: Actor, group_id: UUID, wanted: Mapping[str, str]) -> ListPage[GroupMemberView]:
    """The people in a group, by address.

    Args:
        actor: who asks.
        group_id: the group.
        wanted: filters and order, as for `store.listing`.

    Raises:
        NotPermitted: the actor may not see how the tenant is set up.
        NotFound: no such group in this tenant.
        InvalidInput: something of what is wanted is not valid.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        await groups.get(tx, group_id)
        return ListPage.of(await listing.find(tx, groups.members(group_id), wanted), GroupMemberView)


async def create(actor: Actor, *, name: str, description: str = "", user_ids: Sequence[UUID] = ()) -> GroupView:
    """Make a group, with people in it where some are named.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        InvalidInput: the name is empty or too long, or somebody named is not in the tenant.
        Conflict: the tenant has a group of that name.
    """
    actor.require(Permission.ADMIN)
    name, description = _valid_name(name), _valid_description(description)
    async with transaction(actor) as tx:
        await _require_free(tx, name)
        row = GroupTable(tenant_id=actor.tenant_id, name=name, description=description)
        tx.session.add(row)
        await tx.session.flush()
        people = await _people(tx, user_ids)
        await groups.add_members(tx, row.id, list(people))
        after = {"name": name, "description": description, "members": sorted(people.values())}
        await audit.write(tx, "group.created", row.id, after=after)
        return await _view(tx, row.id)


async def change(actor: Actor, group_id: UUID, *, name: str | None = None, description: str | None = None) -> GroupView:
    """Change a group's name or description; what is None stays.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such group in this tenant.
        InvalidInput: the name is empty or too long.
        Conflict: another group has that name.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        if name is not None:
            name = _valid_name(name)
            await _require_free(tx, name, except_id=group_id)
        row = await groups.get(tx, group_id, for_update=True)
        before = {"name": row.name, "description": row.description}
        row.name = row.name if name is None else name
        if description is not None:
            row.description = _valid_description(description)
        after = {"name": row.name, "description": row.description}
        if after != before:
            await tx.session.flush()
            await audit.write(tx, "group.changed", group_id, before=before, after=after)
        return await _view(tx, group_id)


async def delete(actor: Actor, group_id: UUID) -> None:
    """Delete a group. Its people stay and lose what it opened to them, from the next statement on.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such group in this tenant.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row = await groups.get(tx, group_id, for_update=True)
        view = await _view(tx, group_id)
        opened = [str(each) for each in await groups.list_collections(tx, group_id)]
        await tx.session.delete(row)
        before = {
            "name": view.name,
            "description": view.description,
            "members": view.members,
            "collections": opened,
        }
        await audit.write(tx, "group.deleted", group_id, before=before)


async def add_members(actor: Actor, group_id: UUID, user_ids: Sequence[UUID]) -> MembersChanged:
    """Put people into a group; who is in it already stays.

    Args:
        actor: who does it.
        group_id: the group.
        user_ids: 1 to 500 people of the tenant.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such group in this tenant.
        InvalidInput: none, too many, or somebody who is not in the tenant; nobody is put in then.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        await groups.get(tx, group_id, for_update=True)
        people = await _people(tx, _some(user_ids))
        inside = await groups.list_inside(tx, group_id, list(people))
        added = {user_id: email for user_id, email in people.items() if user_id not in inside}
        if added:
            await groups.add_members(tx, group_id, list(added))
            await audit.write(tx, "group.members_added", group_id, after={"members": sorted(added.values())})
        return MembersChanged(len(added), (await _view(tx, group_id)).members)


async def remove_members(actor: Actor, group_id: UUID, user_ids: Sequence[UUID]) -> MembersChanged:
    """Take people out of a group; who is not in it is left alone.

    Args:
        actor: who does it.
        group_id: the group.
        user_ids: 1 to 500 people.

    Raises:
        NotPermitted: the actor may not administer the tenant.
        NotFound: no such group in this tenant.
        InvalidInput: none or too many.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        await groups.get(tx, group_id, for_update=True)
        inside = await groups.list_inside(tx, group_id, _some(user_ids))
        if inside:
            people = await groups.list_people(tx, list(inside))
            await groups.remove_members(tx, group_id, list(inside))
            await audit.write(tx, "group.members_removed", group_id, before={"members": sorted(people.values())})
        return MembersChanged(len(inside), (await _view(tx, group_id)).members)


async def _view(tx: Transaction, group_id: UUID) -> GroupView:
    return GroupView(*await groups.get_counted(tx, group_id))


def _some(user_ids: Sequence[UUID]) -> list[UUID]:
    distinct = list(dict.fromkeys(user_ids))
    if not distinct:
        raise InvalidInput("Name at least one person.", param="user_ids")
    if len(distinct) > MAX_AT_ONCE:
        raise InvalidInput(f"At most {MAX_AT_ONCE} people can be named at once.", param="user_ids")
    return distinct


async def _people(tx: Transaction, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Addresses of people, all of whom must be in the tenant."""
    people = await groups.list_people(tx, _some(user_ids)) if user_ids else {}
    if set(user_ids) - people.keys():
        raise InvalidInput("Somebody named is not in this tenant. Invite them first.", param="user_ids")
    return people


async def _require_free(tx: Transaction, name: str, *, except_id: UUID | None = None) -> None:
    await groups.lock_names(tx)
    other = await groups.find_by_name(tx, name)
    if other is not None and other.id != except_id:
        raise Conflict(f"There is a group named “{other.name}” already. Choose another name.", param="name")


def _valid_name(name: str) -> str:
    return valid_name(name, what="the group a name", max_characters=MAX_NAME_CHARACTERS)


def _valid_description(description: str) -> str:
    return valid_description(description, max_characters=MAX_DESCRIPTION_CHARACTERS)
