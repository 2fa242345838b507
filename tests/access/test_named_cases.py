"""What went wrong at others, by name, asked of this product.

Elsewhere: another's stream and ids in bodies and per verb in `test_matrix`; names with `../` in `tests/ingest` and
`test_documents`; addresses that lead inside in `tests/chatapp/outbound`; scripts in answers in `tests/e2e`.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import col, select

from chatapp.domain import utc_now
from chatapp.services import tokens
from chatapp.store.database import system_transaction
from chatapp.store.tables import CollectionTable, OneTimeLinkTable, UserTable
from chatapp.web.app import create_api
from tests.access.routes import schema_of
from tests.access.rows import ROWS
from tests.access.test_matrix import ask, world
from tests.access.world import CANARY, World, snapshot
from tests.fixtures.surroundings import PROJECT

__all__ = ["world"]

SQL = (
    *(
        "'",
        '"',
        "\\",
        "' OR '1'='1",
        "' OR 1=1 --",
        "'; DROP TABLE users; --",
        "1; SELECT pg_sleep(20)",
        "') OR ('a'='a",
    ),
    *("' UNION SELECT token_hash FROM sessions --", "%27%20OR%201=1", "$$", "{{7*7}}", "${7*7}", "*", "%", "_"),
    *("sk-chatapp-' OR '1'='1", "x' AND (SELECT 1 FROM pg_user)='1", "\u2019 OR 1=1", "a\tb", "=" * 5_000),
)
HEADERS = (
    *("authorization", "cookie", "origin", "referer", "user-agent", "x-forwarded-for", "x-real-ip", "forwarded"),
    *("idempotency-key", "last-event-id", "accept-language", "if-none-match", "range", "content-type", "x-request-id"),
    *("x-chatapp-session", "x-chatapp-address"),
)


async def test_no_header_reaches_the_database_as_sql(client: httpx.AsyncClient, world: World) -> None:
    """LiteLLM, CVE-2026-42208: a key from the Authorization header was pasted into SQL."""
    before = await snapshot(world.ids["tenant"])
    owner = world.columns["owner (key)"]
    for name in HEADERS:
        for value in SQL:
            given = value.encode("utf-8")
            for wrapped in (given, b"Bearer " + given, b"chatapp_session=" + given):
                client.cookies.clear()
                answer = await client.get("/v1/files", headers={name.encode(): wrapped})
                assert answer.status_code == 401, (name, value)
                assert CANARY not in answer.text
            if name not in {"authorization", "cookie"}:
                headers = {key.encode(): text.encode() for key, text in owner.items()} | {name.encode(): given}
                answer = await client.get(f"/v1/files/{world.ids['file']}/content", headers=headers)
                assert answer.status_code in {200, 206, 304, 400, 416}, (name, value, answer.text)
    assert await snapshot(world.ids["tenant"]) == before


async def test_no_id_in_an_address_reaches_the_database_as_sql(client: httpx.AsyncClient, world: World) -> None:
    before = await snapshot(world.ids["tenant"])
    for name in ROWS:
        method, _, path = name.partition(" ")
        if "{" not in path or ":path}" in path or path.startswith("/auth/oidc"):
            continue
        for value in ("'", "' OR '1'='1", f"{world.ids['file']}' --", "%00", "..%2f..", "null", "0", "*"):
            client.cookies.clear()
            address = re.sub(r"{\w+}", value, path)
            answer = await client.request(method, address, headers=world.columns["other"])
            assert answer.status_code in {404, 405, 422}, (name, value, answer.text)
    assert await snapshot(world.ids["tenant"]) == before


async def test_a_delete_without_a_body_breaks_nothing(client: httpx.AsyncClient, world: World) -> None:
    """LibreChat, CVE-2026-31949: a DELETE without a body ended the process."""
    bodies: tuple[dict[str, Any], ...] = ({}, {"content": b""}, {"content": b"null"}, {"content": b"["}, {"json": []})
    for name, row in ROWS.items():
        method, _, _ = name.partition(" ")
        if method not in {"DELETE", "PATCH", "PUT", "POST"} or row.expected is None:
            continue
        for body in bodies:
            client.cookies.clear()
            address = re.sub(r"{\w+(:path)?}", str(uuid4()), name.partition(" ")[2])
            for column in ("other", "anonymous"):
                answer = await client.request(method, address, headers=world.columns[column], **body)
                assert answer.status_code < 500, (name, body, answer.text)
    assert (await client.get("/healthz")).status_code == 200


EXTRA = {"id": "<file>", "tenant_id": "<tenant>", "user_id": "<user>", "created_by": "<user>", "key_id": "<key>"}
POWER = {"is_platform_admin": True, "is_system": True, "permissions": ["platform"], "roles": ["admin"], "version": 99}


def test_the_bodies_of_admin_routes_take_no_field_they_do_not_name() -> None:
    """Flowise, CVE-2026-41277 and others: a field nobody offered took over another tenant's store."""
    description = create_api().openapi()
    open_ones = [
        f"{method.upper()} {path}"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
        if path.startswith(("/v1/admin", "/auth"))
        and "application/json" in (operation.get("requestBody") or {"content": {}})["content"]
        for schema in schema_of(description, operation["requestBody"]["content"]["application/json"]["schema"])
        if schema.get("type") != "null" and schema.get("additionalProperties") is not False
    ]

    assert set(open_ones) <= {"POST /auth/link/about", "POST /auth/oidc/prove"}, open_ones


async def test_no_field_gives_more_than_it_says(client: httpx.AsyncClient, world: World) -> None:
    """OpenAI's own bodies may hold more than we know; what we do not name has to be without effect."""
    before = await snapshot(world.ids["tenant"])
    extra = POWER | {name: str(world.ids[kind[1:-1]]) for name, kind in EXTRA.items()}
    made = await client.post("/v1/vector_stores", json=extra | {"name": "Mine"}, headers=world.columns["other"])
    await client.post(
        "/v1/feedback",
        json=extra | {"trace_id": str(world.own_ids["turn"]), "rating": "up"},
        headers=world.columns["other"],
    )
    await client.patch("/auth/me", json=extra | {"name": "Me"}, headers=world.columns["other"])

    async with system_transaction(readonly=True) as tx:
        row = await tx.session.get(CollectionTable, UUID(made.json()["id"]))
        powerful = (
            (await tx.session.execute(select(UserTable.email).where(col(UserTable.is_platform_admin)))).scalars().all()
        )
    assert row is not None
    assert (row.tenant_id, row.version) == (world.own_ids["tenant"], 0)
    assert [email.partition("-")[0] for email in powerful] == ["platform"]
    assert await snapshot(world.ids["tenant"]) == before


NO_TOKENS: tuple[Any, ...] = (None, "", " ", "null", "undefined", 0, [], {}, True, "0" * 64)


async def test_a_link_is_opened_by_its_token_and_by_nothing_like_none(client: httpx.AsyncClient, world: World) -> None:
    """Flowise: a reset token of null was as good as the one that was never set."""
    async with system_transaction() as tx:
        link = await tx.session.get(OneTimeLinkTable, world.ids["link"])
        assert link is not None
        link.token_hash = ""
        link.used_at = None
        link.expires_at = utc_now().replace(year=utc_now().year + 1)

    for token in NO_TOKENS:
        body = {"token": token, "password": "a-new-password-of-mine"}
        for answer in (
            await client.post("/auth/link", json=body),
            await client.post("/auth/link", json={"password": body["password"]}),
            await client.post("/auth/link/about", json={"token": token}),
        ):
            assert answer.status_code in {401, 404, 422}, (token, answer.text)
            assert "set-cookie" not in answer.headers
            assert CANARY not in answer.text
        if isinstance(token, str):
            opened = await client.get("/auth/link", params={"token": token})
            assert opened.headers["location"] == "/sign-in?error=link", token


def test_an_empty_token_is_the_hash_of_nothing_kept() -> None:
    assert len({tokens.hash_of(""), tokens.hash_of("null"), ""}) == 3


async def test_a_stream_of_another_is_not_opened_with_its_id(client: httpx.AsyncClient, world: World) -> None:
    """LibreChat, CVE-2026-31950: whoever knew a stream's id could read along."""
    for column in ("member", "auditor", "visitor", "other", "other (key)", "platform"):
        answer = await ask(
            client,
            "GET /v1/turns/{turn_id}/events",
            ROWS["GET /v1/turns/{turn_id}/events"],
            world.ids,
            world.columns[column],
        )
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


FLOORS = {"starlette": (1, 10, 0), "litellm": (1, 106, 2), "pypdfium2": (5, 15, 2), "python-multipart": (0, 0, 34)}
"""Versions in which what was found by September 2026 is mended (`research` of security advisories)."""


@pytest.mark.parametrize("name", FLOORS)
def test_a_library_that_had_holes_is_of_a_version_without_them(name: str) -> None:
    """LiteLLM with Starlette, CVE-2026-48710, and python-multipart's and the PDF libraries' advisories."""
    found = re.search(rf"^{name}==([\d.]+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE)

    assert found is not None
    assert tuple(int(part) for part in found[1].split(".")) >= FLOORS[name]


def test_no_lint_rule_that_keeps_sql_and_shells_out_is_off() -> None:
    """S608: SQL made from text; S602, S605: a shell; S701: templates that do not escape."""
    settings = (PROJECT / "pyproject.toml").read_text()
    off = [
        f"{path.relative_to(PROJECT)}:{number}"
        for root in ("chatapp", "admin", "ingest")
        for path in (PROJECT / root).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"noqa:.*\bS(60[258]|701)\b", line)
    ]

    assert re.search(r'select = \[.*"S".*\]', settings)
    assert not re.search(r'"S(60[258]|701)"', settings)
    assert off == []
