"""Routes and intents over HTTP: what the services do is theirs to test; here it is the shapes and who is told what."""

from __future__ import annotations

import httpx
import pytest

from chatapp.domain import Actor
from tests.fixtures.credentials import KeyOf
from tests.fixtures.providers import AddModel


def base(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}"


async def test_a_route_is_put_as_it_always_was_and_with_everything_there_is(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, add_model: AddModel
) -> None:
    headers, route = await key_of(actor), f"{base(actor)}/route"
    small, large = await add_model("small"), await add_model("large")
    first = {"rules": [{"when": {"has_code": True}, "model": large}], "default": small, "fallbacks": [large]}
    answer = (await client.put(route, json=first, headers=headers)).json()
    assert {name: answer[name] for name in first} == first
    assert (answer["version"], answer["ladder"], answer["escalate_on"], answer["when_too_long"]) == (1, [], [], "fit")
    whole = {
        **first,
        "rules": [{"when": {"language": ["de"], "best_score": {"below": 0.3}, "words": ["lawsuit"]}, "model": large}],
        "ladder": [small, large],
        "escalate_on": ["low_support"],
        "when_too_long": "refuse",
    }
    answer = (await client.put(route, json={**whole, "reason": "Costs"}, headers=headers)).json()
    assert {name: answer[name] for name in whole} == whole
    assert (await client.get(route, headers=headers)).json() == answer


async def test_a_route_is_tried_over_http(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, add_model: AddModel
) -> None:
    headers, usual = await key_of(actor), await add_model("usual?tokens=2", default=True)
    asked = {"messages": [{"role": "user", "content": "Hello?"}], "collections": []}
    assert (await client.post("/v1/chat/completions", json=asked, headers=headers)).status_code == 200
    body = {"route": {"default": usual}, "last": 10}
    trial = (await client.post(f"{base(actor)}/route/dry-run", json=body, headers=headers)).json()
    assert trial["models"] == [{"model": usual, "then": 1, "now": 1}]
    (tried,) = trial["tried"]
    assert (tried["question"], tried["reason"], tried["unknown"]) == ("Hello?", "auto: the default model", [])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "default"),
        ({"default": "nobody"}, "default"),
        ({"default": "usual", "rules": [{"when": {}, "model": "usual"}]}, "rules.0.when"),
        ({"default": "usual", "rules": [{"when": {"mood": "bad"}, "model": "usual"}]}, "rules.0.when.mood"),
        ({"default": "usual", "escalate_on": ["boredom"]}, "escalate_on.0"),
        ({"default": "usual", "when_too_long": "cry"}, "when_too_long"),
    ],
)
async def test_a_route_that_is_wrong_is_told_its_place(
    client: httpx.AsyncClient,
    key_of: KeyOf,
    actor: Actor,
    add_model: AddModel,
    body: dict[str, object],
    param: str,
) -> None:
    await add_model("usual")
    answer = await client.put(f"{base(actor)}/route", json=body, headers=await key_of(actor))
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["param"] == param


async def test_examples_of_intents_live_over_http(client: httpx.AsyncClient, key_of: KeyOf, actor: Actor) -> None:
    headers, intents = await key_of(actor), f"{base(actor)}/intents"
    examples = [{"intent": "refunds", "text": "How do I get my money back?"}]
    added = await client.post(intents, json={"examples": examples}, headers=headers)
    assert added.json() == {"added": 1, "known": 0}
    (listed,) = (await client.get(intents, params={"q": "money"}, headers=headers)).json()["data"]
    assert (listed["intent"], "vector" in listed) == ("refunds", False)
    tried = (await client.post(f"{intents}/try", json={"text": "my money back please"}, headers=headers)).json()
    assert (tried["intent"], tried["scores"][0]["intent"]) == ("refunds", "refunds")
    one = f"{intents}/{listed['id']}"
    assert (await client.patch(one, json={"intent": "returns"}, headers=headers)).json()["intent"] == "returns"
    csv = await client.get(f"{intents}.csv", headers=headers)
    assert csv.text.splitlines()[0] == "id,intent,text,created_at"
    assert (await client.delete(one, headers=headers)).json()["deleted"] is True
    assert (await client.get(one, headers=headers)).status_code == 404
