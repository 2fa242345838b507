from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor, Permission
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.people import MakeActor


@pytest.fixture
def address(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}/keys"


def bearer(made: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


async def test_a_key_is_made_used_rotated_and_revoked(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, address: str
) -> None:
    headers = await sign_in_as(actor)
    body = {"name": "script", "scopes": ["use:chat"], "user_id": str(actor.user_id)}
    answer = await client.post(address, json=body, headers=headers)
    made = answer.json()
    assert answer.headers["cache-control"].find("no-store") >= 0
    assert (await client.get("/v1/models", headers=bearer(made))).status_code == 200

    listed = (await client.get(address, headers=headers)).json()["data"]
    assert [(each["id"], each["owner"], each["state"]) for each in listed] == [(made["id"], actor.email, "active")]
    assert listed[0]["last_used_at"] is not None
    assert all("key" not in each and made["key"] not in str(each) for each in listed)

    second = (await client.post(f"{address}/{made['id']}/rotate", json={"grace_hours": 2}, headers=headers)).json()
    third = (await client.post(f"{address}/{made['id']}/rotate", headers=headers)).json()
    statuses = [(await client.get("/v1/models", headers=bearer(each))).status_code for each in (made, second, third)]
    assert statuses == [401, 401, 200]

    revoked = await client.delete(f"{address}/{made['id']}", headers=headers)
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert (await client.get("/v1/models", headers=bearer(third))).status_code == 401
    assert (await client.delete(f"{address}/{made['id']}", headers=headers)).status_code == 404


async def test_name_and_end_change_and_the_file_has_them(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str
) -> None:
    headers = await key_of(actor)
    body = {"name": "script", "scopes": ["read:metrics"], "expires_at": "2031-01-31T00:00:00Z"}
    made = (await client.post(address, json=body, headers=headers)).json()
    assert made["expires_at"] == "2031-01-31T00:00:00Z"

    changed = (await client.patch(f"{address}/{made['id']}", json={"expires_at": None}, headers=headers)).json()
    assert (changed["expires_at"], changed["name"]) == (None, "script")
    renamed = (await client.patch(f"{address}/{made['id']}", json={"name": "Night"}, headers=headers)).json()
    assert renamed["name"] == "Night"
    assert (await client.get(f"{address}/{made['id']}", headers=headers)).json() == renamed
    text = (await client.get(f"{address}.csv?name=Night", headers=headers)).text
    assert [(line["name"], line["scopes"]) for line in csv.DictReader(io.StringIO(text))] == [("Night", "read:metrics")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": "", "scopes": ["use:chat"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["use:everything"]}, "scopes"),
        ({"name": "x", "scopes": "use:chat"}, "scopes"),
        ({"name": "x", "scopes": ["use:chat"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scopes": ["use:chat"], "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "scopes": ["use:chat"], "user_id": "me"}, "user_id"),
        ({"name": "x", "scopes": ["use:chat"], "key": "sk-chatapp-mine"}, "key"),
        ({"name": "x", "scopes": ["use:chat"], "tenant_id": str(uuid4())}, "tenant_id"),
    ],
)
async def test_a_wrong_body_is_told_and_makes_nothing(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, address: str, body: dict[str, Any], param: str
) -> None:
    headers = await sign_in_as(actor)
    answer = await client.post(address, json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert (await client.get(address, headers=headers)).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"scopes": ["admin"]}, "scopes"),
        ("", {"name": ""}, "name"),
        ("/rotate", {"grace_hours": 200}, "grace_hours"),
    ],
)
async def test_a_wrong_change_is_told_and_changes_nothing(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, address: str, path: str, body: Any, param: str
) -> None:
    headers = await sign_in_as(actor)
    made = (await client.post(address, json={"name": "script", "scopes": ["use:chat"]}, headers=headers)).json()
    before = (await client.get(address, headers=headers)).json()
    method = "POST" if path else "PATCH"
    answer = await client.request(method, f"{address}/{made['id']}{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert (await client.get(address, headers=headers)).json() == before


async def test_another_tenants_keys_and_people_are_not_found(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, sign_in_as: SignInAs, key_of: KeyOf, address: str
) -> None:
    made = (
        await client.post(address, json={"name": "script", "scopes": ["admin"]}, headers=await sign_in_as(actor))
    ).json()
    other = await key_of(other_actor)
    there = f"/v1/admin/tenants/{other_actor.tenant_id}/keys"
    for base in (address, there):
        for method, path, body in (
            ("GET", f"/{made['id']}", None),
            ("PATCH", f"/{made['id']}", {"name": "mine"}),
            ("POST", f"/{made['id']}/rotate", {}),
            ("DELETE", f"/{made['id']}", None),
        ):
            assert (await client.request(method, base + path, json=body, headers=other)).status_code == 404
    for path in ("", ".csv"):
        assert (await client.get(address + path, headers=other)).status_code == 404
    body = {"name": "x", "scopes": ["use:chat"], "user_id": str(actor.user_id)}
    answer = await client.post(there, json=body, headers=other)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "user_id")
    assert (await client.get("/v1/models", headers=bearer(made))).status_code == 200


async def test_a_member_has_no_business_here_and_a_key_gives_what_its_scopes_say(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, address: str
) -> None:
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    headers = await sign_in_as(actor)
    limited = (await client.post(address, json={"name": "x", "scopes": ["use:chat"]}, headers=headers)).json()
    for who in (await sign_in_as(member), bearer(limited)):
        assert (await client.get(address, headers=who)).status_code == 403
        body = {"name": "mine", "scopes": ["admin"]}
        assert (await client.post(address, json=body, headers=who)).status_code == 403
    assert (await client.get(address)).status_code == 401
