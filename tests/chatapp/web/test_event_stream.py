from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event
from sqlmodel import col, delete, select, update
from starlette.requests import ClientDisconnect, Request

from chatapp.domain import Actor, Role, TurnStatus, utc_now
from chatapp.routing import retries
from chatapp.services import access_watch, turns
from chatapp.store.database import engine, system_transaction, transaction
from chatapp.store.tables import ApiKeyTable, MembershipTable, SessionTable, TenantTable, TurnTable, UserTable
from chatapp.web.event_stream import EventStreamResponse, while_connected
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

NOBODY = Actor(UUID(int=1), None, frozenset())
QUESTION = {"messages": [{"role": "user", "content": "Tell me."}], "collections": []}


def events_in(text: str) -> list[dict[str, str]]:
    """The events of a stream, comments left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(":", 1) for line in block.split("\n")) for block in blocks]


def scope_of(path: str, headers: dict[str, str], *, has_body: bool) -> dict[str, Any]:
    """A request as ASGI has it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if has_body else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3000),
    }


async def leave_early(app, path: str, headers: dict[str, str], body: bytes, *, after_frames: int) -> list[bytes]:
    """Call an ASGI app as a client that leaves after some frames of the answer."""
    frames: list[bytes] = []
    has_left = asyncio.Event()
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if requests:
            return requests.pop()
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        if message.get("body"):
            frames.append(message["body"])
        if len(frames) >= after_frames:
            has_left.set()

    if not after_frames:
        asyncio.get_running_loop().call_later(0.5, has_left.set)
    await app(scope_of(path, headers, has_body=bool(body)), receive, send)
    return frames


async def ended(actor: Actor, turn_id) -> turns.TurnView:
    async with asyncio.timeout(5):
        while not (view := await turns.get(actor, turn_id)).status.is_final:
            await asyncio.sleep(0.05)
    return view


def call(app, path: str, headers: dict[str, str], body: bytes):
    """A request of a client that never leaves: what to await, and the frames as they come."""
    frames: list[bytes] = []
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return requests.pop() if requests else await asyncio.Event().wait()

    async def send(message) -> None:
        if message.get("body"):
            frames.append(message["body"])

    return app(scope_of(path, headers, has_body=bool(body)), receive, send), frames


async def read_until_turned_away(
    app, path: str, headers: dict[str, str], body: bytes, ending, provider: Upstream, *, first_frames: int = 3
) -> list[bytes]:
    """Read a stream, end the reader's access in the database alone behind some frames, and read to the end."""
    reading, frames = call(app, path, headers, body)
    task = asyncio.create_task(reading)
    # The end must come out of the middle.
    async with asyncio.timeout(20):
        while not provider.calls or len(frames) < first_frames:
            await asyncio.sleep(0.02)
    assert not task.done()
    async with system_transaction() as tx:
        await tx.session.execute(ending)
    began = time.monotonic()
    async with asyncio.timeout(20):
        await task
    assert time.monotonic() - began < 5
    return frames


@pytest.fixture
def app(parts: None):
    from chatapp.web.app import create_api, edge

    return edge(create_api())


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_client_that_leaves_stops_its_answer(
    app, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, is_stream: bool
) -> None:
    model = await add_model("scripted?tokens=400&gap_ms=25")
    headers = await key_of(actor) | {"Content-Type": "application/json"}
    body = json.dumps(QUESTION | {"model": model, "stream": is_stream}).encode()

    began = time.monotonic()
    frames = await leave_early(app, "/v1/chat/completions", headers, body, after_frames=3 if is_stream else 0)

    assert time.monotonic() - began < 5
    if is_stream:
        turn_id = UUID(json.loads(frames[0].removeprefix(b"data: "))["id"])
        view = await ended(actor, turn_id)
        assert view.status == TurnStatus.STOPPED
        assert 0 < len(view.answer.split()) < 400


async def test_a_client_with_an_idempotency_key_may_come_back(
    app, client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=40&gap_ms=10")
    headers = await key_of(actor) | {"Content-Type": "application/json", "Idempotency-Key": "again"}
    request = QUESTION | {"model": model}

    await leave_early(
        app, "/v1/chat/completions", headers, json.dumps(request | {"stream": True}).encode(), after_frames=2
    )
    answer = await client.post("/v1/chat/completions", json=request, headers=headers)

    assert answer.json()["choices"][0]["message"]["content"].split()[-1] == "word40"


async def test_leaving_the_events_of_a_turn_ends_the_reading_only(
    app, actor: Actor, sign_in_as: SignInAs, add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=40&gap_ms=15")
    turn = await turns.start(actor, question="Tell me.", model=model, collection_ids=[])

    await leave_early(app, f"/v1/turns/{turn.id}/events", await sign_in_as(actor), b"", after_frames=3)

    view = await ended(actor, turn.id)
    assert (view.status, len(view.answer.split())) == (TurnStatus.COMPLETED, 40)


async def test_a_turns_events_are_neither_kept_nor_gathered(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, add_model: AddModel
) -> None:
    turn = await turns.start(actor, question="Tell me.", model=await add_model("scripted?tokens=9"), collection_ids=[])

    answer = await client.get(f"/v1/turns/{turn.id}/events", headers=await sign_in_as(actor))

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers
    assert "content-encoding" not in answer.headers
    events = events_in(answer.text)
    assert "".join(json.loads(event["data"]) for event in events if "event" not in event).split()[-1] == "word9"
    assert events[-1]["event"] == "done"


async def test_a_reader_goes_on_behind_the_last_event_it_has(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=60&gap_ms=5")
    turn = await turns.start(actor, question="Tell me.", model=model, collection_ids=[])
    headers = await sign_in_as(actor)
    whole = events_in((await client.get(f"/v1/turns/{turn.id}/events", headers=headers)).text)
    identified = [event for event in whole if "id" in event]

    for place in range(len(identified) - 1):
        headers["Last-Event-ID"] = identified[place]["id"]
        rest = events_in((await client.get(f"/v1/turns/{turn.id}/events", headers=headers)).text)
        assert rest == identified[place + 1 :]


async def test_an_answer_that_fails_at_once_has_its_own_status(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)
    model = await add_model("scripted", url="http://127.0.0.1:9/v1")
    headers = await key_of(actor)

    for is_stream in (False, True):
        answer = await client.post(
            "/v1/chat/completions", json=QUESTION | {"model": model, "stream": is_stream}, headers=headers
        )
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "provider_unavailable"
        assert answer.headers["retry-after"]


async def test_frames_are_sent_one_by_one() -> None:
    sent: list[bytes] = []

    async def frames():
        for number in range(3):
            assert len(sent) == number
            yield str(number).encode()

    async def receive():
        await asyncio.Event().wait()

    async def send(message) -> None:
        if message.get("body"):
            sent.append(message["body"])

    await EventStreamResponse(frames(), actor=NOBODY)({}, receive, send)

    assert sent == [b"0", b"1", b"2"]


async def test_a_server_that_cannot_send_counts_as_a_reader_who_left() -> None:
    gone: list[bool] = []

    async def frames():
        yield b"0"

    async def receive():
        await asyncio.Event().wait()

    async def send(_: object) -> None:
        raise OSError("broken pipe")

    async def note() -> None:
        gone.append(True)

    await EventStreamResponse(frames(), actor=NOBODY, when_gone=note)({}, receive, send)

    assert gone == [True]


async def test_work_ends_when_nobody_waits_for_it() -> None:
    async def receive():
        return {"type": "http.disconnect"}

    async def endless() -> None:
        await asyncio.Event().wait()

    request = Request({"type": "http", "headers": []}, receive)

    with pytest.raises(ClientDisconnect):
        await while_connected(request, NOBODY, endless(), when_gone=None)


ENDINGS = {
    "revoked": update(SessionTable).values(revoked_at=utc_now()),
    "key revoked": update(ApiKeyTable).values(revoked_at=utc_now()),
    "person disabled": update(UserTable).values(is_disabled=True),
    "place disabled": update(MembershipTable).values(is_disabled=True),
    "place lost": delete(MembershipTable),
    "role lost": update(MembershipTable).values(roles=[Role.AUDITOR.value]),
    "tenant suspended": update(TenantTable).values(is_suspended=True),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_stream_ends_with_the_access_of_its_reader(
    app,
    actor: Actor,
    sign_in_as: SignInAs,
    key_of: KeyOf,
    add_model: AddModel,
    provider: Upstream,
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access_watch, "_ROUND_SECONDS", 0.1)  # below its length is in earnest
    headers = await (key_of if ending == "key revoked" else sign_in_as)(actor)
    turn = await turns.start(
        actor, question="Tell me.", model=await add_model("scripted?tokens=4000&gap_ms=25"), collection_ids=[]
    )

    frames = await read_until_turned_away(app, f"/v1/turns/{turn.id}/events", headers, b"", ENDINGS[ending], provider)

    assert len(frames) > 2
    assert not any(b"event:done" in frame for frame in frames)
    assert not (await turns.get(actor, turn.id)).status.is_final
    await turns.cancel(actor, turn.id)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_completion_stops_with_the_access_of_its_reader(
    app, actor: Actor, key_of: KeyOf, add_model: AddModel, provider: Upstream, is_stream: bool
) -> None:
    model = await add_model("scripted?tokens=4000&gap_ms=25")
    headers = await key_of(actor) | {"Content-Type": "application/json"}
    body = json.dumps(QUESTION | {"model": model, "stream": is_stream}).encode()

    frames = await read_until_turned_away(
        *(app, "/v1/chat/completions", headers, body, ENDINGS["key revoked"], provider), first_frames=3 * is_stream
    )

    assert json.loads(frames[-1].removeprefix(b"data: "))["error"]["code"] == "not_signed_in"
    async with transaction(actor, readonly=True) as tx:
        turn_id = (await tx.session.execute(select(TurnTable.id))).scalar_one()
    assert (await ended(actor, turn_id)).status == TurnStatus.STOPPED


async def test_other_readers_go_on(
    app, actor: Actor, other_actor: Actor, sign_in_as: SignInAs, add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=80&gap_ms=25")
    readings = []
    for person in (actor, other_actor):
        turn = await turns.start(person, question="Tell me.", model=model, collection_ids=[])
        headers = await sign_in_as(person)
        readings.append(call(app, f"/v1/turns/{turn.id}/events", headers, b""))
    lost = update(SessionTable).where(col(SessionTable.user_id) == actor.user_id).values(revoked_at=utc_now())
    tasks = [asyncio.create_task(reading[0]) for reading in readings]
    await asyncio.sleep(0.2)
    async with system_transaction() as tx:
        await tx.session.execute(lost)

    async with asyncio.timeout(20):
        await asyncio.gather(*tasks)

    assert [b"event:done" in b"".join(frames) for _, frames in readings] == [False, True]


async def test_a_round_looks_once_for_all_readers(actor: Actor, sign_in_as: SignInAs) -> None:
    await sign_in_as(actor)
    async with system_transaction(readonly=True) as tx:
        session_id = (await tx.session.execute(select(SessionTable.id))).scalar_one()
    begun: list[str] = []
    event.listen(engine().sync_engine, "begin", lambda _: begun.append("begun"))
    reader = replace(actor, session_id=session_id)
    waits = [asyncio.create_task(access_watch.ended(reader)) for _ in range(200)]
    await asyncio.sleep(2.5)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)

    assert 1 <= len(begun) <= 4
    assert not any(wait.done() and not wait.cancelled() for wait in waits)
