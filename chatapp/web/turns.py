"""`/v1/turns`: an answer as it is written, and what its reader can do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header

from chatapp.domain import Actor
from chatapp.services import turns
from chatapp.services.turn_views import TurnView
from chatapp.web.auth import SignedIn
from chatapp.web.event_stream import EventStreamResponse
from chatapp.web.parameters import PathId, unix

router = APIRouter(prefix="/v1/turns", tags=["turns"])

LastEventId = Annotated[str | None, Header(max_length=64, alias="Last-Event-ID")]


def turn_object(view: TurnView) -> dict[str, Any]:
    """A turn as JSON."""
    return {
        "id": str(view.id),
        "object": "turn",
        "trace_id": str(view.id),
        "conversation_id": str(view.conversation_id) if view.conversation_id else None,
        "parent_id": str(view.parent_id) if view.parent_id else None,
        "question": view.question,
        "answer": view.answer,
        "annotations": view.citations,
        "sources": view.sources,
        "status": view.status,
        "model": view.model,
        "parts": view.parts,
        "finish_reason": view.finish_reason,
        "error": {"code": view.error_code, "message": view.error_message} if view.error_code else None,
        "usage": {
            "input_tokens": view.usage.input_tokens,
            "output_tokens": view.usage.output_tokens,
            "cached_input_tokens": view.usage.cached_input_tokens,
            "is_estimated": view.usage.is_estimated,
        },
        "cost_micro_usd": view.cost_micro_usd,
        "created_at": unix(view.created_at),
        "completed_at": unix(view.completed_at) if view.completed_at else None,
        "sibling_index": view.sibling_index,
        "sibling_count": view.sibling_count,
        "sibling_ids": [str(sibling) for sibling in view.sibling_ids],
        "rating": view.rating,
        "feedback_reasons": list(view.feedback_reasons),
    }


@router.get("/{turn_id}")
async def get_turn(actor: SignedIn, turn_id: PathId) -> dict[str, Any]:
    """One turn."""
    return turn_object(await turns.get(actor, turn_id))


@router.get("/{turn_id}/events", response_model=None, responses={200: {"content": {"text/event-stream": {}}}})
async def read_events(actor: SignedIn, turn_id: PathId, last_event_id: LastEventId = None) -> EventStreamResponse:
    """Follow an answer from its beginning or from behind `Last-Event-ID`. Leaving ends the reading, not the answer."""
    # Asked before the answer begins, so that what is not the reader's is a 404 and no empty stream.
    await turns.require_own(actor, turn_id)
    return EventStreamResponse(_frames(actor, turn_id, last_event_id), actor=actor)


@router.post("/{turn_id}/cancel")
async def cancel(actor: SignedIn, turn_id: PathId) -> dict[str, Any]:
    """Stop writing an answer; what was written stays."""
    return turn_object(await turns.cancel(actor, turn_id))


async def _frames(actor: Actor, turn_id: PathId, last_event_id: str | None) -> AsyncIterator[bytes]:
    async for event in turns.events(actor, turn_id, last_event_id=last_event_id):
        yield event.encode()
