"""Mappings of an identity provider's groups as lines of text: `staff = member, content_owner, @Sales`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chatapp.domain import Role
from chatapp.errors import InvalidInput
from chatapp.services.identity_providers import GroupMapping

_BETWEEN = " = "
"""With its spaces: names of groups at a provider can hold an equals sign."""


def mappings_text(mappings: Sequence[GroupMapping], names: Mapping[UUID, str]) -> str:
    """Mappings as a person writes them, one a line.

    Args:
        mappings: what each group of the provider gives.
        names: of our groups, by id; one that is not here is left out.
    """
    lines = []
    for mapping in mappings:
        gives = [*mapping.roles, *(f"@{names[group_id]}" for group_id in mapping.groups if group_id in names)]
        lines.append(f"{mapping.group}{_BETWEEN}{', '.join(gives)}")
    return "\n".join(lines)


def read_mappings(text: str, names: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """What a person wrote, as the service takes it.

    Args:
        text: one mapping a line; blank lines are left out.
        names: of our groups, by id.

    Raises:
        InvalidInput: a line is not written as it has to be; the sentence names the line.
    """
    ids = {name.lower(): group_id for group_id, name in names.items()}
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        group, between, gives = line.strip().rpartition(_BETWEEN)
        if not between or not group.strip():
            raise _problem(number, f"write “their group{_BETWEEN}member, @Our group”")
        roles, groups = _read_gives(gives, ids, number)
        found.append({"group": group.strip(), "roles": roles, "groups": groups})
    return found


def _read_gives(gives: str, ids: Mapping[str, UUID], number: int) -> tuple[list[str], list[str]]:
    roles, groups = [], []
    words = [word.strip() for word in gives.split(",") if word.strip()]
    while words:
        word = words.pop(0)
        if not word.startswith("@"):
            if word.lower().replace(" ", "_") not in {role.value for role in Role}:
                raise _problem(number, f"there is no role “{word[:60]}”")
            roles.append(word.lower().replace(" ", "_"))
            continue
        # A group's name may hold commas itself.
        while word[1:].strip().lower() not in ids:
            if not words:
                raise _problem(number, f"there is no group “{word[1:][:60]}” here")
            word = f"{word}, {words.pop(0)}"
        groups.append(str(ids[word[1:].strip().lower()]))
    return roles, groups


def _problem(number: int, what: str) -> InvalidInput:
    return InvalidInput(f"Line {number}: {what}.", param="mappings")
