"""Names and descriptions as people give them to collections, groups, keys and tenants."""

from __future__ import annotations

from chatapp.errors import InvalidInput


def valid_name(name: str, *, what: str, max_characters: int) -> str:
    """A name with its blanks in order.

    Args:
        name: as typed.
        what: completes "Give ... .", as in "the group a name".
        max_characters: the longest that is kept, inclusive.

    Raises:
        InvalidInput: it is empty or too long.
    """
    name = " ".join(name.replace("\x00", "").split())
    if not name:
        raise InvalidInput(f"Give {what}.", param="name")
    if len(name) > max_characters:
        raise InvalidInput(f"The name is longer than {max_characters} characters.", param="name")
    return name


def valid_description(description: str, *, max_characters: int) -> str:
    """A description without blanks around it.

    Raises:
        InvalidInput: it is too long.
    """
    description = description.replace("\x00", "").strip()
    if len(description) > max_characters:
        raise InvalidInput(f"The description is longer than {max_characters} characters.", param="description")
    return description
