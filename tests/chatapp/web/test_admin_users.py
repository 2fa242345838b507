from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from chatapp.domain import Actor, Permission
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable, UserTable
from tests.fixtures.credentials import ORIGIN, KeyOf, SignInAs
from tests.fixtures.people import MakeActor
from tests.fixtures.sign_in import PASSWORD, token_of

OURS = {"Origin": ORIGIN}


def users_of(actor: Actor) -> str:
    return f"/v1/admin/tenants/{actor.tenant_id}/users"


async def test_a_script_makes_a_user_who_signs_in(client: httpx.AsyncClient, actor: Actor, key_of: KeyOf) -> None:
    body = {"email": "Grace@Example.org", "password": PASSWORD, "roles": ["member", "content_owner"], "name": "Grace"}

    made = await client.post(users_of(actor), json=body, headers=await key_of(actor))
    login = await client.post("/auth/login", json={"email": "grace@example.org", "password": PASSWORD})

    assert made.status_code == 200
    assert made.json() | {"id": ""} == {
        "id": "",
        "email": "grace@example.org",
        "roles": ["member", "content_owner"],
        "status": "active",
    }
    assert (login.status_code, login.json()["user_id"]) == (200, made.json()["id"])


async def test_an_invitation_goes_from_link_to_sign_in(client: httpx.AsyncClient, actor: Actor, key_of: KeyOf) -> None:
    headers = await key_of(actor)
    made = await client.post(users_of(actor), json={"email": "a@example.org", "roles": ["member"]}, headers=headers)
    link = (await client.post(f"{users_of(actor)}/{made.json()['id']}/invite", headers=headers)).json()["link"]
    token = token_of(link)

    first = await client.get(made.json()["invite_link"])
    opened = await client.get(link)
    about = await client.post("/auth/link/about", json={"token": token})
    joined = await client.post("/auth/link", json={"token": token, "password": PASSWORD}, headers=OURS)
    me = await client.get("/auth/me")

    assert made.json()["status"] == "invited"
    assert first.headers["location"] == "/sign-in?error=link"
    assert opened.headers["location"] == f"/sign-in?link=invite#token={token}"
    assert (about.json()["kind"], about.json()["email"]) == ("invite", "a@example.org")
    assert joined.status_code == 200
    assert [tenant["id"] for tenant in me.json()["tenants"]] == [str(actor.tenant_id)]


async def test_somebody_with_an_account_joins_by_signing_in_with_the_link(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, key_of: KeyOf, set_password: Any
) -> None:
    await set_password(other_actor)
    made = await client.post(
        users_of(actor), json={"email": other_actor.email, "roles": ["member"]}, headers=await key_of(actor)
    )
    token = token_of(made.json()["invite_link"])
    credentials = {"email": other_actor.email, "password": PASSWORD}

    opened = await client.get(made.json()["invite_link"])
    form = await client.post("/auth/login", data=credentials | {"password": "wrong", "link": token}, headers=OURS)
    joined = await client.post("/auth/login", json=credentials | {"link": token}, headers=OURS)
    switched = await client.post("/auth/tenant", json={"tenant_id": str(other_actor.tenant_id)}, headers=OURS)

    assert opened.headers["location"] == f"/sign-in?link=invite#token={token}"
    assert form.headers["location"] == f"/sign-in?link=invite&error=not_signed_in&next=/#token={token}"
    assert joined.json()["tenant_id"] == str(actor.tenant_id)
    assert switched.json()["tenant_id"] == str(other_actor.tenant_id)
    assert joined.cookies["chatapp_session"] != switched.cookies["chatapp_session"]
    old = {"Cookie": f"chatapp_session={joined.cookies['chatapp_session']}"}
    client.cookies.clear()
    assert (await client.get("/auth/me", headers=old)).status_code == 401


async def test_lists_answer_in_one_shape_and_as_csv(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, other_actor: Actor, key_of: KeyOf
) -> None:
    for number in range(3):
        await make_actor({Permission.CHAT}, tenant=actor.tenant_id, email=f"m{number}@example.org")
    headers = await key_of(actor)

    page = (await client.get(users_of(actor), params={"roles": "member", "limit": "2"}, headers=headers)).json()
    rest = (
        await client.get(users_of(actor), params={"roles": "member", "after": page["next"]}, headers=headers)
    ).json()
    csv = await client.get(f"{users_of(actor)}.csv", params={"roles": "member"}, headers=headers)
    bad = await client.get(users_of(actor), params={"roles": "boss"}, headers=headers)

    assert [each["email"] for each in page["data"] + rest["data"]] == [f"m{n}@example.org" for n in range(3)]
    assert (page["object"], page["has_more"], page["total"], page["is_total_exact"]) == ("list", True, 3, True)
    assert not {"password_hash", "password"} & set(page["data"][0])
    assert csv.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[1] for line in csv.text.splitlines()] == ["email", *(f"m{n}@example.org" for n in range(3))]
    assert (bad.status_code, bad.json()["error"]["param"]) == (422, "roles")


@pytest.mark.parametrize(
    "extra",
    [
        {"is_platform_admin": True},
        {"tenant_id": str(uuid4())},
        {"password_hash": "$argon2id$"},
        {"id": str(uuid4())},
        {"accepted_at": "2026-01-01T00:00:00Z"},
        {"is_managed": True},
        {"permissions": ["platform"]},
    ],
)
async def test_fields_nobody_may_set_are_refused(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, key_of: KeyOf, extra: dict[str, Any]
) -> None:
    person = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    headers = await key_of(actor)

    made = await client.post(
        users_of(actor), json={"email": "x@example.org", "roles": ["member"]} | extra, headers=headers
    )
    changed = await client.patch(f"{users_of(actor)}/{person.user_id}", json={"name": "N"} | extra, headers=headers)

    assert (made.status_code, changed.status_code) == (422, 422)
    assert made.json()["error"]["param"] in extra
    async with system_transaction(readonly=True) as tx:
        people = (await tx.session.execute(select(UserTable))).scalars().all()
    assert {each.name for each in people} == {"Test Person"}
    assert not any(each.is_platform_admin for each in people)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "email"),
        ({"email": "", "roles": ["member"]}, "email"),
        ({"email": "no address", "roles": ["member"]}, "email"),
        ({"email": None, "roles": ["member"]}, "email"),
        ({"email": ["a@b.example"], "roles": ["member"]}, "email"),
        ({"email": "a@b.example"}, "roles"),
        ({"email": "a@b.example", "roles": []}, "roles"),
        ({"email": "a@b.example", "roles": "admin"}, "roles"),
        ({"email": "a@b.example", "roles": ["platform"]}, "roles.0"),
        ({"email": "a@b.example", "roles": ["member"], "password": "short"}, "password"),
        ({"email": "a@b.example", "roles": ["member"], "password": ""}, "password"),
        ({"email": "a@b.example", "roles": ["member"], "name": "\u202e"}, "name"),
    ],
)
async def test_bad_input_names_the_field_and_changes_nothing(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, body: dict[str, Any], param: str
) -> None:
    answer = await client.post(users_of(actor), json=body, headers=await key_of(actor))

    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)
    async with system_transaction(readonly=True) as tx:
        assert len((await tx.session.execute(select(MembershipTable))).all()) == 1


@pytest.mark.parametrize("credential", ["session", "key", "service key"])
async def test_another_tenants_people_are_not_found_by_any_address(
    client: httpx.AsyncClient, actor: Actor, other_actor: Actor, sign_in_as: SignInAs, key_of: KeyOf, credential: str
) -> None:
    headers = (
        await sign_in_as(actor)
        if credential == "session"
        else await key_of(actor, is_service=credential == "service key")
    )
    theirs = other_actor.user_id
    requests = [
        ("GET", users_of(other_actor), None),
        ("GET", f"{users_of(other_actor)}.csv", None),
        ("POST", users_of(other_actor), {"email": "a@example.org", "roles": ["member"]}),
    ]
    for base in (users_of(actor), users_of(other_actor)):
        requests += [
            ("GET", f"{base}/{theirs}", None),
            ("PATCH", f"{base}/{theirs}", {"roles": ["member"]}),
            ("DELETE", f"{base}/{theirs}", None),
            ("POST", f"{base}/{theirs}/invite", None),
            ("POST", f"{base}/{theirs}/reset-link", None),
            ("POST", f"{base}/{theirs}/sign-out", None),
        ]

    answers = [await client.request(method, path, json=body, headers=headers) for method, path, body in requests]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["error"]["code"] for answer in answers} == {"not_found"}


async def test_an_admin_is_no_platform_admin(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, key_of: KeyOf
) -> None:
    person = (await make_actor({Permission.CHAT}, tenant=actor.tenant_id)).user_id
    headers = await key_of(actor)
    base = f"/v1/admin/users/{person}"

    answers = [
        await client.get(base, headers=headers),
        await client.patch(base, json={"is_platform_admin": True}, headers=headers),
        await client.patch(base, json={"is_disabled": True}, headers=headers),
        await client.post(f"{base}/reset-link", headers=headers),
        await client.post(f"{base}/sign-out", headers=headers),
    ]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_platform_admin_changes_people_of_any_tenant(
    client: httpx.AsyncClient, operator: Actor, actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs
) -> None:
    person = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    headers = await sign_in_as(operator)

    made = await client.post(users_of(actor), json={"email": "b@example.org", "roles": ["admin"]}, headers=headers)
    changed = await client.patch(f"/v1/admin/users/{person.user_id}", json={"is_disabled": True}, headers=headers)
    seen = await client.get(f"{users_of(actor)}/{person.user_id}", headers=headers)
    documents = await client.get("/v1/files", headers=headers)

    assert (made.status_code, changed.json()["is_disabled"]) == (200, True)
    assert seen.json()["user"]["status"] == "disabled"
    assert documents.status_code == 200
    nothing = await client.patch(f"/v1/admin/users/{person.user_id}", json={}, headers=headers)
    assert nothing.status_code == 422
    await client.post("/auth/tenant", json={"tenant_id": str(actor.tenant_id)}, headers=headers)
    looking = {"Cookie": f"chatapp_session={client.cookies['chatapp_session']}", "Origin": ORIGIN}
    assert (await client.get(users_of(actor), headers=looking)).status_code == 200
    for path in ("/v1/files", "/v1/models", "/v1/vector_stores"):
        assert (await client.get(path, headers=looking)).status_code == 403, path


@pytest.mark.parametrize(("keys", "status"), [("", 401), ("?keys=all", 401), ("?keys=none", 200)])
async def test_keys_of_services_end_with_their_maker_as_the_request_says(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, keys: str, status: int
) -> None:
    person = await make_actor(tenant=actor.tenant_id)
    body = {"name": "Deploy", "scopes": ["admin"]}
    made = await client.post(f"/v1/admin/tenants/{actor.tenant_id}/keys", json=body, headers=await sign_in_as(person))
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    headers = await sign_in_as(actor)

    wrong = await client.delete(f"{users_of(actor)}/{person.user_id}?keys=some", headers=headers)
    removed = await client.delete(f"{users_of(actor)}/{person.user_id}{keys}", headers=headers)
    client.cookies.clear()

    assert (wrong.status_code, removed.status_code) == (422, 204)
    assert (await client.get(users_of(actor), headers=key)).status_code == status


async def test_who_is_removed_is_out_at_once(
    client: httpx.AsyncClient, actor: Actor, make_actor: MakeActor, sign_in_as: SignInAs, key_of: KeyOf
) -> None:
    person = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    credentials = [await sign_in_as(person), await key_of(person, scopes=("use:chat",))]
    assert [(await client.get("/auth/me", headers=each)).status_code for each in credentials] == [200, 200]

    removed = await client.delete(f"{users_of(actor)}/{person.user_id}", headers=await key_of(actor))

    assert removed.status_code == 204
    assert [(await client.get("/auth/me", headers=each)).status_code for each in credentials] == [401, 401]
