from __future__ import annotations

import csv
import io
from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor, Permission, Role
from chatapp.settings import get_settings
from chatapp.store import audit
from chatapp.store.database import transaction
from chatapp.web.app import create_api, edge
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.people import MakeActor


@pytest.fixture
def address(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}/audit"


async def write(actor: Actor, number: int = 3) -> None:
    for each in range(number):
        async with transaction(actor) as tx:
            await audit.write(
                tx, "thing.renamed", uuid4(), before={"name": each, "kept": 1}, after={"name": "x", "kept": 1}
            )


async def test_the_log_is_listed_a_page_at_a_time(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str
) -> None:
    headers = await key_of(actor)
    await write(actor)

    first = (await client.get(f"{address}?limit=2&action=thing.renamed", headers=headers)).json()
    second = (await client.get(f"{address}?limit=2&after={first['next']}", headers=headers)).json()

    assert [entry["sequence"] for entry in (*first["data"], *second["data"])] == [3, 2, 1]
    assert (first["object"], first["has_more"], first["total"], first["is_total_exact"]) == ("list", True, 3, True)
    assert (second["has_more"], second["next"]) == (False, None)


async def test_a_line_is_given_with_what_it_changed(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, key_of: KeyOf, address: str
) -> None:
    headers = await key_of(actor)
    await write(actor, 1)
    (entry,) = (await client.get(address, headers=headers)).json()["data"]

    answer = (await client.get(f"{address}/{entry['id']}", headers=headers)).json()

    assert answer["entry"] == entry
    assert answer["changes"] == [
        {"field": "name", "before": 0, "after": "x", "is_changed": True},
        {"field": "kept", "before": 1, "after": 1, "is_changed": False},
    ]
    elsewhere = f"/v1/admin/tenants/{other_actor.tenant_id}/audit/{entry['id']}"
    assert (await client.get(elsewhere, headers=await key_of(other_actor))).status_code == 404


async def test_exports_are_files_of_everything_filtered(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str
) -> None:
    headers = await key_of(actor)
    await write(actor)

    as_csv = await client.get(f"{address}.csv?sequence.from=2&limit=1", headers=headers)
    as_json = await client.get(f"{address}.json?sequence.from=2&limit=1", headers=headers)

    assert as_csv.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert [line["sequence"] for line in csv.DictReader(io.StringIO(as_csv.text))] == ["3", "2"]
    assert as_json.headers["content-type"] == "application/json; charset=utf-8"
    assert [entry["sequence"] for entry in as_json.json()] == [3, 2]


async def test_the_chain_is_verified_on_demand(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str
) -> None:
    headers = await key_of(actor)
    await write(actor)

    report = (await client.get(f"{address}/verify", headers=headers)).json()
    again = (await client.get(f"{address}/verify?since={report['end']}", headers=headers)).json()
    wrong = (await client.get(f"{address}/verify?since=3:aa", headers=headers)).json()

    assert (report["is_intact"], report["lines"], report["reason"]) == (True, 3, None)
    assert again["is_intact"]
    assert (wrong["is_intact"], wrong["reason"], wrong["broken_at"]) == (False, "other_history", 3)


@pytest.mark.parametrize(
    ("rest", "param"),
    [
        ("?colour=red", "colour"),
        (".csv?created_at.from=soon", "created_at.from"),
        (".json?order=colour", "order"),
        ("?limit=0", "limit"),
        ("?after=x", "after"),
        ("?user_id=me", "user_id"),
        ("/verify?since=x", "since"),
    ],
)
async def test_a_filter_that_does_not_fit_is_named(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str, rest: str, param: str
) -> None:
    await write(actor, 1)

    answer = await client.get(address + rest, headers=await key_of(actor))

    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_request_changes_the_log(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, address: str, method: str
) -> None:
    headers = await key_of(actor)
    await write(actor, 1)
    (entry,) = (await client.get(address, headers=headers)).json()["data"]

    for path in (address, f"{address}/{entry['id']}", f"{address}/verify"):
        assert (await client.request(method, path, headers=headers)).status_code == 405
    assert (await client.get(address, headers=headers)).json()["data"] == [entry]


@pytest.mark.parametrize(("hops", "expected"), [("0", "127.0.0.1"), ("1", "198.51.100.4")])
async def test_a_change_says_from_where_it_came(
    parts: None,
    actor: Actor,
    key_of: KeyOf,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    hops: str,
    expected: str,
) -> None:
    monkeypatch.setenv("CHATAPP_TRUSTED_PROXY_HOPS", hops)
    get_settings.cache_clear()
    headers = await key_of(actor) | {"X-Forwarded-For": "203.0.113.1, 198.51.100.4"}
    transport = httpx.ASGITransport(app=edge(create_api()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
        made = await client.post("/v1/vector_stores", json={"name": "Reports"}, headers=headers)
        (entry,) = (await client.get(f"{address}?action=collection.created", headers=headers)).json()["data"]

    assert (entry["address"], entry["subject_id"]) == (expected, made.json()["id"])


async def test_an_auditor_reads_and_a_member_does_not(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, key_of: KeyOf, address: str
) -> None:
    await write(actor, 1)
    member = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    auditor = await make_actor(roles=[Role.AUDITOR], tenant=actor.tenant_id)

    for rest in ("", ".csv", ".json", "/verify"):
        assert (await client.get(address + rest, headers=await key_of(auditor))).status_code == 200
        assert (await client.get(address + rest, headers=await key_of(member))).status_code == 403


async def test_signing_out_leaves_a_line(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, key_of: KeyOf, address: str
) -> None:
    cookie = await sign_in_as(actor)
    assert (await client.post("/auth/logout", headers=cookie)).status_code == 200

    (entry,) = (await client.get(address, headers=await key_of(actor))).json()["data"]

    assert (entry["action"], entry["user_id"], entry["address"]) == ("session.ended", str(actor.user_id), "127.0.0.1")
    assert (await client.get("/auth/me", headers=cookie)).status_code == 401
