"""`/healthz` and `/readyz`: for the one who watches over the process, without signing in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from chatapp.services import doctor
from chatapp.settings import get_settings

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive: the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz() -> JSONResponse:
    """The state of each dependency; 503 when the process cannot serve.

    Anybody may ask, so the answer says which dependency fails and not why.
    """
    states = await doctor.readiness(get_settings())
    is_ready = doctor.can_serve(states)
    shown = {name: "ok" if state == "ok" else "unavailable" for name, state in states.items()}
    body = {"status": "ready" if is_ready else "not_ready", "dependencies": shown}
    return JSONResponse(body, status_code=200 if is_ready else 503)
