"""What many routes share: ids from addresses and bodies, pages of lists, moments as OpenAI writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query

from chatapp.errors import NotFound

PathId = Annotated[UUID, Path()]
"""An id in the address; one that is no id at all is a 404 like any unknown one (`web.errors`)."""

After = Annotated[str | None, Query(max_length=64)]
"""Id of the last item of the page before."""

Order = Annotated[Literal["asc", "desc"], Query()]
"""By the moment of creation."""


def parse_id(text: str, param: str) -> UUID:
    """An id from a body or a query.

    Raises:
        NotFound: it is none, so nothing has it.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(f"Nothing has the id given as {param}.", param=param) from error


def page_of(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of a list in OpenAI's shape."""
    return {
        "object": "list",
        "data": list(items),
        "has_more": has_more,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
    }


def unix(moment: datetime) -> int:
    """Seconds since 1970, as OpenAI gives moments."""
    return int(moment.timestamp())
