from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlmodel import col, select, update

from chatapp.domain import ROLE_PERMISSIONS, Actor, Permission, Role
from chatapp.services import authentication
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.encryption import decrypt
from chatapp.store.tables import (
    AuditTable,
    GroupTable,
    IdentityProviderTable,
    IdentityTable,
    MembershipTable,
    SessionTable,
    UserTable,
)
from tests.fixtures.credentials import SignInAs
from tests.fixtures.identity_provider import AddProvider
from tests.fixtures.people import MakeActor
from tests.fixtures.servers import free_port
from tests.identity_provider.server import IdentityProvider

SECRET = "client-secret-0123456789"


@pytest.fixture
async def headers(actor: Actor, sign_in_as: SignInAs) -> dict[str, str]:
    """The admin's, who looks after the whole installation too."""
    async with system_transaction() as tx:
        await tx.session.execute(
            update(UserTable).where(col(UserTable.id) == actor.user_id).values(is_platform_admin=True)
        )
    return await sign_in_as(actor)


@pytest.fixture
def base(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}"


@pytest.fixture
def body(identity_provider: IdentityProvider) -> dict[str, Any]:
    """A provider to add."""
    return {
        "name": "Example Login",
        "issuer": identity_provider.issuer,
        "client_id": "chatapp",
        "client_secret": SECRET,
        "email_domains": ["Example.ORG"],
        "default_roles": ["member"],
    }


async def lines(action: str) -> list[AuditTable]:
    async with system_transaction(readonly=True) as tx:
        query = select(AuditTable).where(col(AuditTable.action) == action).order_by(col(AuditTable.sequence))
        return list((await tx.session.execute(query)).scalars())


async def test_a_provider_is_added_changed_and_removed(
    client: httpx.AsyncClient, headers: dict[str, str], base: str, body: dict[str, Any]
) -> None:
    added = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    assert added.status_code == 200, added.text
    one = f"{base}/identity-providers/{added.json()['id']}"
    changed = await client.patch(one, json={"name": "Login", "client_secret": "", "is_enabled": False}, headers=headers)
    listed = await client.get(f"{base}/identity-providers", headers=headers)
    table = await client.get(f"{base}/identity-providers.csv", headers=headers)
    removed = await client.delete(one, headers=headers)

    assert added.json() | {"id": 0, "created_at": 0, "updated_at": 0, "start_path": 0} == {
        "id": 0,
        "name": "Example Login",
        "issuer": body["issuer"],
        "client_id": "chatapp",
        "has_client_secret": True,
        "scopes": ["email", "profile"],
        "email_domains": ["example.org"],
        "groups_claim": "groups",
        "mappings": [],
        "default_roles": ["member"],
        "creates_users": True,
        "is_enabled": True,
        "people": 0,
        "redirect_uri": "http://127.0.0.1:3000/auth/oidc/callback",
        "start_path": 0,
        "created_at": 0,
        "updated_at": 0,
    }
    assert (changed.json()["name"], changed.json()["has_client_secret"]) == ("Login", False)
    assert changed.json()["email_domains"] == ["example.org"]
    assert [each["name"] for each in listed.json()["data"]] == ["Login"]
    assert "Login" in table.text
    assert removed.status_code == 204
    assert (await client.get(one, headers=headers)).status_code == 404
    for answer in (added, changed, listed, table):
        assert SECRET not in answer.text


async def test_the_secret_is_kept_encrypted_and_stands_in_no_log(
    client: httpx.AsyncClient, headers: dict[str, str], base: str, body: dict[str, Any]
) -> None:
    added = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    one = f"{base}/identity-providers/{added.json()['id']}"
    await client.patch(one, json={"client_secret": "another-" + SECRET}, headers=headers)
    await client.patch(one, json={"mappings": [{"group": "a", "roles": ["admin"]}]}, headers=headers)

    async with system_transaction(readonly=True) as tx:
        row = (await tx.session.execute(select(IdentityProviderTable))).scalar_one()
    assert SECRET not in row.encrypted_client_secret
    assert decrypt(get_settings().effective_secret_key, row.encrypted_client_secret) == "another-" + SECRET
    (first,), changes = await lines("identity_provider.added"), await lines("identity_provider.changed")
    assert first.after is not None
    assert (first.after["name"], first.after["has_client_secret"]) == ("Example Login", True)
    assert [line.after for line in changes] == [
        {"has_client_secret": True},
        {"mappings": [{"group": "a", "roles": ["admin"], "groups": []}]},
    ]
    assert changes[1].before == {"mappings": []}
    assert all(SECRET not in f"{line.before}{line.after}{line.details}" for line in (first, *changes))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"client_id": " "}, "client_id"),
        ({"client_secret": "x" * 5_000}, "client_secret"),
        ({"issuer": "login.example.org"}, "issuer"),
        ({"issuer": "http://169.254.169.254"}, "issuer"),
        ({"issuer": "http://127.0.0.1:1?x=1"}, "issuer"),
        ({"issuer": "http://ada@127.0.0.1"}, "issuer"),
        ({"issuer": "file:///etc/passwd"}, "issuer"),
        ({"email_domains": ["example"]}, "email_domains"),
        ({"email_domains": ["a b.org"]}, "email_domains"),
        ({"email_domains": ["*.example.org"]}, "email_domains"),
        ({"email_domains": [f"d{n}.example.org" for n in range(51)]}, "email_domains"),
        ({"email_domains": "example.org"}, "email_domains"),
        ({"scopes": ["a b"]}, "scopes"),
        ({"groups_claim": ""}, "groups_claim"),
        ({"default_roles": ["king"]}, "default_roles"),
        ({"default_roles": ["admin"]}, "default_roles"),
        ({"mappings": [{"group": "", "roles": ["member"]}]}, "mappings.0.group"),
        ({"mappings": [{"group": "a"}]}, "mappings.0"),
        ({"mappings": [{"group": "a", "roles": ["king"]}]}, "mappings.0.roles"),
        ({"mappings": [{"group": "a", "groups": ["x"]}]}, "mappings.0.groups.0"),
        ({"mappings": [{"group": "a", "groups": ["00000000-0000-4000-8000-000000000000"]}]}, "mappings"),
        ({"mappings": [{"group": "a", "roles": ["member"]}] * 2}, "mappings"),
        ({"surprise": 1}, "surprise"),
        ({"name": "\x00"}, None),
    ],
    ids=str,
)
async def test_what_is_not_valid_is_said_at_its_field_and_changes_nothing(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    change: dict[str, Any],
    param: str | None,
) -> None:
    good = await client.post(f"{base}/identity-providers", json=body | {"name": "Good"}, headers=headers)
    one = f"{base}/identity-providers/{good.json()['id']}"
    before = (await client.get(one, headers=headers)).json()

    added = await client.post(f"{base}/identity-providers", json=body | change, headers=headers)
    changed = await client.patch(one, json=change, headers=headers)

    for answer in (added, changed):
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["param"] == param
    assert (await client.get(one, headers=headers)).json() == before
    assert (await client.get(f"{base}/identity-providers", headers=headers)).json()["total"] == 1


async def test_the_secret_is_given_again_with_another_issuer(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    identity_provider: IdentityProvider,
) -> None:
    added = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    one = f"{base}/identity-providers/{added.json()['id']}"
    elsewhere = {"issuer": f"http://127.0.0.1:{free_port()}"}

    without = await client.patch(one, json=elsewhere, headers=headers)
    same = await client.patch(one, json={"issuer": identity_provider.issuer}, headers=headers)
    with_it = await client.patch(one, json=elsewhere | {"client_secret": "new"}, headers=headers)

    assert (without.status_code, without.json()["error"]["param"]) == (422, "client_secret")
    assert (same.status_code, with_it.status_code) == (200, 200)


@pytest.mark.parametrize("missing", ["name", "issuer", "client_id"])
async def test_what_a_provider_needs_has_to_be_there(
    client: httpx.AsyncClient, headers: dict[str, str], base: str, body: dict[str, Any], missing: str
) -> None:
    given = {name: value for name, value in body.items() if name != missing}
    answer = await client.post(f"{base}/identity-providers", json=given, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, missing)


async def test_an_issuer_on_a_private_address_needs_the_operator(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    identity_provider: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHATAPP_ALLOW_PRIVATE_SIGN_IN")
    get_settings.cache_clear()
    for issuer in (identity_provider.issuer, "https://127.0.0.1", "https://localhost", "https://10.0.0.1"):
        answer = await client.post(f"{base}/identity-providers", json=body | {"issuer": issuer}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "issuer")
    assert "CHATAPP_ALLOW_PRIVATE_SIGN_IN" in answer.json()["error"]["message"]
    assert identity_provider.requests == []


async def test_names_and_domains_are_given_once(
    client: httpx.AsyncClient, headers: dict[str, str], base: str, body: dict[str, Any], other_actor: Actor
) -> None:
    elsewhere = f"/v1/admin/tenants/{other_actor.tenant_id}/identity-providers"
    first = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    same_name = await client.post(f"{base}/identity-providers", json=body | {"name": "example login"}, headers=headers)
    same_domain = await client.post(elsewhere, json=body, headers=headers)
    other_domain = await client.post(elsewhere, json=body | {"email_domains": ["other.example"]}, headers=headers)

    assert first.status_code == other_domain.status_code == 200
    assert (same_name.status_code, same_name.json()["error"]["param"]) == (409, "name")
    assert (same_domain.status_code, same_domain.json()["error"]["param"]) == (409, "email_domains")


async def test_only_a_platform_admin_adds_domains(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    make_actor: MakeActor,
    actor: Actor,
    sign_in_as: SignInAs,
) -> None:
    own = await sign_in_as(await make_actor(tenant=actor.tenant_id))
    first = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    one = f"{base}/identity-providers/{first.json()['id']}"

    without = {**body, "name": "Second", "email_domains": []}
    answers = [
        await client.post(f"{base}/identity-providers", json=body | {"name": "Third"}, headers=own),
        await client.patch(one, json={"email_domains": ["example.org", "evil.example"]}, headers=own),
        await client.post(f"{base}/identity-providers", json=without, headers=own),
        await client.patch(one, json={"email_domains": ["example.org"]}, headers=own),
        await client.patch(one, json={"email_domains": []}, headers=own),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 200, 200, 200]


async def test_passwords_are_switched_off_only_where_a_provider_works(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    identity_provider: IdentityProvider,
) -> None:
    off = {"has_password_sign_in": False}
    nobody = await client.put(f"{base}/sign-in", json=off, headers=headers)
    added = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    one = f"{base}/identity-providers/{added.json()['id']}"
    identity_provider.faults = {"metadata": {"issuer": "https://evil.example"}}
    broken = await client.put(f"{base}/sign-in", json=off, headers=headers)
    identity_provider.faults = {}
    done = await client.put(f"{base}/sign-in", json=off, headers=headers)
    disabled = await client.patch(one, json={"is_enabled": False}, headers=headers)
    removed = await client.delete(one, headers=headers)
    on = await client.put(f"{base}/sign-in", json={"has_password_sign_in": True}, headers=headers)
    disabled_now = await client.patch(one, json={"is_enabled": False}, headers=headers)
    not_in_use = await client.put(f"{base}/sign-in", json=off, headers=headers)

    assert [each.status_code for each in (nobody, broken, disabled, removed, not_in_use)] == [409] * 5
    assert "Example Login does not work" in broken.json()["error"]["message"]
    assert done.json() == {"has_password_sign_in": False, "enabled_providers": 1}
    assert on.json()["has_password_sign_in"] is True
    assert disabled_now.status_code == 200
    changes = await lines("tenant.sign_in_changed")
    assert [(line.before, line.after) for line in changes] == [
        ({"has_password_sign_in": True}, {"has_password_sign_in": False}),
        ({"has_password_sign_in": False}, {"has_password_sign_in": True}),
    ]


async def test_a_provider_can_be_tried_out(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    identity_provider: IdentityProvider,
) -> None:
    added = await client.post(f"{base}/identity-providers", json=body, headers=headers)
    one = f"{base}/identity-providers/{added.json()['id']}/test"

    good = await client.post(one, headers=headers)
    identity_provider.faults = {"keys": {"keys": "none"}}
    bad = await client.post(one, headers=headers)

    report = good.json()
    assert (report["issuer"], report["keys"]) == (identity_provider.issuer, 1)
    assert report["algorithms"] == ["RS256"]
    assert any("http://127.0.0.1:3000/auth/oidc/callback" in advice for advice in report["advice"])
    assert (bad.status_code, bad.json()["error"]["param"]) == (422, "issuer")


async def person_of(tenant_id: Any, provider_id: Any, user_id: Any) -> None:
    async with system_transaction() as tx:
        tx.session.add(IdentityTable(tenant_id=tenant_id, provider_id=provider_id, user_id=user_id, subject="s"))
        await tx.session.execute(update(SessionTable).where(col(SessionTable.user_id) == user_id).values(method="oidc"))


@pytest.mark.parametrize("act", ["issuer", "disable", "delete"])
async def test_sign_ins_end_with_their_provider(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    actor: Actor,
    make_actor: MakeActor,
    sign_in_as: SignInAs,
    add_provider: AddProvider,
    act: str,
) -> None:
    provider_id = await add_provider()
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    their = await sign_in_as(member)
    await person_of(actor.tenant_id, provider_id, member.user_id)
    one = f"{base}/identity-providers/{provider_id}"
    renamed = await client.patch(one, json={"name": "Renamed"}, headers=headers)
    assert (renamed.json()["people"], (await client.get("/auth/me", headers=their)).status_code) == (1, 200)

    if act == "issuer":
        answer = await client.patch(
            one, json={"issuer": f"http://127.0.0.1:{free_port()}", "client_secret": ""}, headers=headers
        )
        assert answer.json()["people"] == 0
    elif act == "disable":
        answer = await client.patch(one, json={"is_enabled": False}, headers=headers)
        assert answer.json()["people"] == 1
    else:
        answer = await client.delete(one, headers=headers)
    assert answer.is_success
    authentication.forget_cached_actors()
    assert (await client.get("/auth/me", headers=their)).status_code == 401
    assert (await client.get("/auth/me", headers=headers)).status_code == 200
    async with system_transaction(readonly=True) as tx:
        places = (await tx.session.execute(select(MembershipTable))).scalars().all()
    assert member.user_id in [place.user_id for place in places]


async def test_groups_of_the_tenant_can_be_mapped_to_and_no_others(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    base: str,
    body: dict[str, Any],
    actor: Actor,
    other_actor: Actor,
) -> None:
    ours = GroupTable(tenant_id=actor.tenant_id, name="Sales")
    theirs = GroupTable(tenant_id=other_actor.tenant_id, name="Sales")
    async with system_transaction() as tx:
        tx.session.add_all([ours, theirs])

    def mapped_to(group: GroupTable) -> dict[str, Any]:
        return body | {"mappings": [{"group": "sales", "roles": ["member"], "groups": [str(group.id)]}]}

    foreign = await client.post(f"{base}/identity-providers", json=mapped_to(theirs), headers=headers)
    own = await client.post(f"{base}/identity-providers", json=mapped_to(ours), headers=headers)

    assert (foreign.status_code, foreign.json()["error"]["param"]) == (422, "mappings")
    assert own.json()["mappings"] == [{"group": "sales", "roles": ["member"], "groups": [str(ours.id)]}]


async def test_other_tenants_and_members_neither_see_nor_change_it(
    client: httpx.AsyncClient,
    base: str,
    body: dict[str, Any],
    actor: Actor,
    other_actor: Actor,
    make_actor: MakeActor,
    sign_in_as: SignInAs,
    add_provider: AddProvider,
) -> None:
    one = f"{base}/identity-providers/{await add_provider()}"
    calls = [
        ("GET", f"{base}/sign-in", None),
        ("PUT", f"{base}/sign-in", {"has_password_sign_in": True}),
        ("GET", f"{base}/identity-providers", None),
        ("GET", f"{base}/identity-providers.csv", None),
        ("POST", f"{base}/identity-providers", body),
        ("GET", one, None),
        ("PATCH", one, {"name": "Taken"}),
        ("POST", f"{one}/test", None),
        ("DELETE", one, None),
    ]
    auditor = await make_actor(ROLE_PERMISSIONS[Role.AUDITOR], tenant=actor.tenant_id)
    async with system_transaction() as tx:
        await tx.session.execute(
            update(MembershipTable).where(col(MembershipTable.user_id) == auditor.user_id).values(roles=["auditor"])
        )
    member = await make_actor([Permission.CHAT], tenant=actor.tenant_id)
    expected = {
        "other": [404] * 9,
        "member": [403] * 9,
        "auditor": [200, 403, 200, 200, 403, 200, 403, 403, 403],
        "nobody": [401] * 9,
    }
    people = {"other": other_actor, "member": member, "auditor": auditor}
    for name, statuses in expected.items():
        person = await sign_in_as(people[name]) if name in people else {}
        got = [
            (await client.request(method, url, json=json, headers=person)).status_code for method, url, json in calls
        ]
        assert got == statuses, name


async def test_another_tenants_provider_is_not_found_in_ones_own(
    client: httpx.AsyncClient, headers: dict[str, str], base: str, other_actor: Actor, add_provider: AddProvider
) -> None:
    one = f"{base}/identity-providers/{await add_provider(tenant_id=other_actor.tenant_id)}"
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await client.request(method, one, json=body, headers=headers)).status_code == 404
    assert (await client.post(f"{one}/test", headers=headers)).status_code == 404
