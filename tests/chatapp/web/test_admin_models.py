from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from chatapp.domain import Actor, utc_now
from tests.fixtures.credentials import SignInAs
from tests.fixtures.people import MakeActor

PRICE = {"input_micro_usd_per_mtok": 300, "output_micro_usd_per_mtok": 600}
Call = Any


@pytest.fixture
async def call(client: httpx.AsyncClient, make_actor: MakeActor, sign_in_as: SignInAs) -> Call:
    """Ask as a platform admin."""
    headers = await sign_in_as(await make_actor(is_platform_admin=True))

    async def ask(method: str, path: str, *, status: int = 200, **request: Any) -> Any:
        answer = await client.request(method, f"/v1/admin{path}", headers=headers, **request)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    return ask


@pytest.fixture
async def model(call: Call) -> dict[str, Any]:
    await call("POST", "/providers", json={"name": "built-in", "kind": "extractive", "max_concurrent": 8})
    return await call("POST", "/models", json={"provider": "built-in", "catalog_name": "gpt-4.1-mini"})


async def test_a_model_is_filled_from_the_catalogue(call: Call, model: dict[str, Any]) -> None:
    (entry,) = (await call("GET", "/catalog?q=gpt-4.1-mini&limit=1"))["data"]
    same = ("name", "input_micro_usd_per_mtok", "max_input_tokens", "capabilities")
    assert {name: model[name] for name in same} == {name: entry[name] for name in same}
    assert (await call("GET", "/providers"))["data"][0]["max_concurrent"] == 8
    assert (await call("GET", "/models/changes"))["data"] == []
    for verb in ("accept", "dismiss"):
        refused = await call("POST", f"/models/{model['id']}/changes/{verb}", status=409)
        assert "catalogue" in refused["error"]["message"]


async def test_prices_are_added_listed_and_taken_back(call: Call, model: dict[str, Any]) -> None:
    path = f"/models/{model['id']}/prices"
    tomorrow = (utc_now() + timedelta(days=1)).isoformat()
    listed = await call("POST", path, json={**PRICE, "valid_from": tomorrow})
    assert [price["state"] for price in listed["data"]] == ["in_force", "ahead"]
    await call("DELETE", f"{path}/{listed['data'][1]['id']}", status=204)
    assert [price["state"] for price in (await call("GET", path))["data"]] == ["in_force"]
    past = await call("POST", path, status=422, json={**PRICE, "valid_from": "2020-01-01T00:00:00Z"})
    assert past["error"]["param"] == "valid_from"
    changed = await call("PATCH", f"/models/{model['id']}", json={"input_micro_usd_per_mtok": 5})
    assert changed["input_micro_usd_per_mtok"] == 5


async def test_deployments_are_added_weighed_and_removed(call: Call, model: dict[str, Any]) -> None:
    path = f"/models/{model['id']}/deployments"
    listed = await call("POST", path, json={"provider": "built-in", "provider_model": "x", "weight": 2})
    assert [each["weight"] for each in listed["data"]] == [1, 2]
    added = listed["data"][1]["id"]
    changed = await call("PATCH", f"{path}/{added}", json={"is_enabled": False})
    assert (changed["data"][1]["weight"], changed["data"][1]["is_enabled"]) == (2, False)
    await call("DELETE", f"{path}/{added}", status=204)
    assert len((await call("GET", path))["data"]) == 1
    balanced = await call("PATCH", f"/models/{model['id']}", json={"balance": "weighted", "weight": 3})
    assert (balanced["balance"], balanced["weight"], balanced["deployments"]) == ("weighted", 3, 1)


async def test_an_admin_of_a_tenant_reads_and_changes_nothing(
    call: Call, model: dict[str, Any], client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    headers = await sign_in_as(actor)
    path = f"/v1/admin/models/{model['id']}"
    for part in ("", "/prices", "/deployments"):
        assert (await client.get(f"{path}{part}", headers=headers)).status_code == 200
    assert (await client.post(f"{path}/prices", headers=headers, json=PRICE)).status_code == 403
    assert (await client.delete(path, headers=headers)).status_code == 403
    csv = (await client.get("/v1/admin/models.csv?q=gpt", headers=headers)).text
    assert "gpt-4.1-mini" in csv
    assert len((await call("GET", f"/models/{model['id']}/prices"))["data"]) == 1


async def test_what_a_cloud_wants_is_taken_and_its_secrets_never_come_back(call: Call) -> None:
    secrets = {"api_key": "sk-sealed", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "sealed-too"}
    plain = {"name": "cloud", "kind": "litellm", "region": "eu-central-1", "api_version": "2024-10-21"}
    made = await call("POST", "/providers", json={**plain, **secrets})
    assert {name: made[name] for name in plain} == plain
    assert (made["has_api_key"], made["has_access_key"]) == (True, True)
    changed = await call("PATCH", f"/providers/{made['id']}", json={"region": "us-east-1"})
    assert (changed["region"], changed["api_version"], changed["has_access_key"]) == ("us-east-1", "2024-10-21", True)
    everything = str([made, changed, await call("GET", "/providers"), await call("GET", f"/providers/{made['id']}")])
    assert not [secret for secret in secrets.values() if secret in everything]
    refused = await call("PATCH", f"/providers/{made['id']}", json={"region": "eu/../.."}, status=422)
    assert refused["error"]["param"] == "region"
