from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from sqlmodel import col, update
from starlette.types import Message

from chatapp.domain import Actor, Permission
from chatapp.settings import Settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import MembershipTable
from chatapp.web.gate import Gate, is_page, tab_token
from chatapp.web.origin import is_own_origin, safe_local_path
from tests.fixtures.credentials import SignInAs
from tests.fixtures.people import MakeActor

SECRET = "a-secret-for-tests-0123456789-abcdef"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/sign-in"),
        ("/c/1", "/sign-in?next=/c/1"),
        ("/documents?sort=name", "/sign-in?next=/documents%3Fsort%3Dname"),
        ("/admin", "/sign-in?next=/admin"),
        ("//evil", "/sign-in"),
    ],
)
@pytest.mark.usefixtures("parts")
async def test_a_page_leads_people_to_sign_in_and_back(client: httpx.AsyncClient, path: str, target: str) -> None:
    answer = await client.request("GET", httpx.URL("http://127.0.0.1:3000").copy_with(raw_path=path.encode()))

    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("parts")
async def test_signed_in_people_are_not_kept_on_the_sign_in_page(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    headers = await sign_in_as(actor)

    assert (await client.get("/sign-in", headers=headers)).headers["location"] == "/"
    assert (await client.get("/sign-in")).status_code == 404  # through the gate; the pages are not mounted here
    assert (await client.get("/sign-in?link=1", headers=headers)).status_code == 404


@pytest.mark.usefixtures("parts")
async def test_the_sign_in_page_alone_is_told_to_open_no_socket(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    sign_in = await client.get("/sign-in?link=1")
    chat = await client.get("/", headers=await sign_in_as(actor))

    assert sign_in.headers["set-cookie"] == "backend-enabled=false; Path=/sign-in; SameSite=Lax"
    assert "set-cookie" not in chat.headers


@pytest.mark.usefixtures("parts")
async def test_members_are_led_away_from_admin(
    client: httpx.AsyncClient, make_actor: MakeActor, actor: Actor, sign_in_as: SignInAs
) -> None:
    member = await sign_in_as(await make_actor({Permission.CHAT}))

    ways = (
        *("/admin/users", "/admin/users/", "/admin/users/index.html", "//admin/users", "/admin//users", "/c/../admin"),
        *("/admin.html", "/admin/users.html", "/admin/.", "/assets/../admin/users", "/admin/users/index.html/."),
    )
    for path in ways:
        address = httpx.URL("http://127.0.0.1:3000").copy_with(raw_path=path.encode())
        assert (await client.get(address, headers=member)).headers["location"] == "/", path


@pytest.mark.usefixtures("parts")
async def test_who_has_no_chat_is_led_to_what_they_have(
    client: httpx.AsyncClient, make_actor: MakeActor, operator: Actor, actor: Actor, sign_in_as: SignInAs
) -> None:
    auditor = await make_actor({Permission.CHAT})
    async with system_transaction() as tx:
        statement = update(MembershipTable).where(col(MembershipTable.user_id) == auditor.user_id)
        await tx.session.execute(statement.values(roles=["auditor"]))
    visitor = await sign_in_as(replace(operator, tenant_id=actor.tenant_id))

    for path in ("/", "/c/1"):
        for headers in (await sign_in_as(auditor), visitor):
            assert (await client.get(path, headers=headers)).headers["location"] == "/admin"
    assert (await client.get("/documents", headers=await sign_in_as(auditor))).status_code == 404
    assert (await client.get("/documents", headers=visitor)).headers["location"] == "/admin"
    assert (await client.get("/account", headers=visitor)).status_code == 404


async def test_a_way_around_the_sign_in_page_leads_to_it(parts: None, settings: Settings) -> None:
    async def served(*_: object) -> None:
        raise AssertionError("the page was given out")

    ways = (
        *("/sign-in/../admin", "/sign-in/../admin/index.html", "/sign-in/..//c/1", "//admin", "/./admin", "/admin/."),
        *("/admin/index.html/.", "/admin/x/..", "/assets/../admin/index.html", "/healthz/../index.html"),
    )
    for path in ways:
        said: list[Message] = []

        async def send(message: Message, said: list[Message] = said) -> None:
            said.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await Gate(served, settings=settings)(scope, _nothing, send)
        assert said[0]["status"] == 303, path


async def _nothing() -> Message:
    return {"type": "http.request"}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", True),
        ("HEAD", "/c/1", True),
        ("POST", "/", False),
        ("GET", "/v1/files", False),
        ("GET", "/v1x", True),
        ("GET", "/auth/me", False),
        ("GET", "/assets/index-1.js", False),
        ("GET", "/favicon.svg", False),
        ("GET", "/admin/users/index.html", True),
        ("GET", "/index.html", True),
        ("GET", "/index.html/.", True),
        ("GET", "/admin/x/..", True),
        ("GET", "/assets/../admin", True),
        ("GET", "/admin/../assets/index-1.js", False),
        ("GET", "/healthz", False),
    ],
)
def test_pages_are_told_from_data_and_files(method: str, path: str, expected: bool) -> None:
    assert is_page(method, path) is expected


def test_a_tabs_state_belongs_to_person_tenant_rights_and_tab() -> None:
    person = Actor(uuid4(), uuid4(), frozenset())
    elsewhere = Actor(uuid4(), person.user_id, frozenset())
    other = Actor(person.tenant_id, uuid4(), frozenset())
    admin = replace(person, permissions=frozenset({Permission.ADMIN}))
    tokens = {
        tab_token(name, actor, secret)
        for name in ("one", "two")
        for actor in (person, elsewhere, other, admin)
        for secret in (SECRET, SECRET[::-1])
    }

    assert len(tokens) == 16
    assert tab_token("one", person, SECRET) == tab_token("one", person, SECRET)


def test_origins_of_our_own(settings) -> None:
    def is_own(origin: str | None, host: str = "chat.example.org") -> bool:
        return is_own_origin(origin, host=host, settings=settings)

    assert is_own("https://chat.example.org")
    assert is_own("http://127.0.0.1:3000")
    assert not any(map(is_own, [None, "", "null", "https://evil.example", "https://chat.example.org.evil.example"]))
    assert not is_own("file://chat.example.org")
    assert not is_own("https://evil.example", host="")
    assert not is_own("http://", host="")


def test_a_page_that_came_over_http_is_none_of_ours_where_people_come_over_https(settings: Settings) -> None:
    def is_own(origin: str, settings: Settings) -> bool:
        return is_own_origin(origin, host="other.example.org", settings=settings)

    over_https = settings.model_copy(update={"public_url": "https://chat.example.org"})
    assert is_own("https://other.example.org", over_https)
    assert not is_own("http://other.example.org", over_https)
    assert is_own("http://other.example.org", settings)
    assert is_own("https://other.example.org", settings)  # a proxy speaks it for us


@pytest.mark.parametrize("path", [None, "", "c", "//x", "/\\x", "/a\tb", "/a\x7fb", "/a b", "https://x", "/sign-in?x"])
def test_ways_that_lead_elsewhere_lead_home(path: str | None) -> None:
    assert safe_local_path(path) == "/"
