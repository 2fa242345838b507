from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.limits import refusals
from chatapp.limits.fair_queue import Claim, Lane
from chatapp.services import load, turns
from chatapp.store import load_reports
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.providers import AddModel

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Read = Callable[[], Awaitable[dict[str, float]]]


@pytest.fixture
async def read(client: httpx.AsyncClient, actor: Actor, key_of: KeyOf) -> Read:
    headers = await key_of(actor, scopes=["read:metrics"])

    async def series() -> dict[str, float]:
        """The series without the process's name."""
        answer = await client.get("/metrics", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
        assert all('process="' in line for line in lines)
        found = (
            re.sub(r'process="[^"]*",|,?process="[^"]*"', "", line).replace("{}", "").rpartition(" ") for line in lines
        )
        return {name: float(value) for name, _, value in found}

    return series


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


async def test_only_who_may_read_metrics_has_them(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, sign_in_as: SignInAs
) -> None:
    assert (await client.get("/metrics")).status_code == 401
    assert (await client.get("/metrics", headers=await key_of(actor, scopes=["use:chat"]))).status_code == 403
    assert (await client.get("/metrics", headers=await sign_in_as(actor))).status_code == 200


async def test_an_answer_is_counted_with_its_tokens_requests_and_retries(
    actor: Actor, add_model: AddModel, read: Read
) -> None:
    model = await add_model("scripted?tokens=7&fault=unavailable_once")
    before = await read()
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[], feature="api")
    ended = await turns.wait(actor, turn.id)
    after = await read()

    labels = f'model="{model}",outcome="{{}}",provider="scripted: {model}"'
    assert grown(before, after, 'chatapp_turns_total{feature="api",outcome="completed"}') == 1
    assert grown(before, after, f'chatapp_tokens_total{{direction="output",model="{model}"}}') == 7
    assert grown(before, after, f'chatapp_cost_micro_usd_total{{model="{model}"}}') == ended.cost_micro_usd
    for outcome in ("failed", "answered"):
        assert grown(before, after, f"chatapp_provider_attempts_total{{{labels.format(outcome)}}}") == 1
    assert grown(before, after, f"chatapp_provider_retries_total{{{labels.format('answered')}}}") == 1
    assert grown(before, after, "chatapp_first_token_seconds_count") == 1


async def test_queues_and_refusals_are_there(actor: Actor, read: Read) -> None:
    before = await read()
    refusals.note(Claim.of(actor, Lane.BATCH), "queue_too_long")
    after = await read()
    assert grown(before, after, 'chatapp_refusals_total{lane="batch",reason="queue_too_long"}') == 1
    for lane in ("interactive", "batch"):
        assert after[f'chatapp_waiting{{lane="{lane}",queue="turns"}}'] == 0
        assert after[f'chatapp_oldest_wait_seconds{{lane="{lane}",queue="turns"}}'] == 0
    assert after['chatapp_running{queue="turns"}'] == 0
    assert "chatapp_event_loop_lag_seconds" in after


async def test_no_tenant_and_no_person_stands_in_them(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, add_model: AddModel
) -> None:
    turn = await turns.start(actor, question="Secret words", model=await add_model("scripted"), collection_ids=[])
    await turns.wait(actor, turn.id)
    text = (await client.get("/metrics", headers=await key_of(actor, scopes=["read:metrics"]))).text
    for hidden in (str(actor.tenant_id), str(actor.user_id), actor.email, "Secret words"):
        assert hidden not in text


async def test_one_process_tells_what_all_of_them_count(
    redis_url: str, client: httpx.AsyncClient, actor: Actor, key_of: KeyOf
) -> None:
    sample = ["chatapp_turns_total", {"feature": "api", "outcome": "completed"}, 41.0]
    other = {
        "crowds": {str(actor.tenant_id): [2, 3, 4.5]},
        "waiting": {},
        "families": [["chatapp_turns", "Answers that ended.", "counter", [sample]]],
    }
    await load_reports.exchange("elsewhere:1", json.dumps(other))
    await load._tell()

    text = (await client.get("/metrics", headers=await key_of(actor, scopes=["read:metrics"]))).text
    assert 'chatapp_turns_total{feature="api",outcome="completed",process="elsewhere:1"} 41.0' in text
    assert text.count("# TYPE chatapp_turns_total counter") == 1
    assert (await load.crowd_of(actor)).waiting == 3

    await load_reports.forget("elsewhere:1")
    await load._tell()
    assert (await load.crowd_of(actor)).waiting == 0
