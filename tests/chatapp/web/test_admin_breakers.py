from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.routing.breaker import BreakerState, breaker_of
from tests.fixtures.credentials import SignInAs
from tests.fixtures.people import MakeActor
from tests.fixtures.providers import AddModel

SCRIPT = "scripted?tokens=3&gap_ms=0"
KEY = f"scripted: {SCRIPT}/{SCRIPT}"


@pytest.fixture
async def headers(make_actor: MakeActor, sign_in_as: SignInAs, add_model: AddModel) -> dict[str, str]:
    await add_model(SCRIPT, default=True)
    return await sign_in_as(await make_actor(is_platform_admin=True))


@pytest.mark.parametrize("safe", ["/", ""])
async def test_a_drill_is_looked_at_begun_and_ended_with_slashes_in_its_name(
    client: httpx.AsyncClient, headers: dict[str, str], safe: str
) -> None:
    address = f"/v1/admin/breakers/{quote(KEY, safe=safe)}/drill"
    preview = await client.get(address, headers=headers)
    assert (preview.status_code, preview.json()["models"]) == (200, [SCRIPT])

    begun = await client.post(address, json={"minutes": 5, "reason": "Practice"}, headers=headers)
    assert (begun.status_code, begun.json()["deployment"]) == (200, KEY)
    assert breaker_of(KEY).state is BreakerState.OPEN
    (listed,) = (await client.get("/v1/admin/breakers?state=drill", headers=headers)).json()["data"]
    assert (listed["id"], listed["drill_until"]) == (KEY, begun.json()["until"])
    assert KEY in (await client.get("/v1/admin/breakers.csv", headers=headers)).text

    assert (await client.delete(address, headers=headers)).status_code == 204
    assert breaker_of(KEY).state is BreakerState.CLOSED
    assert (await client.delete(address, headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": "5"}, "minutes"),
        ({"minutes": 2**70}, "minutes"),
        ({"minutes": 5, "reason": "x" * 301}, "reason"),
        ({"minutes": 5, "until": "2030-01-01"}, "until"),
    ],
)
async def test_what_is_not_valid_is_named_and_nothing_is_held(
    client: httpx.AsyncClient, headers: dict[str, str], body: dict[str, object], param: str
) -> None:
    answer = await client.post(f"/v1/admin/breakers/{quote(KEY)}/drill", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert breaker_of(KEY).state is BreakerState.CLOSED


async def test_a_tenants_admin_sees_them_and_holds_none(
    client: httpx.AsyncClient, headers: dict[str, str], actor: Actor, sign_in_as: SignInAs
) -> None:
    signed_in = await sign_in_as(actor)
    listed = await client.get("/v1/admin/breakers", headers=signed_in)
    assert [each["id"] for each in listed.json()["data"]] == [KEY]
    address = f"/v1/admin/breakers/{quote(KEY)}/drill"
    assert (await client.post(address, json={"minutes": 5}, headers=signed_in)).status_code == 403
    assert (await client.delete(address, headers=signed_in)).status_code == 403
