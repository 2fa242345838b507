"""Answers that more than one model wrote, and what was kept of their prompts, as programs read them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.services import traces
from chatapp.store.database import transaction
from chatapp.store.tables import RouteTable
from tests.fixtures.credentials import KeyOf
from tests.fixtures.providers import AddModel

CHAT = "/v1/chat/completions"
WHOLE = "".join(f"word{number} " for number in range(1, 31))
SEAM = len("".join(f"word{number} " for number in range(1, 13)))
BODY: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Count."}], "collections": []}


@pytest.fixture
async def headers(parts: None, actor: Actor, key_of: KeyOf) -> dict[str, str]:
    return await key_of(actor)


@pytest.fixture
async def two(actor: Actor, add_model: AddModel) -> tuple[str, str]:
    """A model that breaks off behind twelve words, and one that goes on."""
    first, second = await add_model("a?tokens=30&fault=close&after=12"), await add_model("b?tokens=30")
    async with transaction(actor) as tx:
        tx.session.add(RouteTable(tenant_id=actor.tenant_id, default_model=first, fallbacks=[second]))
    return first, second


async def test_the_message_says_who_wrote_what_and_the_header_who_ended_it(
    client: httpx.AsyncClient, headers: dict[str, str], actor: Actor, two: tuple[str, str]
) -> None:
    answer = await client.post(CHAT, json=BODY, headers=headers)
    completion = answer.json()
    message = completion["choices"][0]["message"]
    parts = [{"start": 0, "model": two[0]}, {"start": SEAM, "model": two[1]}]

    assert message["content"] == WHOLE
    assert message["parts"] == parts
    assert (completion["model"], answer.headers["X-Model"]) == (two[1], two[1])
    trace = await traces.get(actor, UUID(completion["id"]))
    assert trace["parts"] == parts
    kept = (await client.get(f"/v1/turns/{completion['id']}", headers=headers)).json()
    assert kept["parts"] == parts


async def test_a_stream_names_who_begins_in_its_header_and_says_all_in_its_last_chunk(
    client: httpx.AsyncClient, headers: dict[str, str], two: tuple[str, str]
) -> None:
    async with client.stream("POST", CHAT, json={**BODY, "stream": True}, headers=headers) as answer:
        lines = [line.removeprefix("data: ") async for line in answer.aiter_lines() if line.startswith("data: {")]
    chunks = [json.loads(line) for line in lines]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)

    assert text == WHOLE
    assert answer.headers["X-Model"] == two[0]
    assert [part["model"] for part in chunks[-1]["choices"][0]["delta"]["parts"]] == list(two)
    assert chunks[-1]["model"] == two[1]


async def test_the_events_of_a_turn_say_from_where_on_another_writes(
    client: httpx.AsyncClient, headers: dict[str, str], two: tuple[str, str]
) -> None:
    turn_id = (await client.post(CHAT, json=BODY, headers=headers)).json()["id"]
    events = (await client.get(f"/v1/turns/{turn_id}/events", headers=headers)).text
    data = [json.loads(line.removeprefix("data:")) for line in events.splitlines() if line.startswith("data:")]
    said = [each for each in data if isinstance(each, dict) and each.get("stage") == "continue"]
    (done,) = [each for each in data if isinstance(each, dict) and "finish_reason" in each]

    assert [(each["model"], each["start"]) for each in said] == [(two[1], SEAM)]
    assert [part["model"] for part in done["parts"]] == list(two)


async def test_one_models_answer_has_no_parts_and_says_what_was_kept_of_its_prompt(
    client: httpx.AsyncClient, headers: dict[str, str], actor: Actor, add_model: AddModel
) -> None:
    prices = {"input_micro_usd_per_mtok": 1_000_000, "cached_input_micro_usd_per_mtok": 100_000}
    model = await add_model("scripted?tokens=3&cached=10", **prices, output_micro_usd_per_mtok=0)
    completion = (await client.post(CHAT, json={**BODY, "model": model}, headers=headers)).json()
    usage = completion["usage"]

    assert completion["choices"][0]["message"]["parts"] == []
    assert usage["prompt_tokens_details"] == {"cached_tokens": 10}
    assert completion["cost_micro_usd"] == usage["prompt_tokens"] - 10 + 1
    assert (await traces.get(actor, UUID(completion["id"])))["cached_input_tokens"] == 10


async def test_a_prompt_that_is_too_long_is_answered_as_openai_does(
    client: httpx.AsyncClient, headers: dict[str, str], add_model: AddModel
) -> None:
    model = await add_model("scripted?tokens=3", max_input_tokens=600, max_output_tokens=100)
    messages = [{"role": "user", "content": "word " * 2_000}]
    answer = await client.post(CHAT, json={**BODY, "model": model, "messages": messages}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
