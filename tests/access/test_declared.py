"""Nothing is reachable that is not declared."""

from __future__ import annotations

import re

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.routing import Route, WebSocketRoute

from chatapp.web.app import create_api
from tests.access.routes import find, ids_elsewhere
from tests.access.rows import ELSEWHERE, NO_IDS, PARAMETERS, ROWS


def test_every_route_is_declared() -> None:
    found = {route.name for route in find(create_api().routes)}

    assert found - ROWS.keys() == set(), "say in rows.py what everybody gets"
    assert ROWS.keys() - found == set(), "these routes are gone"


def test_every_stream_is_declared() -> None:
    found = {route.name for route in find(create_api().routes) if route.is_stream}

    assert found == {name for name, row in ROWS.items() if row.is_stream}


def test_every_id_in_an_address_names_a_kind_of_object() -> None:
    names = {name for route in ROWS for name in re.findall(r"{(\w+)}", route)}

    assert names - PARAMETERS.keys() == set()


def test_every_id_in_a_query_a_form_or_a_body_is_declared() -> None:
    # The place in a list that is sorted by more than an id is a text of ours, which `store.listing` reads.
    found = {
        place
        for place in ids_elsewhere(create_api().openapi())
        if not ("/v1/admin/" in place and place.endswith("?after"))
    }

    assert found - ELSEWHERE.keys() - NO_IDS.keys() == set(), "say in rows.py what the id names"
    assert (ELSEWHERE.keys() | NO_IDS.keys()) - found == set(), "these are gone"


def test_planted_routes_and_streams_are_found() -> None:
    planted = APIRouter()

    @planted.get("/v1/planted/{file_id}", include_in_schema=False)
    async def unguarded() -> str:
        return "x"

    @planted.get("/v1/planted/events", include_in_schema=False)
    async def unguarded_stream() -> object:
        return _streamed()

    @planted.websocket("/v1/planted/socket")
    async def unguarded_socket() -> None: ...

    outer = APIRouter(prefix="/inner")
    outer.include_router(planted)
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    api.include_router(planted)
    api.include_router(outer)
    api.mount("/mounted", Route("/x", _streamed))
    api.router.routes.append(WebSocketRoute("/raw", _streamed))
    found = {route.name: route.is_stream for route in find(api.routes)}

    assert found["GET /v1/planted/{file_id}"] is False
    assert found["GET /v1/planted/events"] is True
    assert found["WEBSOCKET /v1/planted/socket"] is True
    assert found["WEBSOCKET /raw"] is True
    assert found["MOUNT /mounted"] is True
    assert not found.keys() & ROWS.keys()


def _streamed() -> object:
    from starlette.responses import StreamingResponse

    return StreamingResponse(iter(()))


class Inner(BaseModel):
    owner_id: str | None = None


class Body(BaseModel):
    name: str
    file_ids: list[str] = []
    inner: list[Inner] = []


def test_an_id_in_a_planted_body_is_found() -> None:
    api = FastAPI()

    @api.post("/planted")
    async def planted(body: Body, after: str = "") -> None: ...

    assert ids_elsewhere(api.openapi()) == {
        "POST /planted ?after",
        "POST /planted body file_ids",
        "POST /planted body inner.owner_id",
    }
