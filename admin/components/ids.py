"""Ids as they come from the browser."""

from __future__ import annotations

from uuid import UUID

from chatapp.errors import NotFound


def id_of(text: str) -> UUID:
    """An id a handler was given.

    Raises:
        NotFound: it is none, so nothing has it.
    """
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError) as error:
        raise NotFound from error
