from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.services import documents
from chatapp.settings import Settings
from chatapp.web.headers import PageScripts, SecurityHeaders
from tests.fixtures.credentials import KeyOf


async def headers_of(
    settings: Settings, path: str, *, content_type: str, status: int = 200, pages: Path = Path("none"), **own: str
) -> httpx.Headers:
    """The headers of an answer an app gives at an address."""

    async def app(scope, receive, send) -> None:
        sent = [(b"content-type", content_type.encode()), *((k.encode(), v.encode()) for k, v in own.items())]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx.ASGITransport(app=SecurityHeaders(app, settings=settings, pages=pages))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
        return (await client.get(path)).headers


@pytest.mark.parametrize(
    ("path", "content_type", "status", "caching"),
    [
        ("/assets/index-abc123.js", "text/javascript", 200, "public, max-age=31536000, immutable"),
        ("/assets/index-gone.js", "text/plain", 404, "no-cache"),
        ("/assets/%2e%2e/favicon.svg", "image/svg+xml", 200, "no-cache"),
        ("/assets/..%2fadmin/", "text/html", 200, "no-cache"),
        ("/assets/%2e%2e/v1/files", "application/json", 200, "private, no-store"),
        ("/v1/%2e%2e/assets/index-abc123.js", "text/javascript", 200, "private, no-store"),
        ("/", "text/html; charset=utf-8", 200, "no-cache"),
        ("/c/1/", "text/html", 200, "no-cache"),
        ("/v1/files", "application/json", 200, "private, no-store"),
        ("/auth/me", "application/json", 401, "private, no-store"),
        ("/openapi.json", "application/json", 200, "private, no-store"),
        ("/v1/admin/tenants/1/keys.csv", "text/csv", 200, "private, no-store"),
        ("/auth/oidc/callback", "text/plain", 303, "private, no-store"),
        ("/metrics", "text/plain", 200, "private, no-store"),
        ("/readyz", "application/json", 503, "private, no-store"),
        ("/favicon.svg", "image/svg+xml", 200, "no-cache"),
    ],
)
async def test_only_what_never_changes_is_kept(
    settings: Settings, path: str, content_type: str, status: int, caching: str
) -> None:
    headers = await headers_of(settings, path, content_type=content_type, status=status)

    assert headers["cache-control"] == caching


async def test_every_answer_says_what_a_browser_may_do(settings: Settings) -> None:
    headers = await headers_of(settings, "/", content_type="text/html")

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == policy["form-action"] == "'self'"
    assert not any("http" in sources or "*" in sources for sources in policy.values())


async def test_only_the_builds_own_inline_scripts_run(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "index.html").write_text('<script>one()</script><script type="module" src="/assets/a.js"></script>')
    (tmp_path / "documents" / "index.html").write_text("<p><script async>two()\n</script></p><script>one()</script>")

    page = await headers_of(settings, "/", content_type="text/html", pages=tmp_path)
    data = await headers_of(settings, "/v1/files", content_type="application/json", pages=tmp_path)

    hashes = {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in (b"one()", b"two()\n")}
    assert set(re.findall(r"'sha256-([^']+)'", page["content-security-policy"])) == hashes
    assert "unsafe-inline" not in page["content-security-policy"].partition("style-src")[0]
    assert "sha256" not in data["content-security-policy"]


async def test_a_page_that_was_not_modified_still_runs_its_scripts(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script>theme()</script>")
    fresh = await headers_of(settings, "/", content_type="text/html", pages=tmp_path)
    kept = await headers_of(settings, "/", content_type="", status=304, pages=tmp_path)
    assert "sha256-" in kept["content-security-policy"]
    assert kept["content-security-policy"] == fresh["content-security-policy"]


async def test_pages_built_again_bring_their_own_scripts(settings: Settings, tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    scripts = PageScripts(tmp_path)
    found = [scripts.hashes()]
    for number in (1, 2):
        index.write_text(f"<script>{number}</script>")
        os.utime(index, ns=(number, number))
        found.append(scripts.hashes())

    assert found[0] == ""
    assert len(set(found)) == 3


async def test_what_an_answer_says_itself_stays(settings: Settings) -> None:
    headers = await headers_of(
        settings, "/v1/turns/1/events", content_type="text/event-stream", **{"cache-control": "no-store"}
    )

    assert headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("name", "content", "media_type", "disposition"),
    [
        ("page.html", b"<html><script>alert(1)</script><p>Words.</p></html>", "application/octet-stream", "attachment"),
        ("note.txt", b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        ("report.pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n", "application/pdf", "inline"),
    ],
)
async def test_an_uploaded_file_is_never_run(
    client: httpx.AsyncClient, actor: Actor, key_of: KeyOf, name: str, content: bytes, media_type: str, disposition: str
) -> None:
    async def pieces():
        yield content

    uploaded = await documents.upload(actor, filename=name, content=pieces())

    answer = await client.get(f"/v1/files/{uploaded.document.id}/content", headers=await key_of(actor))

    assert answer.content == content
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith(disposition)
    assert name in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_part_of_a_file_can_be_asked_for(client: httpx.AsyncClient, actor: Actor, key_of: KeyOf) -> None:
    async def pieces():
        yield b"0123456789 and some words"

    uploaded = await documents.upload(actor, filename="a.txt", content=pieces())

    answer = await client.get(
        f"/v1/files/{uploaded.document.id}/content", headers=await key_of(actor) | {"Range": "bytes=2-4"}
    )

    assert (answer.status_code, answer.content) == (206, b"234")
