"""`/metrics`: what the processes count, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response

from chatapp.services import load
from chatapp.telemetry.exposition import CONTENT_TYPE_LATEST
from chatapp.web.auth import SignedIn

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(actor: SignedIn) -> Response:
    """Counters and gauges of every web process, in Prometheus' text format; for keys that may `read:metrics`."""
    return Response(await load.prometheus(actor), media_type=CONTENT_TYPE_LATEST)
