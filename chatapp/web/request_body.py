"""What every JSON body is held to before a route looks at it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.exceptions import HTTPException

_MAX_DEPTH = 64


class RequestBody(BaseModel):
    """Base of every body: no characters a database cannot keep, no structure deeper than anybody needs."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unstorable(cls, value: Any) -> Any:
        check_storable(value)
        return value


def check_storable(value: Any, depth: int = 0) -> None:
    """Refuse strings with null characters or lone surrogates, and deep nesting.

    PostgreSQL stores no null character in text, and a lone surrogate, which JSON can spell, has no UTF-8.

    Raises:
        ValueError: with a sentence for the caller.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("the body is nested too deeply")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("text must not contain null characters")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("text must not contain unpaired surrogates")
    elif isinstance(value, dict):
        for key, item in value.items():
            check_storable(key, depth + 1)
            check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, depth + 1)


async def read_json(request: Request) -> Any:
    """The body as JSON, for the routes that also take forms.

    Raises:
        HTTPException: 400, it is not.
    """
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error
