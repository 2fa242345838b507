"""What the lists under `/v1/admin` share: what is asked for, the shape of the answer, and files to download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from chatapp.services.list_page import ListPage

Item = TypeVar("Item")


class ListAnswer(BaseModel, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    next: str | None
    """`after` of the next page; null: this is the last."""
    total: int
    """Items the filters let through, counted up to 10,000."""
    is_total_exact: bool


def _wanted(
    request: Request,
    q: Annotated[str, Query(description="Part of any searched field.")] = "",  # noqa: ARG001  # described to readers
    order: Annotated[str, Query(description="A field; with - in front descending.")] = "",  # noqa: ARG001
    limit: Annotated[str, Query(description="1 to 1,000; 50 where left out.")] = "",  # noqa: ARG001
    after: Annotated[str, Query(description="`next` of the page before.")] = "",  # noqa: ARG001
) -> Mapping[str, str]:
    """The query as the services read it: filters are NAME=a,b, NAME.has=, NAME.from= and NAME.to=."""
    return dict(request.query_params)


Wanted = Annotated[Mapping[str, str], Depends(_wanted)]
"""Filters, order and page asked for, as a route's parameter: the grammar of `chatapp.store.listing`."""


def list_answer(page: ListPage[Item]) -> ListAnswer[Item]:
    """A page as the API gives it."""
    return ListAnswer(
        data=page.items,
        has_more=page.next_cursor is not None,
        next=page.next_cursor,
        total=page.total,
        is_total_exact=page.is_total_exact,
    )


async def download(pieces: AsyncIterator[str], *, filename: str, media_type: str) -> StreamingResponse:
    """A file that is sent as it is made.

    Args:
        pieces: its text; what it raises before its first piece becomes the answer.
        filename: letters, digits, dots and hyphens.
        media_type: `text/csv` or `application/json`.
    """
    first = await anext(pieces, "")

    async def rest() -> AsyncIterator[str]:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(rest(), media_type=f"{media_type}; charset=utf-8", headers=headers)
