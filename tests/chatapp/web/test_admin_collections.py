"""Grants over HTTP: what the services do is theirs to test; here it is who may call, and the shapes."""

from __future__ import annotations

import csv

import httpx
import pytest

from chatapp.domain import Actor, Role
from chatapp.services import collections
from chatapp.store.grants import Grant
from tests.fixtures.credentials import KeyOf
from tests.fixtures.people import MakeActor


def base(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}/collections"


async def test_grants_are_listed_previewed_set_and_explained(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, make_actor: MakeActor
) -> None:
    colleague = await make_actor(tenant=actor.tenant_id, roles=[Role.MEMBER], email="grace@example.org")
    made = await collections.create(actor, name="Plans")
    headers, place = await key_of(actor), f"{base(actor)}/{made.id}"
    body = {"grants": [{"subject_kind": "user", "subject": str(colleague.user_id)}], "reason": "Only hers"}

    preview = (await client.post(f"{place}/grants/preview", json=body, headers=headers)).json()
    assert (preview["readers"], preview["lost"]) == (1, 1)
    assert "change it" in preview["warning"]
    done = await client.put(f"{place}/grants", json=body, headers=headers)
    assert done.status_code == 200, done.text
    assert done.json()["grants"][0] == {
        "subject_kind": "user",
        "subject": str(colleague.user_id),
        "access": "read",
        "name": "Test Person",
    }
    one = (await client.get(place, headers=headers)).json()
    assert (one["is_restricted"], one["readers"]) == (True, "Test Person")
    listed = (await client.get(base(actor), params={"is_restricted": "true"}, headers=headers)).json()
    assert [each["id"] for each in listed["data"]] == [str(made.id)]
    readers = (await client.get(f"{place}/readers", headers=headers)).json()["data"]
    assert [(each["detail"], each["through"]) for each in readers] == [("grace@example.org", ["a grant of their own"])]
    hers = f"/v1/admin/tenants/{actor.tenant_id}/users/{colleague.user_id}/collections"
    assert [each["name"] for each in (await client.get(hers, headers=headers)).json()["data"]] == ["Plans"]
    (line,) = csv.DictReader((await client.get(f"{base(actor)}.csv", headers=headers)).text.splitlines())
    assert (line["name"], line["readers"], line["writers"]) == ("Plans", "Test Person", "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"grants": "everyone"},
        {"grants": [{"subject_kind": "everybody"}]},
        {"grants": [{"subject_kind": "user", "subject": "me"}]},
        {"grants": [{"subject_kind": "everyone", "access": "own"}]},
        {"grants": [{"subject_kind": "everyone"}, {"subject_kind": "everyone"}]},
        {"grants": [{"subject_kind": "everyone"}], "reason": "x" * 501},
        {"grants": [{"subject_kind": "everyone"}], "more": 1},
    ],
)
async def test_a_body_that_is_wrong_changes_nothing(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, body: dict[str, object]
) -> None:
    made = await collections.create(actor, name="Plans")
    headers = await key_of(actor)
    for method, path in (("PUT", "grants"), ("POST", "grants/preview")):
        answer = await client.request(method, f"{base(actor)}/{made.id}/{path}", json=body, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["error"]["param"]
    assert (await client.get(f"{base(actor)}/{made.id}", headers=headers)).json()["readers"] == "Everyone"


async def test_who_may_call_is_decided_before_anything_is_said(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    made = await collections.create(actor, name="Plans", granted=[Grant("user", str(actor.user_id))])
    platform = await key_of(await make_actor(is_platform_admin=True))
    auditor = await key_of(await make_actor(tenant=actor.tenant_id, roles=[Role.AUDITOR]))
    owner = await key_of(await make_actor(tenant=actor.tenant_id, roles=[Role.CONTENT_OWNER]))
    place, body = f"{base(actor)}/{made.id}", {"grants": [{"subject_kind": "everyone"}]}
    calls = [
        ("GET", base(actor), None),
        ("GET", f"{base(actor)}.csv", None),
        ("GET", place, None),
        ("GET", f"{place}/readers", None),
        ("GET", f"/v1/admin/tenants/{actor.tenant_id}/users/{actor.user_id}/collections", None),
        ("POST", f"{place}/grants/preview", body),
        ("PUT", f"{place}/grants", body),
    ]
    other = await key_of(other_actor)
    for method, path, sent in calls:
        for headers, status in (
            ({}, 401),
            (other, 404),
            (owner, 403),
            (auditor, 403 if sent else 200),
            (platform, 200),
        ):
            answer = await client.request(method, path, json=sent, headers=headers)
            assert answer.status_code == status, (method, path, answer.text)
    # A platform admin who administers the tenant reads nothing that is in it, whatever is granted to everyone.
    assert (await client.get(f"/v1/vector_stores/{made.id}", headers=platform)).status_code == 404
