"""What nobody should send: each answer has the contract's error, and nothing breaks."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.settings import get_settings
from chatapp.web.app import create_api, edge
from tests.fixtures.credentials import KeyOf

JSON = {"Content-Type": "application/json"}
CHAT = "/v1/chat/completions"


def message(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.fixture
async def headers(parts: None, actor: Actor, key_of: KeyOf) -> dict[str, str]:
    return await key_of(actor)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert len(error["message"]) > 5
    return answer.status_code, error["code"]


BODIES: dict[str, tuple[bytes, int]] = {
    "malformed": (b'{"messages": [', 400),
    "nothing": (b"", 422),
    "an array": (b"[1, 2]", 422),
    "a number": (b"7", 422),
    "null": (b"null", 422),
    "not UTF-8": (b'{"messages": "\xff\xfe"}', 400),
    "nesting the parser refuses": (b"[" * 100_000, 400),
    "nesting nobody needs": (b'{"messages": ' + b"[" * 500 + b"]" * 500 + b"}", 422),
    "null bytes": (json.dumps(message("a\0b")).encode(), 422),
    "half a surrogate": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 422),
    "no messages": (b"{}", 422),
    "empty messages": (b'{"messages": []}', 422),
    "empty message": (json.dumps(message("")).encode(), 422),
    "blank message": (json.dumps(message(" \n\t ")).encode(), 422),
    "200,000 characters": (json.dumps(message("x" * 200_000)).encode(), 422),
    "a message that is no text": (json.dumps(message({"a": 1})).encode(), 422),
    "a picture": (json.dumps(message([{"type": "image_url", "image_url": {"url": "x"}}])).encode(), 422),
    "an unknown role": (b'{"messages": [{"role": "root", "content": "x"}]}', 422),
    "an assistant's last word": (b'{"messages": [{"role": "assistant", "content": "x"}]}', 422),
    "an unknown model": (json.dumps(message("x") | {"model": "gpt-none"}).encode(), 404),
    "an unknown conversation": (json.dumps(message("x") | {"conversation_id": str(uuid4())}).encode(), 404),
    "a conversation that is no id": (json.dumps(message("x") | {"conversation_id": "'; --"}).encode(), 404),
    "an unknown collection": (json.dumps(message("x") | {"collections": [str(uuid4())]}).encode(), 404),
    "collections of a wrong type": (json.dumps(message("x") | {"collections": {"a": 1}}).encode(), 422),
    "a wrong cache": (json.dumps(message("x") | {"cache": "maybe"}).encode(), 422),
    "two answers": (json.dumps(message("x") | {"n": 2}).encode(), 422),
    "tools": (json.dumps(message("x") | {"tools": [{"type": "function"}]}).encode(), 422),
    "too hot": (json.dumps(message("x") | {"temperature": 1e9}).encode(), 422),
    "not a number": (b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}', 422),
    "a huge number": (b'{"messages": [{"role": "user", "content": "x"}], "seed": ' + b"9" * 5_000 + b"}", 400),
    "a seed no model takes": (json.dumps(message("x") | {"seed": 2**63}).encode(), 422),
    "a long stop": (json.dumps(message("x") | {"stop": ["a" * 201]}).encode(), 422),
    "five stops": (json.dumps(message("x") | {"stop": list("abcde")}).encode(), 422),
    "a long model name": (json.dumps(message("x") | {"model": "m" * 100_000}).encode(), 422),
    "six megabytes": (b'{"messages": "' + b"x" * 6_000_000 + b'"}', 413),
}


@pytest.mark.usefixtures("built_in_model")
async def test_bad_bodies_get_the_contracts_errors(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    codes = {400: "invalid_input", 404: "not_found", 413: "too_large", 422: "invalid_input"}
    for name, (body, status) in BODIES.items():
        answer = await client.post(CHAT, content=body, headers=headers | JSON)
        assert error_of(answer) == (status, codes[status]), (name, answer.text)
    assert (await client.get("/healthz")).status_code == 200


async def test_a_field_at_fault_is_named(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(CHAT, json=message("x") | {"temperature": "hot"}, headers=headers)

    assert answer.json()["error"]["param"] == "temperature"


@pytest.mark.parametrize(
    ("path", "body", "param", "words"),
    [
        (CHAT, message([{"type": "image_url", "image_url": {"url": "x"}}]), "messages.0.content.0.type", "'text'"),
        (CHAT, message(7), "messages.0.content", "string"),
        ("/v1/embeddings", {"model": "auto", "input": ["a"] * 3_000}, "input", "at most 2048"),
        ("/v1/embeddings", {"model": "auto", "input": []}, "input", "at least 1"),
    ],
    ids=["a picture", "a number", "many texts", "no text"],
)
async def test_a_field_of_several_types_says_what_is_wrong_with_the_one_that_was_sent(
    client: httpx.AsyncClient, headers: dict[str, str], path: str, body: dict[str, Any], param: str, words: str
) -> None:
    error = (await client.post(path, json=body, headers=headers)).json()["error"]
    assert error["param"] == param
    assert words in error["message"]


@pytest.mark.parametrize("length", [None, "6000000"])
async def test_a_body_that_grows_too_large_is_cut_off(
    client: httpx.AsyncClient, headers: dict[str, str], length: str | None
) -> None:
    async def endless():
        yield b'{"messages": "'
        for _ in range(6):
            yield b"x" * 1_000_000

    sizes = {"Content-Length": length} if length else {}
    answer = await client.post(CHAT, content=endless(), headers=headers | JSON | sizes)

    assert error_of(answer) == (413, "too_large")


@pytest.mark.parametrize("path", ["/auth/login", CHAT, "/v1/filesystem"])
async def test_a_form_is_large_only_where_files_are_taken_in(client: httpx.AsyncClient, path: str) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=xx"}

    answer = await client.post(path, content=b"x" * 6_000_000, headers=form)

    assert error_of(answer) == (413, "too_large")


UPLOADS: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "no form": ({"json": {}}, (422, "invalid_input")),
    "no file": ({"data": {"purpose": "assistants"}, "files": {"other": b"x"}}, (422, "invalid_input")),
    "an empty file": ({"files": {"file": ("a.txt", b"")}}, (422, "empty_document")),
    "a renamed executable": (
        {"files": {"file": ("report.pdf", b"\x7fELF\x02\x01\x01" + b"\0" * 5_000)}},
        (415, "unsupported_media_type"),
    ),
    "an unknown collection": (
        {"data": {"collection_id": str(uuid4())}, "files": {"file": ("a.txt", b"Text.")}},
        (404, "not_found"),
    ),
    "a collection that is no id": (
        {"data": {"collection_id": "x"}, "files": {"file": ("a.txt", b"Text.")}},
        (404, "not_found"),
    ),
}


async def test_bad_uploads_get_the_contracts_errors(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for name, (request, expected) in UPLOADS.items():
        answer = await client.post("/v1/files", headers=headers, **request)
        assert error_of(answer) == expected, (name, answer.text)
    left = [path for path in get_settings().data_dir.rglob("*") if path.is_file() and "incoming" in str(path)]
    assert left == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xx",
        b"--yy\r\n\r\n",
        b"--xx\r\n\r\n",
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nThe upload breaks off he',
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"' + b"x" * 20_000,
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 200_000 + b"\r\n--xx--\r\n",
    ],
    ids=["empty", "a boundary", "a foreign boundary", "no header", "broken off", "a long header", "a long field"],
)
async def test_damaged_forms_are_refused(client: httpx.AsyncClient, headers: dict[str, str], body: bytes) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=xx"}

    answer = await client.post("/v1/files", content=body, headers=headers | form)

    assert error_of(answer) == (422, "invalid_input")


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_file_over_the_limit_is_refused(
    parts: None, headers: dict[str, str], is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATAPP_MAX_UPLOAD_BYTES", str(1024 * 1024))
    get_settings.cache_clear()
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    sent = 0

    async def large():
        nonlocal sent
        yield head
        for _ in range(200):
            sent += 1
            yield b"a" * 1024 * 1024

    form = {"Content-Type": "multipart/form-data; boundary=xx"} | (
        {"Content-Length": str(200 * 1024 * 1024)} if is_told else {}
    )
    transport = httpx.ASGITransport(app=edge(create_api()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
        answer = await client.post("/v1/files", content=large(), headers=headers | form)

    assert error_of(answer) == (413, "too_large")
    assert not any(path.stat().st_size > 2**21 for path in get_settings().data_dir.rglob("*.part"))


ADDRESSES = {
    "/v1/files/zzz": (404, "not_found"),
    "/v1/files/%00": (404, "not_found"),
    "/v1/files?limit=0": (422, "invalid_input"),
    "/v1/files?limit=many": (422, "invalid_input"),
    "/v1/files?limit=99999999999999999999": (422, "invalid_input"),
    "/v1/files?after=zzz": (404, "not_found"),
    "/v1/files?order=sideways": (422, "invalid_input"),
    "/v1/files?ids=1,2": (404, "not_found"),
    "/v1/vector_stores?after=zzz": (404, "not_found"),
    "/v1/traces/1": (404, "not_found"),
    "/v1/turns/1/events": (404, "not_found"),
    "/v1/models/none": (404, "not_found"),
    "/v1/nothing/here": (404, "not_found"),
    "/v1": (404, "not_found"),
    "/auth/nothing": (404, "not_found"),
}


async def test_bad_addresses_get_the_contracts_errors(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path, expected in ADDRESSES.items():
        assert error_of(await client.get(path, headers=headers)) == expected, path


async def test_a_method_an_address_does_not_take_is_405(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.delete("/v1/models", headers=headers)

    assert error_of(answer) == (405, "invalid_input")


async def test_something_unexpected_has_a_number_and_no_internals(
    parts: None, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setattr("chatapp.services.catalog.list_models", crash)
    transport = httpx.ASGITransport(app=edge(create_api()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
        answer = await client.get("/v1/models", headers=headers)

    assert error_of(answer) == (500, "internal_error")
    assert "swordfish" not in answer.text


async def test_odd_headers_open_and_break_nothing(client: httpx.AsyncClient, parts: None) -> None:
    values = ["' OR 1=1 --", "Bearer ' UNION SELECT 1", "\xff\xfe", "=" * 10_000, "%00", ";;=;"]
    for name in ("authorization", "cookie", "origin", "x-forwarded-for", "last-event-id", "host"):
        for value in values:
            answer = await client.get("/auth/me", headers={name.encode(): value.encode("latin-1")})
            assert error_of(answer) == (401, "not_signed_in"), (name, value)
