"""`/v1/admin/breakers`: where the circuit breakers of the deployments stand, and drills that hold one open.

A deployment's key has slashes in it, so it stands in the address as it is: `/v1/admin/breakers/openai/gpt-4o/drill`.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictInt
from starlette.responses import Response, StreamingResponse

from chatapp.services import breakers
from chatapp.services.breakers import MAX_DRILL_MINUTES, MAX_REASON_CHARACTERS, BreakerView, DrillEffect, DrillView
from chatapp.services.csv_export import stream_csv
from chatapp.web.admin_lists import ListAnswer, Wanted, download, list_answer
from chatapp.web.auth import SignedIn
from chatapp.web.request_body import RequestBody

router = APIRouter(prefix="/v1/admin", tags=["admin: breakers"])


class Drill(RequestBody):
    """How long to hold a breaker open."""

    model_config = ConfigDict(extra="forbid")

    minutes: StrictInt = Field(description=f"1 to {MAX_DRILL_MINUTES}; it ends by itself.")
    reason: str = Field(default="", max_length=MAX_REASON_CHARACTERS, description="Kept in the audit log.")


@router.get("/breakers")
async def list_breakers(actor: SignedIn, wanted: Wanted) -> ListAnswer[BreakerView]:
    """Every deployment of a model in use, with its breakers over all processes."""
    return list_answer(await breakers.list_breakers(actor, wanted))


@router.get("/breakers.csv", response_class=StreamingResponse)
async def export_breakers(actor: SignedIn, wanted: Wanted) -> StreamingResponse:
    """Every deployment the filters let through, as CSV."""
    lines = stream_csv(lambda asked: breakers.list_breakers(actor, asked), BreakerView, wanted)
    return await download(lines, filename="breakers.csv", media_type="text/csv")


@router.get("/breakers/{deployment:path}/drill")
async def preview_drill(actor: SignedIn, deployment: str) -> DrillEffect:
    """Who would answer while this deployment is held open; nothing is changed."""
    return await breakers.effect_of_drill(actor, deployment)


@router.post("/breakers/{deployment:path}/drill")
async def start_drill(actor: SignedIn, deployment: str, body: Drill) -> DrillView:
    """Hold a deployment's breaker open in every process, within a second."""
    return await breakers.start_drill(actor, deployment, minutes=body.minutes, reason=body.reason)


@router.delete("/breakers/{deployment:path}/drill", status_code=204)
async def end_drill(actor: SignedIn, deployment: str) -> Response:
    """Let a breaker go before its drill ends by itself."""
    await breakers.end_drill(actor, deployment)
    return Response(status_code=204)
