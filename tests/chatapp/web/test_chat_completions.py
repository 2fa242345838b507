from __future__ import annotations

from typing import Any

import httpx
import pytest

from chatapp.domain import Actor
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

    answer = await client.post(CHAT, json=body(await add_model("scripted"), **wanted, **harmless), headers=headers)

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
