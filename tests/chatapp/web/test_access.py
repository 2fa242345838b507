"""Every route of the API against everybody who may not use it. A route without a row here fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chatapp.domain import Actor, Permission, TurnStatus, utc_now
from chatapp.services import collections, document_batches, documents
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import SessionTable, TraceTable, TurnTable
from chatapp.web.app import create_api
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.people import MakeActor


@dataclass(frozen=True)
class Row:
    """What a route is tried with."""

    objects: dict[str, str] = field(default_factory=dict)
    """Kind of object by the name of the path's parameter."""
    body: Any = None
    needs: Permission | None = None
    """What a person of the same tenant must have; None: nothing beyond a sign-in."""
    is_public: bool = False
    is_own: bool = False
    """Only the person who made the object has it, whatever others of the tenant may do."""


READ, WRITE, CHAT = Permission.READ_DOCUMENTS, Permission.WRITE_DOCUMENTS, Permission.CHAT
FILE, STORE, TURN = {"file_id": "file"}, {"vector_store_id": "store"}, {"turn_id": "turn"}
BOTH, BATCH = STORE | FILE, STORE | {"batch_id": "batch"}
MANY = {"json": {"file_ids": ["00000000-0000-4000-8000-000000000000"]}}
UPLOAD = {"files": {"file": ("other.txt", b"Some other text.")}}
ASK = {"json": {"messages": [{"role": "user", "content": "Hello?"}], "collections": []}}

ROWS: dict[tuple[str, str], Row] = {
    ("get", "/healthz"): Row(is_public=True),
    ("get", "/readyz"): Row(is_public=True),
    ("post", "/auth/login"): Row(is_public=True),
    ("post", "/auth/link"): Row(is_public=True),
    ("get", "/auth/link"): Row(is_public=True),
    ("post", "/auth/link/about"): Row(is_public=True),
    ("post", "/auth/logout"): Row(is_public=True),
    ("get", "/auth/me"): Row(),
    ("get", "/v1/models"): Row(needs=CHAT),
    ("get", "/v1/models/{name}"): Row(needs=CHAT),
    ("post", "/v1/chat/completions"): Row(body=ASK, needs=CHAT),
    ("get", "/v1/turns/{turn_id}"): Row(TURN, is_own=True),
    ("get", "/v1/turns/{turn_id}/events"): Row(TURN, is_own=True),
    ("post", "/v1/turns/{turn_id}/cancel"): Row(TURN, is_own=True),
    ("post", "/v1/embeddings"): Row(body={"json": {"model": "all-MiniLM-L6-v2", "input": "Hello"}}, needs=CHAT),
    ("get", "/v1/files"): Row(needs=READ),
    ("post", "/v1/files"): Row(body=UPLOAD, needs=WRITE),
    ("get", "/v1/files/{file_id}"): Row(FILE, needs=READ),
    ("put", "/v1/files/{file_id}"): Row(FILE, body=UPLOAD, needs=WRITE),
    ("delete", "/v1/files/{file_id}"): Row(FILE, needs=WRITE),
    ("get", "/v1/files/{file_id}/content"): Row(FILE, needs=READ),
    ("get", "/v1/files/{file_id}/preview"): Row(FILE, needs=READ),
    ("get", "/v1/files/{file_id}/passage"): Row(FILE, body={"params": {"start": 0, "end": 0}}, needs=READ),
    ("get", "/v1/files/{file_id}/chunks"): Row(FILE, needs=READ),
    ("get", "/v1/files/{file_id}/versions"): Row(FILE, needs=READ),
    ("post", "/v1/files/{file_id}/cancel"): Row(FILE, needs=WRITE),
    ("post", "/v1/files/{file_id}/retry"): Row(FILE, needs=WRITE),
    ("get", "/v1/vector_stores"): Row(needs=READ),
    ("post", "/v1/vector_stores"): Row(body={"json": {"name": "New"}}, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}"): Row(STORE, needs=READ),
    ("post", "/v1/vector_stores/{vector_store_id}"): Row(STORE, body={"json": {"name": "Renamed"}}, needs=WRITE),
    ("delete", "/v1/vector_stores/{vector_store_id}"): Row(STORE, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}/files"): Row(STORE, needs=READ),
    ("post", "/v1/vector_stores/{vector_store_id}/files"): Row(STORE, body={"json": {"file_id": "file"}}, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}/files/{file_id}"): Row(BOTH, needs=READ),
    ("delete", "/v1/vector_stores/{vector_store_id}/files/{file_id}"): Row(BOTH, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}/files/{file_id}/content"): Row(BOTH, needs=READ),
    ("post", "/v1/vector_stores/{vector_store_id}/search"): Row(STORE, body={"json": {"query": "text"}}, needs=READ),
    ("post", "/v1/vector_stores/{vector_store_id}/file_batches"): Row(STORE, body=MANY, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}"): Row(BATCH, needs=READ),
    ("post", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"): Row(BATCH, needs=WRITE),
    ("get", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files"): Row(BATCH, needs=READ),
    ("post", "/v1/feedback"): Row(body={"json": {"trace_id": "turn", "rating": "up"}}, is_own=True),
    ("get", "/v1/traces/{trace_id}"): Row({"trace_id": "turn"}),
}


@dataclass(frozen=True)
class Objects:
    """One object of each kind, of one tenant."""

    ids: dict[str, UUID]

    def request(self, key: tuple[str, str], row: Row) -> tuple[str, str, dict[str, Any]]:
        """Method, address and body of a request for these objects."""
        method, path = key
        names = {parameter: str(self.ids[kind]) for parameter, kind in row.objects.items()}
        body = dict(row.body or {})
        if "json" in body:
            ids = {kind: str(value) for kind, value in self.ids.items()}
            body["json"] = {
                name: ids.get(value, value) if isinstance(value, str) and name in {"file_id", "trace_id"} else value
                for name, value in body["json"].items()
            }
        return method, path.format(**names, name="auto"), body


@pytest.fixture
async def objects(parts: None, actor: Actor) -> Objects:
    async def content():
        yield b"Some text of the first tenant."

    store = await collections.create(actor, name="First")
    uploaded = await documents.upload(actor, filename="a.txt", content=content(), collection_id=store.id)
    batch = await document_batches.create(actor, store.id, [uploaded.document.id])
    turn_id = uuid4()
    async with transaction(actor) as tx:
        tx.session.add(
            TurnTable(
                id=turn_id,
                tenant_id=actor.tenant_id,
                user_id=actor.user_id,
                question="What?",
                answer="That.",
                status=TurnStatus.COMPLETED,
            )
        )
        tx.session.add(TraceTable(id=turn_id, tenant_id=actor.tenant_id, user_id=actor.user_id))
    return Objects({"file": uploaded.document.id, "store": store.id, "batch": batch.id, "turn": turn_id})


async def refused(
    client: httpx.AsyncClient, objects: Objects, headers: dict[str, str], rows: dict[tuple[str, str], Row]
) -> dict[str, tuple[int, str]]:
    """Status and code of each route's answer."""
    answers = {}
    for key, row in rows.items():
        method, path, body = objects.request(key, row)
        answer = await client.request(method, path, headers=headers, **body)
        error = (answer.json().get("error") if "json" in answer.headers["content-type"] else None) or {}
        answers[f"{method} {key[1]}"] = (answer.status_code, error.get("code", ""))
    return answers


def test_every_route_has_a_row() -> None:
    paths = create_api().openapi()["paths"]

    assert {(method, path) for path, methods in paths.items() for method in methods} == set(ROWS)


async def test_nobody_gets_anything_without_a_sign_in(client: httpx.AsyncClient, objects: Objects) -> None:
    rows = {key: row for key, row in ROWS.items() if not row.is_public}

    for headers in ({}, {"Authorization": "Bearer sk-chatapp-wrong"}, {"Cookie": "chatapp_session=wrong"}):
        answers = await refused(client, objects, headers, rows)
        assert set(answers.values()) == {(401, "not_signed_in")}, answers


async def test_revoked_and_expired_sessions_get_nothing(
    client: httpx.AsyncClient, objects: Objects, actor: Actor, sign_in_as: SignInAs
) -> None:
    rows = {key: row for key, row in ROWS.items() if not row.is_public}
    for values in ({"revoked_at": utc_now()}, {"revoked_at": None, "expires_at": utc_now()}):
        headers = await sign_in_as(actor)
        async with system_transaction() as tx:
            from sqlmodel import update

            await tx.session.execute(update(SessionTable).values(**values))

        answers = await refused(client, objects, headers, rows)

        assert set(answers.values()) == {(401, "not_signed_in")}, answers


@pytest.mark.parametrize("credential", ["session", "key", "service key"])
async def test_another_tenants_object_is_not_found(
    client: httpx.AsyncClient,
    objects: Objects,
    other_actor: Actor,
    sign_in_as: SignInAs,
    key_of: KeyOf,
    credential: str,
) -> None:
    if credential == "session":
        headers = await sign_in_as(other_actor)
    else:
        headers = await key_of(other_actor, is_service=credential == "service key")
    rows = {key: row for key, row in ROWS.items() if row.objects or row.is_own}

    answers = await refused(client, objects, headers, rows)

    assert set(answers.values()) == {(404, "not_found")}, answers


async def test_lists_hold_nothing_of_another_tenant(
    client: httpx.AsyncClient, objects: Objects, other_actor: Actor, key_of: KeyOf
) -> None:
    headers = await key_of(other_actor)

    for path in ("/v1/files", f"/v1/files?ids={objects.ids['file']}", "/v1/vector_stores"):
        assert (await client.get(path, headers=headers)).json()["data"] == []


async def test_the_same_tenant_without_the_right_is_refused(
    client: httpx.AsyncClient, objects: Objects, make_actor: MakeActor, actor: Actor, key_of: KeyOf
) -> None:
    person = await make_actor((), tenant=actor.tenant_id)
    headers = await key_of(person, scopes=("read:metrics",))
    rows = {key: row for key, row in ROWS.items() if row.needs is not None}

    answers = await refused(client, objects, headers, rows)

    assert set(answers.values()) == {(403, "not_permitted")}, answers


async def test_a_colleagues_own_things_are_not_found(
    client: httpx.AsyncClient, objects: Objects, make_actor: MakeActor, actor: Actor, sign_in_as: SignInAs
) -> None:
    colleague = await make_actor((Permission.CHAT,), tenant=actor.tenant_id)
    headers = await sign_in_as(colleague)
    rows = {key: row for key, row in ROWS.items() if row.is_own or "trace_id" in row.objects}

    answers = await refused(client, objects, headers, rows)

    assert set(answers.values()) == {(404, "not_found")}, answers


async def test_a_cookie_from_a_foreign_page_changes_nothing(
    client: httpx.AsyncClient, objects: Objects, actor: Actor, sign_in_as: SignInAs
) -> None:
    cookie = {"Cookie": (await sign_in_as(actor))["Cookie"]}
    rows = {key: row for key, row in ROWS.items() if key[0] != "get" and not row.is_public}

    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:3001"}):
        answers = await refused(client, objects, cookie | origin, rows)
        assert set(answers.values()) == {(403, "not_permitted")}, answers


async def test_the_owner_gets_everything(
    client: httpx.AsyncClient, objects: Objects, actor: Actor, sign_in_as: SignInAs, built_in_model: str
) -> None:
    headers = await sign_in_as(actor)
    rows = {key: row for key, row in ROWS.items() if not row.is_public and key[0] == "get"}

    answers = await refused(client, objects, headers, rows)

    # The worker that would read the document does not run here: its text is there, its pages are not.
    assert {status for status, _ in answers.values()} <= {200, 409, 422}, answers


async def test_a_metrics_key_does_not_read_the_apis_description(
    client: httpx.AsyncClient, parts: None, actor: Actor, key_of: KeyOf
) -> None:
    refusal = await client.get("/openapi.json", headers=await key_of(actor, scopes=("read:metrics",)))
    answer = await client.get("/openapi.json", headers=await key_of(actor))

    assert (refusal.status_code, answer.status_code) == (403, 200)
    assert (await client.get("/openapi.json")).status_code == 401
