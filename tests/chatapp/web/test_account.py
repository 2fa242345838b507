from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chatapp.domain import Actor
from tests.fixtures.credentials import ORIGIN, KeyOf, SignInAs
from tests.fixtures.sign_in import PASSWORD, SetPassword

OURS = {"Origin": ORIGIN}
OTHER = "another-horse-battery"


@pytest.fixture
async def signed_in(client: httpx.AsyncClient, actor: Actor, set_password: SetPassword) -> httpx.AsyncClient:
    """A client with the actor's session."""
    await set_password(actor)
    await client.post("/auth/login", json={"email": actor.email, "password": PASSWORD}, headers=OURS)
    return client


async def test_a_person_learns_who_and_where_they_are(signed_in: httpx.AsyncClient, actor: Actor) -> None:
    me = (await signed_in.get("/auth/me")).json()

    assert (me["email"], me["roles"], me["is_platform_admin"], me["has_password"]) == (
        actor.email,
        ["admin"],
        False,
        True,
    )
    assert me["tenants"] == [
        {"id": str(actor.tenant_id), "name": me["tenant_name"], "roles": ["admin"], "is_current": True}
    ]
    assert "password_hash" not in str(me)


async def test_a_password_is_changed_with_the_present_one(
    signed_in: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    elsewhere = await sign_in_as(actor)
    wrong = {"current_password": "wrong", "new_password": OTHER}
    right = {"current_password": PASSWORD, "new_password": OTHER}

    refused = await signed_in.post("/auth/password", json=wrong, headers=OURS)
    changed = await signed_in.post("/auth/password", json=right, headers=OURS)

    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "current_password")
    assert changed.json() == {"ended": 1}
    assert (await signed_in.get("/auth/me")).status_code == 200
    signed_in.cookies.clear()
    assert (await signed_in.get("/auth/me", headers=elsewhere)).status_code == 401


async def test_a_person_ends_a_sign_in_and_then_all(
    signed_in: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    elsewhere = await sign_in_as(actor)
    listed = (await signed_in.get("/auth/sessions")).json()["data"]
    other_one = next(each["id"] for each in listed if not each["is_this_one"])

    ended = await signed_in.delete(f"/auth/sessions/{other_one}", headers=OURS)
    again = await signed_in.delete(f"/auth/sessions/{other_one}", headers=OURS)
    everywhere = await signed_in.delete("/auth/sessions", headers=OURS)

    assert len(listed) == 2
    assert not {"token_hash", "user_agent"} & set(listed[0])
    assert (ended.status_code, again.status_code, everywhere.json()) == (204, 404, {"ended": 1})
    assert "max-age=0" in everywhere.headers["set-cookie"].lower()
    assert (await signed_in.get("/auth/me")).status_code == 401
    assert (await signed_in.get("/auth/me", headers=elsewhere)).status_code == 401


async def test_another_persons_sign_in_is_not_found(
    signed_in: httpx.AsyncClient, other_actor: Actor, sign_in_as: SignInAs
) -> None:
    theirs = await sign_in_as(other_actor)
    client = signed_in
    listed = (await client.get("/auth/sessions", headers=theirs)).json()["data"]

    assert (await client.delete(f"/auth/sessions/{listed[0]['id']}", headers=OURS)).status_code == 404
    assert (await client.delete("/auth/sessions/not-an-id", headers=OURS)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/auth/me", {"name": "Taken over"}),
        ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": OTHER}),
        ("POST", "/auth/tenant", {"tenant_id": str(UUID(int=1))}),
        ("GET", "/auth/sessions", None),
        ("DELETE", "/auth/sessions", None),
        ("DELETE", f"/auth/sessions/{UUID(int=1)}", None),
    ],
)
async def test_a_key_does_not_take_an_account_over(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, sign_in_as: SignInAs, method: str, path: str, body: Any
) -> None:
    by_key = await client.request(method, path, json=body, headers=await key_of(actor))
    foreign = await client.request(
        method, path, json=body, headers=await sign_in_as(actor) | {"Origin": "https://evil.example"}
    )
    nobody = await client.request(method, path, json=body)

    assert by_key.status_code == 403
    assert foreign.status_code == (200 if method == "GET" else 403)
    assert nobody.status_code == 401


@pytest.mark.parametrize("tenant_id", ["", "null", None, 7, "not-an-id"])
async def test_what_is_no_tenant_is_refused(signed_in: httpx.AsyncClient, tenant_id: Any) -> None:
    answer = await signed_in.post("/auth/tenant", json={"tenant_id": tenant_id}, headers=OURS)

    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "tenant_id")
    assert "set-cookie" not in answer.headers


async def test_another_tenant_is_not_found_and_the_session_goes_on(
    signed_in: httpx.AsyncClient, other_actor: Actor
) -> None:
    answers = [
        await signed_in.post("/auth/tenant", json={"tenant_id": str(tenant_id)}, headers=OURS)
        for tenant_id in (other_actor.tenant_id, uuid4())
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert (await signed_in.get("/auth/me")).status_code == 200


@pytest.mark.parametrize(
    "body", [{"name": "N", "email": "other@example.org"}, {"name": "N", "is_platform_admin": True}]
)
async def test_a_person_sets_nothing_but_their_name(signed_in: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await signed_in.patch("/auth/me", json=body, headers=OURS)).status_code == 422
    assert (await signed_in.patch("/auth/me", json={"name": "Ada"}, headers=OURS)).json()["name"] == "Ada"


@pytest.mark.parametrize("token", [None, "", 0, [], "null", "x" * 201])
@pytest.mark.parametrize("path", ["/auth/link", "/auth/link/about"])
async def test_what_is_no_link_opens_nothing(client: httpx.AsyncClient, parts: None, path: str, token: Any) -> None:
    answer = await client.post(path, json={"token": token, "password": PASSWORD}, headers=OURS)

    assert answer.status_code in {401, 422}
    assert "set-cookie" not in answer.headers


async def test_guessing_links_is_limited(client: httpx.AsyncClient, parts: None) -> None:
    statuses = [
        (await client.post("/auth/link/about", json={"token": f"guess {number}"})).status_code for number in range(62)
    ]

    assert set(statuses[:60]) == {401}
    assert set(statuses[60:]) == {429}
