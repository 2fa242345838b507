"""`/v1/traces`: how an answer came about."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from chatapp.services import traces
from chatapp.web.auth import SignedIn
from chatapp.web.parameters import PathId

router = APIRouter(prefix="/v1/traces", tags=["traces"])


@router.get("/{trace_id}")
async def get_trace(actor: SignedIn, trace_id: PathId) -> dict[str, Any]:
    """Everything known about how an answer came about: for its owner, and for those who may read traces."""
    return await traces.get(actor, trace_id)
