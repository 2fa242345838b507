"""Groups over HTTP: what the services do is theirs to test; here it is who may call, and the shapes."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor, Role
from chatapp.services import groups
from tests.fixtures.credentials import KeyOf
from tests.fixtures.people import MakeActor


def base(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}/groups"


async def test_a_group_lives_over_http(client: httpx.AsyncClient, key_of: KeyOf, actor: Actor) -> None:
    headers = await key_of(actor)
    made = await client.post(base(actor), json={"name": "Finance", "user_ids": [str(actor.user_id)]}, headers=headers)
    assert made.status_code == 200, made.text
    group = f"{base(actor)}/{made.json()['id']}"
    assert (await client.patch(group, json={"name": "Money"}, headers=headers)).json()["name"] == "Money"
    assert (await client.get(group, headers=headers)).json()["members"] == 1
    listed = (await client.get(base(actor), params={"q": "mon"}, headers=headers)).json()
    assert (listed["object"], listed["total"], listed["data"][0]["name"]) == ("list", 1, "Money")
    member = (await client.get(f"{group}/members", headers=headers)).json()["data"][0]
    assert (member["email"], member["status"], member["is_managed"]) == (actor.email, "active", False)
    removed = await client.delete(f"{group}/members/{actor.user_id}", headers=headers)
    assert removed.json() == {"changed": 1, "members": 0}
    body = {"user_ids": [str(actor.user_id)]}
    assert (await client.post(f"{group}/members", json=body, headers=headers)).json()["changed"] == 1
    assert (await client.post(f"{group}/members/remove", json=body, headers=headers)).json()["changed"] == 1
    csv = await client.get(f"{base(actor)}.csv", headers=headers)
    assert csv.text.splitlines()[0] == "id,name,description,members,collections,created_at"
    assert (await client.get(f"{group}/members.csv", headers=headers)).status_code == 200
    assert (await client.delete(group, headers=headers)).json()["deleted"] is True
    assert (await client.get(group, headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 200}, "name"),
        ({"name": "A", "more": 1}, "more"),
        ({"name": "A", "user_ids": ["x"]}, "user_ids.0"),
        ({"name": "A", "user_ids": [str(uuid4())]}, "user_ids"),
        ({"name": "A", "description": "x" * 600}, "description"),
    ],
)
async def test_a_body_that_is_wrong_is_told_its_field_and_changes_nothing(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, body: dict[str, object], param: str
) -> None:
    headers = await key_of(actor)
    answer = await client.post(base(actor), json=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["param"] == param
    assert (await client.get(base(actor), headers=headers)).json()["data"] == []


async def test_a_platform_admin_keeps_groups_of_any_tenant_and_an_admin_only_their_own(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    platform = await key_of(await make_actor(is_platform_admin=True))
    made = await client.post(base(actor), json={"name": "Finance"}, headers=platform)
    assert made.status_code == 200, made.text
    assert [view.name for view in (await groups.list_groups(actor, {})).items] == ["Finance"]
    for headers in (await key_of(other_actor),):
        assert (await client.get(base(actor), headers=headers)).status_code == 404
        assert (await client.post(base(actor), json={"name": "Mine"}, headers=headers)).status_code == 404
        assert (await client.delete(f"{base(actor)}/{made.json()['id']}", headers=headers)).status_code == 404
        # The group's id under the own tenant leads nowhere either.
        assert (await client.get(f"{base(other_actor)}/{made.json()['id']}", headers=headers)).status_code == 404


async def test_an_auditor_reads_and_a_member_does_not(
    client: httpx.AsyncClient, key_of: KeyOf, actor: Actor, make_actor: MakeActor
) -> None:
    auditor = await key_of(await make_actor(tenant=actor.tenant_id, roles=[Role.AUDITOR]))
    member = await key_of(await make_actor(tenant=actor.tenant_id, roles=[Role.MEMBER]))
    assert (await client.get(base(actor), headers=auditor)).status_code == 200
    assert (await client.post(base(actor), json={"name": "A"}, headers=auditor)).status_code == 403
    assert (await client.get(base(actor), headers=member)).status_code == 403
    assert (await client.get(base(actor))).status_code == 401
