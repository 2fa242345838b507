"""Grants as bodies of requests name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from chatapp.services.subjects import Grant
from chatapp.web.request_body import RequestBody


class GrantBody(RequestBody):
    """Who may read a collection, or write it too."""

    model_config = ConfigDict(extra="forbid")

    subject_kind: Literal["everyone", "role", "group", "user", "key"]
    subject: str = Field("", max_length=64)
    """Empty for everyone, the role's name, or the id of a group, a person or a service's key."""
    access: Literal["read", "write"] = "read"
    """Writing reads too, and needs the right to write documents as well."""


def as_grants(bodies: Sequence[GrantBody]) -> list[Grant]:
    """What bodies ask for, as services take it."""
    return [Grant(body.subject_kind, body.subject, body.access) for body in bodies]
