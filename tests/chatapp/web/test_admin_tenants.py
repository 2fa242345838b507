from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor, Permission
from chatapp.store.database import system_transaction
from chatapp.store.tables import UserTable
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.people import MakeActor

TENANTS = "/v1/admin/tenants"


@pytest.fixture
async def operator(make_actor: MakeActor) -> Actor:
    made = await make_actor(email="operator@example.org")
    async with system_transaction() as tx:
        row = await tx.session.get(UserTable, made.user_id)
        assert row is not None
        row.is_platform_admin = True
    return replace(made, permissions=made.permissions | {Permission.PLATFORM})


async def test_a_tenant_is_made_read_renamed_suspended_resumed_and_deleted(
    client: httpx.AsyncClient, operator: Actor, key_of: KeyOf
) -> None:
    headers = await key_of(operator)
    made = (await client.post(TENANTS, json={"name": "Acme"}, headers=headers)).json()
    address = f"{TENANTS}/{made['id']}"

    assert (await client.get(address, headers=headers)).json() == made
    renamed = await client.patch(address, json={"name": "Acme Ltd"}, headers=headers)
    assert renamed.json()["name"] == "Acme Ltd"
    suspended = await client.patch(address, json={"is_suspended": True, "reason": "unpaid"}, headers=headers)
    assert (suspended.json()["state"], suspended.json()["reason"]) == ("suspended", "unpaid")
    assert (await client.patch(address, json={"is_suspended": False}, headers=headers)).json()["state"] == "active"
    deleted = await client.request("DELETE", address, json={"name": "Acme Ltd"}, headers=headers)
    assert deleted.status_code == 202
    assert deleted.json()["state"] == "being_deleted"
    assert deleted.json()["deletion_progress"] == 0.0


async def test_the_list_has_pages_filters_and_a_file(
    client: httpx.AsyncClient, operator: Actor, actor: Actor, key_of: KeyOf
) -> None:
    headers = await key_of(operator)
    for name in ("=cmd()", "Beta"):
        await client.post(TENANTS, json={"name": name}, headers=headers)

    first = (await client.get(f"{TENANTS}?limit=2&order=created_at", headers=headers)).json()
    assert (first["object"], first["total"], first["has_more"]) == ("list", 4, True)
    rest = (await client.get(f"{TENANTS}?limit=2&order=created_at&after={first['next']}", headers=headers)).json()
    assert [each["name"] for each in rest["data"]] == ["=cmd()", "Beta"]
    lines = list(csv.DictReader(io.StringIO((await client.get(f"{TENANTS}.csv?q=cmd", headers=headers)).text)))
    assert [line["name"] for line in lines] == ["'=cmd()"]
    own = (await client.get(TENANTS, headers=await key_of(actor))).json()
    assert [each["id"] for each in own["data"]] == [str(actor.tenant_id)]
    odd = await client.get(f"{TENANTS}?colour=red", headers=headers)
    assert (odd.status_code, odd.json()["error"]["param"]) == (422, "colour")


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "", {}, "name"),
        ("POST", "", {"name": " "}, "name"),
        ("POST", "", {"name": "x" * 121}, "name"),
        ("POST", "", {"name": "Acme", "id": str(uuid4())}, "id"),
        ("POST", "", {"name": "Acme", "is_suspended": True}, "is_suspended"),
        ("PATCH", "/{id}", {}, "name"),
        ("PATCH", "/{id}", {"name": ""}, "name"),
        ("PATCH", "/{id}", {"is_suspended": True}, "reason"),
        ("PATCH", "/{id}", {"is_suspended": True, "name": "x", "reason": "y"}, "is_suspended"),
        ("PATCH", "/{id}", {"created_at": "2020-01-01T00:00:00Z"}, "created_at"),
        ("DELETE", "/{id}", {}, "name"),
        ("DELETE", "/{id}", {"name": "wrong"}, "name"),
    ],
)
async def test_a_wrong_body_is_told_and_changes_nothing(
    client: httpx.AsyncClient,
    operator: Actor,
    actor: Actor,
    key_of: KeyOf,
    method: str,
    path: str,
    body: dict[str, Any],
    param: str,
) -> None:
    headers = await key_of(operator)
    before = (await client.get(TENANTS, headers=headers)).json()
    address = TENANTS + path.format(id=actor.tenant_id)
    answer = await client.request(method, address, json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    assert (await client.get(TENANTS, headers=headers)).json() == before


async def test_another_tenant_is_not_found_by_its_neighbours(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, key_of: KeyOf
) -> None:
    headers = await key_of(actor)
    for tenant_id in (other_actor.tenant_id, uuid4(), "none"):
        address = f"{TENANTS}/{tenant_id}"
        for method, body in (
            ("GET", None),
            ("PATCH", {"name": "Mine"}),
            ("PATCH", {"is_suspended": True, "reason": "because"}),
            ("DELETE", {"name": "x"}),
        ):
            answer = await client.request(method, address, json=body, headers=headers)
            assert answer.status_code == 404, (method, body)


async def test_only_platform_admins_make_suspend_and_delete(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf
) -> None:
    for headers in (await key_of(actor), await key_of(actor, is_service=True)):
        assert (await client.post(TENANTS, json={"name": "Mine"}, headers=headers)).status_code == 403
        own = f"{TENANTS}/{actor.tenant_id}"
        body = {"is_suspended": True, "reason": "because"}
        assert (await client.patch(own, json=body, headers=headers)).status_code == 403
        assert (await client.request("DELETE", own, json={"name": "x"}, headers=headers)).status_code == 403
    assert (await client.post(TENANTS, json={"name": "Mine"})).status_code == 401


async def test_a_suspended_tenants_people_and_keys_are_turned_away(
    client: httpx.AsyncClient, operator: Actor, actor: Actor, key_of: KeyOf, sign_in_as: SignInAs
) -> None:
    session, key, platform = await sign_in_as(actor), await key_of(actor), await key_of(operator)
    body = {"is_suspended": True, "reason": "unpaid"}
    await client.patch(f"{TENANTS}/{actor.tenant_id}", json=body, headers=platform)

    for headers in (session, key):
        assert (await client.get("/v1/models", headers=headers)).status_code == 401
    assert (await client.get("/v1/models", headers=platform)).status_code == 200
    await client.patch(f"{TENANTS}/{actor.tenant_id}", json={"is_suspended": False}, headers=platform)
    for headers in (session, key):
        assert (await client.get("/v1/models", headers=headers)).status_code == 200
