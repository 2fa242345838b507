from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import col, update

from chatapp.domain import Actor, utc_now
from chatapp.services import authentication
from chatapp.settings import get_settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable, TenantTable, UserTable
from chatapp.web.app import create_api, edge
from tests.fixtures.credentials import ORIGIN
from tests.fixtures.identity_provider import AddProvider
from tests.fixtures.people import MakeActor
from tests.identity_provider.server import IdentityProvider, Person

OURS = {"Origin": ORIGIN}
PASSWORD = "correct-horse-battery"


@pytest.fixture
async def provider_id(
    identity_provider: IdentityProvider, client: httpx.AsyncClient, add_provider: AddProvider
) -> UUID:
    """The tenant's provider; the product is open."""
    identity_provider.redirect_uris = {"http://127.0.0.1:3000/auth/oidc/callback"}
    return await add_provider(email_domains=["example.org"])


async def way_back(client: httpx.AsyncClient, provider_id: UUID, query: str = "") -> str:
    """Go to the provider as a browser does: the path it leads back to."""
    left = await client.get(f"/auth/oidc/{provider_id}/start{query}")
    assert left.status_code == 303
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(left.headers["location"])
    url = urlsplit(answer.headers["location"])
    return f"{url.path}?{url.query}"


async def test_the_way_there_and_back_begins_a_session(client: httpx.AsyncClient, provider_id: UUID) -> None:
    left = await client.get(f"/auth/oidc/{provider_id}/start?next=/documents&email=ada@example.org")
    kept = left.headers["set-cookie"].lower()
    back = await way_back(client, provider_id, "?next=/documents")
    arrived = await client.get(back)

    assert "chatapp_sign_in=" in kept
    assert "httponly" in kept
    assert "samesite=lax" in kept
    assert "max-age=600" in kept
    assert left.headers["cache-control"] == "private, no-store"
    assert parse_qs(urlsplit(left.headers["location"]).query)["login_hint"] == ["ada@example.org"]
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/documents")
    cookies = arrived.headers.get_list("set-cookie")
    assert any(each.startswith("chatapp_session=") and "httponly" in each.lower() for each in cookies)
    assert any(each.startswith('chatapp_sign_in=""') and "max-age=0" in each.lower() for each in cookies)
    assert (await client.get("/auth/me")).json()["email"] == "ada@example.org"


async def test_the_address_bar_cannot_lead_elsewhere(client: httpx.AsyncClient, provider_id: UUID) -> None:
    for path in ("//evil.example", "https://evil.example", "/%5Cevil.example", "/auth/logout", "/" + "x" * 1_500):
        back = await way_back(client, provider_id, f"?next={path}")
        assert (await client.get(back)).headers["location"] == "/"


async def test_the_same_way_back_twice_signs_nobody_in(client: httpx.AsyncClient, provider_id: UUID) -> None:
    left = await client.get(f"/auth/oidc/{provider_id}/start")
    async with httpx.AsyncClient() as browser:
        url = urlsplit((await browser.get(left.headers["location"])).headers["location"])
    kept = {"Cookie": f"chatapp_sign_in={client.cookies['chatapp_sign_in']}"}
    await client.get(f"{url.path}?{url.query}")
    client.cookies.clear()

    again = await client.get(f"{url.path}?{url.query}", headers=kept)

    assert again.headers["location"] == "/sign-in?error=oidc_expired"
    assert not any(each.startswith("chatapp_session=") for each in again.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    ("faults", "person", "reason"),
    [
        ({"error": "access_denied"}, Person(), "denied"),
        ({"claims": {"nonce": "x"}}, Person(), "token"),
        ({}, Person(email_verified=False), "unverified"),
        ({}, Person(email="eve@evil.example"), "domain"),
        ({"token_status": 500}, Person(), "provider"),
    ],
    ids=str,
)
async def test_a_refusal_leads_back_to_the_page_and_says_why(
    client: httpx.AsyncClient, provider_id: UUID, identity_provider: IdentityProvider, faults, person, reason: str
) -> None:
    identity_provider.faults, identity_provider.person = faults, person

    answer = await client.get(await way_back(client, provider_id))

    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?error=oidc_{reason}")
    assert "chatapp_session" not in client.cookies
    assert "chatapp_sign_in" not in client.cookies


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=y", "?error=%3Cscript%3E", "?state=" + "x" * 5_000])
async def test_an_answer_nobody_asked_for_is_refused(client: httpx.AsyncClient, provider_id: UUID, query: str) -> None:
    answer = await client.get(f"/auth/oidc/callback{query}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?error=oidc_expired")


async def test_an_unknown_provider_leads_back(client: httpx.AsyncClient, provider_id: UUID) -> None:
    answer = await client.get(f"/auth/oidc/{uuid4()}/start")
    assert answer.headers["location"] == "/sign-in?error=oidc_unavailable"
    assert (await client.get("/auth/oidc/none/start")).status_code == 404


async def test_what_an_address_can_use_is_said_alike_whether_it_has_an_account(
    client: httpx.AsyncClient, provider_id: UUID, actor: Actor
) -> None:
    known = await client.get("/auth/methods", params={"email": actor.email})
    unknown = await client.get("/auth/methods", params={"email": "nobody@example.org"})
    foreign = await client.get("/auth/methods", params={"email": "nobody@elsewhere.example"})

    assert known.status_code == 200
    assert known.json() == unknown.json()
    assert known.json()["providers"] == [{"id": str(provider_id), "name": "Login"}]
    assert foreign.json()["providers"] == []
    assert known.headers["cache-control"] == "private, no-store"


async def test_an_account_that_belongs_elsewhere_wants_its_password_once(
    client: httpx.AsyncClient,
    provider_id: UUID,
    identity_provider: IdentityProvider,
    actor: Actor,
    make_actor: MakeActor,
) -> None:
    elsewhere = await make_actor(email="grace@example.org")
    password_hash = await authentication.hash_password(PASSWORD)
    async with system_transaction() as tx:
        place = MembershipTable(tenant_id=actor.tenant_id, user_id=elsewhere.user_id, roles=["member"])
        place.accepted_at = utc_now()
        tx.session.add(place)
        await tx.session.execute(
            update(UserTable).where(col(UserTable.id) == elsewhere.user_id).values(password_hash=password_hash)
        )
    identity_provider.person = Person(email="grace@example.org")

    back = await client.get(await way_back(client, provider_id, "?next=/documents"))
    foreign = await client.post(
        "/auth/oidc/prove", json={"password": PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    without = await client.post("/auth/oidc/prove", json={"password": PASSWORD})
    wrong = await client.post("/auth/oidc/prove", json={"password": "wrong"}, headers=OURS)
    right = await client.post("/auth/oidc/prove", json={"password": PASSWORD}, headers=OURS)
    again = await client.post("/auth/oidc/prove", json={"password": PASSWORD}, headers=OURS)

    assert back.headers["location"] == "/sign-in?prove=1#email=grace%40example.org&provider=Login"
    assert (foreign.status_code, without.status_code, wrong.status_code) == (403, 403, 401)
    assert (right.status_code, right.json()["next"]) == (200, "/documents")
    assert right.json()["user_id"] == str(elsewhere.user_id)
    assert again.status_code == 401
    assert "chatapp_session" in client.cookies


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": "x" * 2_000}, {"password": 7}, []])
async def test_a_proof_without_a_password_is_refused(client: httpx.AsyncClient, provider_id: UUID, body) -> None:
    assert (await client.post("/auth/oidc/prove", json=body, headers=OURS)).status_code == 422


@pytest.fixture
async def secure_client(parts: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an installation that people reach over https."""
    monkeypatch.setenv("CHATAPP_PUBLIC_URL", "https://chat.example.org")
    get_settings.cache_clear()
    transport = httpx.ASGITransport(app=edge(create_api()))
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example.org") as http:
        yield http


async def test_on_https_every_cookie_is_bound_to_the_host(
    identity_provider: IdentityProvider, secure_client: httpx.AsyncClient, add_provider: AddProvider
) -> None:
    left = await secure_client.get(f"/auth/oidc/{await add_provider()}/start")
    async with httpx.AsyncClient() as browser:
        url = urlsplit((await browser.get(left.headers["location"])).headers["location"])
    arrived = await secure_client.get(f"{url.path}?{url.query}")

    set_cookies = [*left.headers.get_list("set-cookie"), *arrived.headers.get_list("set-cookie")]
    assert len(set_cookies) == 3
    for cookie in set_cookies:
        assert cookie.startswith("__Host-chatapp_")
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
        assert "domain=" not in cookie.lower()
    assert f"{url.scheme}://{url.netloc}" == "https://chat.example.org"
    assert (await secure_client.get("/auth/me")).status_code == 200


async def test_passwords_are_offered_last_where_the_tenant_takes_none(
    client: httpx.AsyncClient, provider_id: UUID, actor: Actor
) -> None:
    async with system_transaction() as tx:
        await tx.session.execute(update(TenantTable).values(has_password_sign_in=False))
    assert (await client.get("/auth/methods", params={"email": actor.email})).json()["password"] is False
