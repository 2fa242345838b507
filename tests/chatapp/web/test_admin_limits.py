from __future__ import annotations

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.settings import get_settings
from tests.fixtures.credentials import KeyOf

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_limits_are_read_and_set(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, key_of: KeyOf
) -> None:
    mine, theirs = await key_of(actor, scopes=["admin"]), await key_of(other_actor, scopes=["admin"])
    address = f"/v1/admin/tenants/{actor.tenant_id}/limits"
    usual = get_settings().tenant_concurrent_turns
    assert (await client.get(address, headers=mine)).json() == {
        "concurrent_turns": None,
        "concurrent_turns_in_force": usual,
        "updated_at": None,
    }
    put = await client.put(address, headers=mine, json={"concurrent_turns": 3})
    assert (put.status_code, put.json()["concurrent_turns_in_force"]) == (200, 3)
    for request in ({"concurrent_turns": 9}, {}):
        assert (await client.put(address, headers=theirs, json=request)).status_code == 404
    assert (await client.get(address, headers=mine)).json()["concurrent_turns"] == 3
    assert (await client.put(address, headers=mine, json={})).json()["concurrent_turns_in_force"] == usual


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many", 10**9], ids=str)
async def test_what_is_no_limit_is_refused_by_name(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, wrong: object
) -> None:
    headers = await key_of(actor, scopes=["admin"])
    address = f"/v1/admin/tenants/{actor.tenant_id}/limits"
    answer = await client.put(address, headers=headers, json={"concurrent_turns": wrong})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "concurrent_turns")
