"""`/v1/feedback`: what a person thinks of an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from chatapp.services import feedback
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import parse_id
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])


class Feedback(RequestBody):
    """A thumb, and why."""

    trace_id: str = Field(max_length=64)
    rating: Literal["up", "down"] | None
    """None takes the thumb back."""
    reasons: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=20)
    comment: str = Field(default="", max_length=4_000)


@router.post("")
async def give(actor: SignedIn, body: Feedback) -> dict[str, Any]:
    """Rate one of the caller's own answers, or take the rating back."""
    trace_id = parse_id(body.trace_id, "trace_id")
    view = await feedback.rate(actor, trace_id, rating=body.rating, reasons=body.reasons, comment=body.comment)
    return {"trace_id": str(trace_id), "rating": view.rating, "reasons": list(view.reasons), "comment": view.comment}
