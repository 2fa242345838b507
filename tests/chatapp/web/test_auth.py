from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlmodel import update

from chatapp.domain import Actor, utc_now
from chatapp.services import authentication, users
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import OneTimeLinkTable, UserTable
from chatapp.web.app import create_api, edge
from tests.fixtures.credentials import ORIGIN, KeyOf, SignInAs

PASSWORD = "correct-horse-battery"
OURS = {"Origin": ORIGIN}


@pytest.fixture
async def person(parts: None, actor: Actor) -> Actor:
    """An actor with a password."""
    password_hash = await authentication.hash_password(PASSWORD)
    async with system_transaction() as tx:
        await tx.session.execute(update(UserTable).values(password_hash=password_hash))
    return actor


async def test_signing_in_sets_a_cookie_scripts_cannot_read(client: httpx.AsyncClient, person: Actor) -> None:
    answer = await client.post("/auth/login", json={"email": person.email.upper(), "password": PASSWORD}, headers=OURS)

    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 200
    assert answer.json()["email"] == person.email
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie
    assert (await client.get("/auth/me")).json()["user_id"] == str(person.user_id)


async def test_on_https_the_cookie_is_bound_to_the_host(
    parts: None, person: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_PUBLIC_URL", "https://chat.example.org")
    get_settings.cache_clear()
    transport = httpx.ASGITransport(app=edge(create_api()))
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example.org") as client:
        answer = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD})

    assert answer.headers["set-cookie"].startswith("__Host-chatapp_session=")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/c/1?x=2", "/c/1?x=2"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/%0d%0a", "/%0d%0a"),
        ("/a\nb", "/"),
        ("", "/"),
        ("/sign-in", "/"),
        ("/auth/logout", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_a_form_leads_to_a_local_page_only(
    client: httpx.AsyncClient, person: Actor, path: str, target: str
) -> None:
    form = {"email": person.email, "password": PASSWORD, "next": path}

    answer = await client.post("/auth/login", data=form, headers=OURS)

    assert (answer.status_code, answer.headers["location"]) == (303, target)


async def test_a_wrong_form_leads_back_and_says_why(client: httpx.AsyncClient, person: Actor) -> None:
    form = {"email": person.email, "password": "wrong", "next": "/documents"}

    answer = await client.post("/auth/login", data=form, headers=OURS)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?error=not_signed_in&next=/documents")


async def test_the_answer_does_not_tell_whether_an_account_exists(client: httpx.AsyncClient, person: Actor) -> None:
    answers = [
        await client.post("/auth/login", json={"email": email, "password": "wrong"})
        for email in (person.email, "nobody@example.org")
    ]

    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].json() == answers[1].json()


async def test_a_wrong_password_ten_times_ends_in_429_and_says_how_long(
    client: httpx.AsyncClient, person: Actor
) -> None:
    answers = [
        await client.post("/auth/login", json={"email": person.email, "password": f"wrong {number}"})
        for number in range(10)
    ]
    right = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD})

    assert [answer.status_code for answer in answers] == [401] * 6 + [429] * 4
    assert right.status_code == 429
    assert right.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(right.headers["retry-after"]) <= 300


async def test_an_unknown_account_is_limited_alike(client: httpx.AsyncClient, person: Actor) -> None:
    answers = [
        await client.post("/auth/login", json={"email": "nobody@example.org", "password": "wrong"}) for _ in range(8)
    ]
    other = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD})

    assert answers[-1].status_code == 429
    assert other.status_code == 200


async def test_signing_in_again_ends_the_session_before(client: httpx.AsyncClient, person: Actor) -> None:
    credentials = {"email": person.email, "password": PASSWORD}
    first = (await client.post("/auth/login", json=credentials, headers=OURS)).cookies["chatapp_session"]
    second = (await client.post("/auth/login", json=credentials, headers=OURS)).cookies["chatapp_session"]
    client.cookies.clear()

    answers = [
        (await client.get("/auth/me", headers={"Cookie": f"chatapp_session={value}"})).status_code
        for value in (first, second)
    ]

    assert first != second
    assert answers == [401, 200]


async def test_signing_out_ends_the_session(client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs) -> None:
    headers = await sign_in_as(actor)

    answer = await client.post("/auth/logout", headers=headers)

    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert (await client.get("/auth/me", headers=headers)).status_code == 401


async def test_a_foreign_page_signs_nobody_in_or_out(
    client: httpx.AsyncClient, person: Actor, sign_in_as: SignInAs
) -> None:
    foreign = {"Origin": "https://evil.example"}
    headers = await sign_in_as(person)

    login = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD}, headers=foreign)
    logout = await client.post("/auth/logout", headers=headers | foreign)

    assert (login.status_code, logout.status_code) == (403, 403)
    assert "set-cookie" not in login.headers
    assert (await client.get("/auth/me", headers=headers)).status_code == 200


async def test_a_disabled_persons_sessions_and_keys_end(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, key_of: KeyOf
) -> None:
    credentials = [await sign_in_as(actor), await key_of(actor)]
    async with system_transaction() as tx:
        await tx.session.execute(update(UserTable).values(is_disabled=True))

    assert [(await client.get("/auth/me", headers=headers)).status_code for headers in credentials] == [401, 401]


async def test_a_key_works_without_an_origin_and_a_cookie_beside_it_does_not_help(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs, key_of: KeyOf
) -> None:
    made = await client.post("/v1/vector_stores", json={"name": "By key"}, headers=await key_of(actor))
    wrong = (await sign_in_as(actor)) | {"Authorization": "Bearer sk-chatapp-wrong"}

    assert made.status_code == 200
    assert (await client.get("/auth/me", headers=wrong)).status_code == 401


async def test_a_one_time_link_sets_a_password_once(client: httpx.AsyncClient, actor: Actor) -> None:
    assert actor.user_id is not None
    link = await users.new_sign_in_link(get_settings(), actor.user_id)
    token = link.partition("token=")[2]

    opened = await client.get(link)
    weak = await client.post("/auth/link", json={"token": token, "password": "short"}, headers=OURS)
    first = await client.post("/auth/link", json={"token": token, "password": PASSWORD}, headers=OURS)
    again = await client.post("/auth/link", json={"token": token, "password": PASSWORD}, headers=OURS)

    assert (opened.status_code, opened.headers["location"]) == (303, f"/sign-in?link=reset#token={token}")
    assert (weak.status_code, weak.json()["error"]["param"]) == (422, "password")
    assert first.json()["email"] == actor.email
    assert again.status_code == 401
    assert (await client.get(link)).headers["location"] == "/sign-in?error=link"
    client.cookies.clear()
    login = await client.post("/auth/login", json={"email": actor.email, "password": PASSWORD})
    assert login.status_code == 200


@pytest.mark.parametrize("form", [{"password": ""}, {"email": "", "password": "x"}, {"email": "x" * 300}, {}])
async def test_a_form_with_a_blank_leads_back_to_the_page(
    client: httpx.AsyncClient, parts: None, form: dict[str, str]
) -> None:
    answer = await client.post("/auth/login", data={"email": "a@b.example", "next": "/c/1"} | form, headers=OURS)

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?error=invalid_input&next=/c/1")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("password", ["", "too short", "x" * 2_000])
async def test_a_form_with_no_good_password_leads_back_to_the_link(
    client: httpx.AsyncClient, actor: Actor, password: str
) -> None:
    assert actor.user_id is not None
    token = (await users.new_sign_in_link(get_settings(), actor.user_id)).partition("token=")[2]

    refused = await client.post("/auth/link", data={"token": token, "password": password, "next": "/c/1"}, headers=OURS)
    taken = await client.post("/auth/link", data={"token": token, "password": PASSWORD, "next": "/c/1"}, headers=OURS)
    again = await client.post("/auth/link", data={"token": token, "password": PASSWORD}, headers=OURS)

    where = f"/sign-in?link=reset&error=invalid_input&next=/c/1#token={token}"
    assert (refused.status_code, refused.headers["location"]) == (303, where)
    assert (taken.status_code, taken.headers["location"]) == (303, "/c/1")
    assert (again.status_code, again.headers["location"]) == (303, "/sign-in?error=link")


async def test_an_expired_link_opens_nothing(client: httpx.AsyncClient, actor: Actor) -> None:
    assert actor.user_id is not None
    token = (await users.new_sign_in_link(get_settings(), actor.user_id)).partition("token=")[2]
    async with system_transaction() as tx:
        await tx.session.execute(update(OneTimeLinkTable).values(expires_at=utc_now() - timedelta(seconds=1)))

    answer = await client.post("/auth/link", json={"token": token, "password": PASSWORD}, headers=OURS)

    assert answer.status_code == 401


@pytest.mark.parametrize("token", ["", "x", "null", "\x00"])
async def test_no_token_is_no_link(client: httpx.AsyncClient, parts: None, token: str) -> None:
    answer = await client.post("/auth/link", json={"token": token, "password": PASSWORD})

    assert answer.status_code in {401, 422}
