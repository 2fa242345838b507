"""Who a collection can be granted to: what was asked for is checked, and named for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission, Role
from chatapp.errors import InvalidInput
from chatapp.store import grants
from chatapp.store.database import transaction
from chatapp.store.grants import SUBJECT_KINDS, Grant, NamedGrant, Subjects

MAX_GRANTS = 200
"""On one collection: who needs more makes a group."""
_MAX_SEARCH_CHARACTERS = 100
_CHOICES = 20

ROLE_NAMES = {
    Role.MEMBER: "Members",
    Role.CONTENT_OWNER: "Content owners",
    Role.REVIEWER: "Reviewers",
    Role.AUDITOR: "Auditors",
    Role.ADMIN: "Admins",
}


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant as people and programs see it."""

    subject_kind: str
    """`everyone`, `role`, `group`, `user` or `key`."""
    subject: str
    """Empty for everyone, the role's name, or an id."""
    access: str
    """`read`, or `write`, which reads too."""
    name: str
    """For people: `Everyone`, `Content owners`, a group's, person's or key's name."""

    @classmethod
    def of(cls, named: NamedGrant) -> GrantView:
        """The view of a grant."""
        return cls(named.grant.subject_kind, named.grant.subject, named.grant.access, label(named))


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody a collection can be granted to."""

    subject_kind: str
    subject: str
    name: str
    detail: str
    """An address, how many people are in a group, or the beginning of a key."""


def label(named: NamedGrant) -> str:
    """Who has the grant, for people."""
    grant = named.grant
    if grant.subject_kind == "everyone":
        return "Everyone"
    if grant.subject_kind == "role":
        return ROLE_NAMES[Role(grant.subject)] if grant.subject in set(Role) else grant.subject
    return named.name


def readers_sentence(held: Sequence[NamedGrant]) -> str:
    """Who may read a collection, in a few words: the first three, and how many more."""
    names = [label(named) for named in held]
    if not names:
        return "Nobody"
    if "Everyone" in names:
        return "Everyone"
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def as_json(held: Sequence[NamedGrant]) -> list[dict[str, Any]]:
    """Grants for the audit log: with the names they had then."""
    return [
        {
            "subject_kind": named.grant.subject_kind,
            "subject": named.grant.subject,
            "name": label(named),
            "access": named.grant.access,
        }
        for named in held
    ]


def granted_of(audience: str, chosen: Any) -> list[Grant] | None:
    """What the maker of a collection chose, as grants; what comes from a browser can be anything.

    Args:
        audience: `everyone`, `me` or `chosen`.
        chosen: for `chosen`, a list of dictionaries with `subject_kind`, `subject` and `access`.

    Returns:
        None for everyone.

    Raises:
        InvalidInput: it is nothing of that.
    """
    if audience == "everyone":
        return None
    if audience == "me":
        return []
    if audience != "chosen" or not chosen:
        raise InvalidInput("Say who may read the collection: everyone, only you, or somebody you choose.")
    return grants_of(chosen)


def grants_of(chosen: Any) -> list[Grant]:
    """What a browser sent as grants, not checked against the tenant yet.

    Args:
        chosen: a list of dictionaries with `subject_kind`, `subject` and `access`.

    Raises:
        InvalidInput: it is something else.
    """
    if not isinstance(chosen, list) or not all(isinstance(each, Mapping) for each in chosen):
        raise InvalidInput("Choose groups and people from the list.", param="grants")
    names = ("subject_kind", "subject", "access")
    return [Grant(*(str(each.get(name, "")) for name in names)) for each in chosen]


def tidy(wanted: Sequence[Grant]) -> list[Grant]:
    """Grants as they are kept, once each; whether their subjects are there is for `require_known`.

    Raises:
        InvalidInput: too many, one twice, or an unknown kind, role or access; `param` names it, as `grants.2.subject`.
    """
    if len(wanted) > MAX_GRANTS:
        raise InvalidInput(f"At most {MAX_GRANTS} grants fit on a collection. Make a group of them.", param="grants")
    kept = [_tidy(grant, f"grants.{place}") for place, grant in enumerate(wanted)]
    seen: set[tuple[str, str]] = set()
    for place, grant in enumerate(kept):
        if (grant.subject_kind, grant.subject) in seen:
            raise InvalidInput("The same is granted twice. Leave one of the two out.", param=f"grants.{place}")
        seen.add((grant.subject_kind, grant.subject))
    return kept


def require_known(kept: Sequence[Grant], there: Subjects) -> None:
    """Refuse grants to who is not in the tenant.

    Args:
        kept: as `tidy` gives them.
        there: what `store.grants.find_subjects` found of them.

    Raises:
        InvalidInput: somebody is not there; `param` names the grant.
    """
    known = {"group": there.groups, "user": there.people, "key": there.keys}
    for place, grant in enumerate(kept):
        if grant.subject_kind in known and grant.id not in known[grant.subject_kind]:
            raise InvalidInput(_MISSING[grant.subject_kind], param=f"grants.{place}.subject")


_MISSING = {
    "group": "There is no such group. Choose one from the list.",
    "user": "There is no such person here. Choose one from the list, or invite them first.",
    "key": "There is no such key of a service. A person's key reads what the person reads.",
}


def _tidy(grant: Grant, param: str) -> Grant:
    if grant.subject_kind not in SUBJECT_KINDS:
        raise InvalidInput(f"A grant is made to one of {', '.join(SUBJECT_KINDS)}.", param=f"{param}.subject_kind")
    if grant.access not in {grants.READ, grants.WRITE}:
        raise InvalidInput("A grant lets its holder “read” or “write”.", param=f"{param}.access")
    if grant.subject_kind == "everyone":
        return Grant("everyone", "", grant.access)
    if grant.subject_kind == "role":
        if grant.subject not in set(Role):
            raise InvalidInput(f"The roles are {', '.join(Role)}.", param=f"{param}.subject")
        return grant
    try:
        return Grant(grant.subject_kind, str(UUID(grant.subject)), grant.access)
    except ValueError as error:
        raise InvalidInput(_MISSING[grant.subject_kind], param=f"{param}.subject") from error


async def search(actor: Actor, words: str = "", *, is_complete: bool = False) -> list[Choice]:
    """Groups and people that match some words, for whoever makes a collection or grants one.

    Args:
        actor: who looks.
        words: part of a name or address; empty: the first of each.
        is_complete: everyone, roles and services' keys too; for admins.

    Raises:
        NotPermitted: the actor may neither write documents nor administer.
    """
    if is_complete or not actor.may(Permission.WRITE_DOCUMENTS):
        actor.require(Permission.ADMIN)
    words = words.replace("\x00", "").strip()[:_MAX_SEARCH_CHARACTERS]
    async with transaction(actor, readonly=True) as tx:
        groups = await grants.search_groups(tx, words, limit=_CHOICES)
        people = await grants.search_people(tx, words, limit=_CHOICES)
        keys = await grants.search_keys(tx, words, limit=_CHOICES) if is_complete else []
    return [
        *(_everyone_and_roles(words) if is_complete else ()),
        *(Choice("group", str(key), name, "1 person" if n == 1 else f"{n:,} people") for key, name, n in groups),
        *(Choice("user", str(key), name, email) for key, name, email in people),
        *(Choice("key", str(key), name, f"{prefix}…") for key, name, prefix in keys),
    ]


def _everyone_and_roles(words: str) -> Iterator[Choice]:
    everyone = Choice("everyone", "", "Everyone", "all people of the tenant, and its services")
    roles = [Choice("role", role, name, "everybody with this role") for role, name in ROLE_NAMES.items()]
    yield from (each for each in (everyone, *roles) if words.lower() in each.name.lower())
