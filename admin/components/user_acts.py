"""What can be done with people of the list of users: what is asked before, and what is done then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from admin.components.ids import id_of
from chatapp.domain import Actor
from chatapp.services import keys_left, memberships, users
from chatapp.services.keys_left import KeysToEnd

QUESTIONS = {
    "disable": (
        "Keep {} out?",
        "Keep {} users out?",
        "Their sign-ins and keys here stop working within a second. What they wrote stays. They can be let in again.",
        "Keep out",
    ),
    "enable": ("Let {} in again?", "Let {} users in again?", "They can sign in as before.", "Let in"),
    "lock": (
        "Keep {} out of every tenant?",
        "",
        "Their sign-ins and keys end everywhere within a second. Everything they made stays.",
        "Keep out everywhere",
    ),
    "unlock": ("Let {} in again everywhere?", "", "Where their place is open they can sign in as before.", "Let in"),
    "promote": (
        "Make {} a platform admin?",
        "",
        "They administer every tenant, its people and its keys, and make other platform admins. They sign in again.",
        "Make a platform admin",
    ),
    "demote": (
        "Take the platform from {}?",
        "",
        "They keep their roles in their tenants. They have to sign in again.",
        "Take it away",
    ),
    "sign_out": (
        "Sign {} out?",
        "Sign {} users out?",
        "They have to sign in again in every browser. Keys go on working.",
        "Sign out",
    ),
    "remove": (
        "Remove {}?",
        "Remove {} users?",
        "They lose their place here with its groups, grants and keys, and their invitation stops working. What they "
        "asked and uploaded stays.",
        "Remove",
    ),
}
"""By action: the question about one and about several, what follows, and the word on the button."""


_ENDS_KEYS = frozenset({"disable", "remove", "lock", "demote"})
_ALL_KEYS = "_and_keys"
"""Added to an action that ends every key of a service its people made."""


async def keys_hit(actor: Actor, name: str, ids: list[str]) -> tuple[dict[str, int], tuple[str, str]]:
    """What of the keys of services that people made an action ends, and what more it can end."""
    if name not in _ENDS_KEYS:
        return {}, ("", "")
    left = await keys_left.count(actor, actor.tenant_id, [id_of(each) for each in ids])
    those = "the other key" if left.others == 1 else f"the {left.others} other keys"
    option = (f"Also end {those} of services they made, which go on working", name + _ALL_KEYS)
    hits = {"Admin keys of services they made, which end": left.admin}
    return hits, option if left.others else ("", "")


async def _set_disabled(actor: Actor, user_id: UUID, **keys: KeysToEnd) -> Any:
    return await memberships.update_user(actor, actor.tenant_id, user_id, is_disabled=True, **keys)


async def _set_enabled(actor: Actor, user_id: UUID) -> Any:
    return await memberships.update_user(actor, actor.tenant_id, user_id, is_disabled=False)


async def _sign_out(actor: Actor, user_id: UUID) -> Any:
    return await memberships.sign_out_user(actor, actor.tenant_id, user_id)


async def _remove(actor: Actor, user_id: UUID, **keys: KeysToEnd) -> Any:
    return await memberships.remove_user(actor, actor.tenant_id, user_id, **keys)


def _person_act(**change: bool) -> Callable[..., Awaitable[Any]]:
    async def act(actor: Actor, user_id: UUID, *, keys: KeysToEnd = "admin") -> Any:
        return await users.update(actor, user_id, keys=keys, **change)

    return act


ACTS: dict[str, Callable[..., Awaitable[Any]]] = {
    "disable": _set_disabled,
    "enable": _set_enabled,
    "sign_out": _sign_out,
    "remove": _remove,
    "lock": _person_act(is_disabled=True),
    "unlock": _person_act(is_disabled=False),
    "promote": _person_act(is_platform_admin=True),
    "demote": _person_act(is_platform_admin=False),
}
ACTS |= {name + _ALL_KEYS: partial(ACTS[name], keys="all") for name in _ENDS_KEYS}
