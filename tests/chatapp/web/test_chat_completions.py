from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.limits import concurrency
from chatapp.routing.breaker import breaker_of
from chatapp.services import tenant_limits, traces, turns
from chatapp.services.tenant_limits import Limits
from tests.fixtures.credentials import KeyOf
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

CHAT = "/v1/chat/completions"
SCHEMA = {"name": "answer", "strict": True, "schema": {"type": "object", "properties": {"days": {"type": "integer"}}}}


@pytest.fixture
async def headers(parts: None, actor: Actor, key_of: KeyOf) -> dict[str, str]:
    return await key_of(actor)


def body(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello?"}], "collections": [], **fields}


async def test_who_waited_in_vain_is_told_when_to_come_back(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    actor: Actor,
    add_model: AddModel,
    provider: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = await add_model("scripted?tokens=2000&gap_ms=20", max_concurrent=1)
    running = await turns.start(actor, question="Count", model=model, collection_ids=[])
    async for event in turns.events(actor, running.id):
        if event.kind == "delta":
            break
    made = concurrency.concurrency()
    monkeypatch.setattr(made, "bounds", concurrency.Bounds(512, 0.2, 10))
    made.providers[f"scripted: {model}"]._seconds = 0.01
    waiting = asyncio.create_task(client.post(CHAT, json=body(model), headers=headers))
    gate = made.providers[f"scripted: {model}"]
    async with asyncio.timeout(20):
        while not gate.crowd().waiting:
            await asyncio.sleep(0.01)
    gate._seconds = 30.0
    answer = await waiting
    await turns.cancel(actor, running.id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_in_flight")
    assert int(answer.headers["Retry-After"]) >= 30


@pytest.mark.parametrize(("asked", "used"), [("flex", "flex"), ("priority", "default"), ("auto", "default")])
async def test_the_tier_an_answer_was_made_in_is_told_to_who_asked_for_one(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel, asked: str, used: str
) -> None:
    model = await add_model("scripted?tokens=2")
    whole = await client.post(CHAT, json=body(model, service_tier=asked), headers=headers)
    stream = await client.post(CHAT, json=body(model, service_tier=asked, stream=True), headers=headers)
    silent = await client.post(CHAT, json=body(model), headers=headers)
    chunks = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: {")]
    assert whole.json()["service_tier"] == used
    assert {chunk["service_tier"] for chunk in chunks} == {used}
    assert "service_tier" not in silent.json()


async def test_who_is_refused_for_a_limit_is_told_which_and_when_to_come_back(
    client: httpx.AsyncClient, headers: dict[str, str], actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    await tenant_limits.put(actor, Limits(concurrent_turns=3))
    places = concurrency.concurrency().turns
    places._seconds = 1_000.0
    model = await add_model("scripted?tokens=2000&gap_ms=20")
    running = [await turns.start(actor, question=f"Count {n}", model=model, collection_ids=[]) for n in range(3)]
    answer = await client.post(CHAT, json=body(model), headers=headers)
    for turn in running:
        await turns.cancel(actor, turn.id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_in_flight")
    seconds = int(answer.headers["Retry-After"])
    assert seconds > 1
    assert answer.headers["X-RateLimit-Limit-Requests"] == "3"
    assert answer.headers["X-RateLimit-Remaining-Requests"] == "0"
    assert answer.headers["X-RateLimit-Reset-Requests"] == f"{seconds}s"


async def test_the_form_and_effort_asked_for_reach_the_provider(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel, provider: Upstream
) -> None:
    wanted = {
        "response_format": {"type": "json_schema", "json_schema": SCHEMA},
        "reasoning_effort": "low",
        "verbosity": "low",
        "logit_bias": {"50256": -100.0},
    }
    harmless = {"logprobs": False, "top_logprobs": None, "modalities": ["text"], "user": "ada", "store": False}

    model = await add_model('scripted?answer={"days": 3}')
    answer = await client.post(CHAT, json=body(model, **wanted, **harmless), headers=headers)

    assert answer.status_code == 200
    sent = provider.calls[-1].body
    assert {name: sent.get(name) for name in wanted} == wanted
    assert not {*harmless} & {*sent}


@pytest.mark.parametrize(
    "wanted",
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        {"response_format": {"type": "poem"}},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "mp3"}},
        {"web_search_options": {}},
        {"logit_bias": {"1": 1e9}},
    ],
)
async def test_what_the_model_cannot_do_is_refused_and_named(
    client: httpx.AsyncClient, headers: dict[str, str], built_in_model: str, wanted: dict[str, Any]
) -> None:
    answer = await client.post(CHAT, json=body(built_in_model, **wanted), headers=headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid_input")
    assert error["param"].split(".")[0] == next(iter(wanted))


async def test_a_schema_that_is_no_json_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel
) -> None:
    await add_model("scripted")
    text = (
        '{"model": "scripted", "messages": [{"role": "user", "content": "x"}], "collections": [],'
        ' "response_format": {"type": "json_schema", "json_schema": {"a": NaN}}}'
    )

    answer = await client.post(CHAT, content=text, headers=headers | {"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "response_format.json_schema")


FORM = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
WRONG, RIGHT = 'wrong?answer={"days": "three [1]"}', 'right?answer={"days": [1]}'


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_in_another_form_than_asked_for_is_asked_again_with_the_reason_and_then_of_another_model(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    add_model: AddModel,
    provider: Upstream,
    actor: Actor,
    is_stream: bool,
) -> None:
    schema = {"type": "object", "properties": {"days": {"type": "array"}}}
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}
    wrong, right = await add_model(WRONG), await add_model(RIGHT, default=True)
    answer = await client.post(CHAT, json=body(wrong, stream=is_stream, **form), headers=headers)
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    texts = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    said = "".join(texts) if is_stream else answer.json()["choices"][0]["message"]["content"]
    last = chunks[-1] if is_stream else answer.json()
    assert (said, last["model"]) == ('{"days": [1]}', right)
    assert [call.body["model"] for call in provider.calls] == [wrong, wrong, right]
    first, second, third = (call.body["messages"][0]["content"] for call in provider.calls)
    assert "properties/days/type does not hold" in second
    assert "does not hold" not in first + third
    trace = await traces.get(actor, UUID(last["id"]))
    assert [each["error"] for each in trace["attempts"]] == ["invalid_output", "invalid_output", ""]
    # What was thrown away was paid for, too.
    assert last["usage"]["completion_tokens"] > 3 * 2
    assert breaker_of(f"scripted: {wrong}/{wrong}").counts.opened == 0


async def test_where_nobody_answers_in_the_form_asked_for_it_is_said_and_what_was_cut_is_given_as_it_is(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel, other_actor: Actor, key_of: KeyOf
) -> None:
    wrong = await add_model(WRONG)
    for who in (headers, await key_of(other_actor)):
        answer = await client.post(CHAT, json=body(wrong, **FORM), headers=who)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "invalid_output")
    cut = await add_model('cut?answer={"days":&reason=length')
    answer = await client.post(CHAT, json=body(cut, **FORM), headers=headers)
    assert answer.json()["choices"][0]["finish_reason"] == "length"


async def test_a_form_that_is_no_schema_is_refused_and_named(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel, provider: Upstream
) -> None:
    schema = {"name": "answer", "schema": {"$ref": "http://127.0.0.1:9/schema.json"}}
    form = {"response_format": {"type": "json_schema", "json_schema": schema}}
    answer = await client.post(CHAT, json=body(await add_model("scripted"), **form), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "response_format.json_schema.schema"
    assert provider.calls == []
