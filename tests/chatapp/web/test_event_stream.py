from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from chatapp.domain import Actor, TurnStatus
from chatapp.services import turns
from chatapp.web.event_stream import EventStreamResponse, while_connected
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

QUESTION = {"messages": [{"role": "user", "content": "Tell me."}], "collections": []}


def events_in(text: str) -> list[dict[str, str]]:
    """The events of a stream, comments left out."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(":", 1) for line in block.split("\n")) for block in blocks]


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
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if body else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3000),
    }
    await app(scope, receive, send)
    return frames


async def ended(actor: Actor, turn_id) -> turns.TurnView:
    async with asyncio.timeout(5):
        while not (view := await turns.get(actor, turn_id)).status.is_final:
            await asyncio.sleep(0.05)
    return view


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
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, add_model: AddModel
) -> None:
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

    await EventStreamResponse(frames())({}, receive, send)

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

    await EventStreamResponse(frames(), when_gone=note)({}, receive, send)

    assert gone == [True]


async def test_work_ends_when_nobody_waits_for_it() -> None:
    async def receive():
        return {"type": "http.disconnect"}

    async def endless() -> None:
        await asyncio.Event().wait()

    request = Request({"type": "http", "headers": []}, receive)

    with pytest.raises(ClientDisconnect):
        await while_connected(request, endless(), when_gone=None)
