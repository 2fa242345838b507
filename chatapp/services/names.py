"""Names and descriptions as people give them to collections, groups, keys and tenants."""

from __future__ import annotations

import unicodedata

from chatapp.errors import InvalidInput

_JOINERS = "\u200c\u200d"
"""Not seen either, but scripts and emoji are written with them."""


def valid_name(name: str, *, what: str, max_characters: int) -> str:
    """A name with its blanks in order.

    Args:
        name: as typed.
        what: completes "Give ... .", as in "the group a name".
        max_characters: the longest that is kept, inclusive.

    Raises:
        InvalidInput: it is empty or too long, or holds what nobody sees: two names would look the same, and a name
            that has to be typed could not be.
    """
    name = " ".join(name.replace("\x00", "").split())
    if any(_is_hidden(character) for character in name):
        raise InvalidInput("The name holds a character that is not shown. Type it anew.", param="name")
    if not name.strip(_JOINERS):
        raise InvalidInput(f"Give {what}.", param="name")
    if len(name) > max_characters:
        raise InvalidInput(f"The name is longer than {max_characters} characters.", param="name")
    return name


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character not in _JOINERS


def valid_description(description: str, *, max_characters: int) -> str:
    """A description without blanks around it.

    Raises:
        InvalidInput: it is too long.
    """
    description = description.replace("\x00", "").strip()
    if len(description) > max_characters:
        raise InvalidInput(f"The description is longer than {max_characters} characters.", param="description")
    return description
