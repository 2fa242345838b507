"""Odd values in every place the API's own description names: an answer below 500, always in the contract's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.web.app import create_api
from tests.fixtures.credentials import KeyOf

IN_ADDRESSES = [
    "",
    "0",
    "-1",
    "9" * 40,
    "1e400",
    "null",
    "a\tb",
    "\x00",
    "é",
    "%",
    "'; --",
    "../..",
    str(uuid4()),
    "x" * 3_000,
]
IN_BODIES = [
    *(None, True, 0, -1, 10**30, 1.5, "", " ", "x" * 40_000, "\x00", "\ud800", "é", [], [None], [[]], ["x"] * 3_000),
    *({}, {"a": {"b": []}}, [{"role": "user", "content": "x"}], str(uuid4()), [str(uuid4())], "auto", "up"),
]
VALID = {
    "model": "extractive",
    "messages": [{"role": "user", "content": "Hello?"}],
    "collections": [],
    "input": "x",
    "query": "x",
    "trace_id": str(uuid4()),
    "rating": "up",
    "file_id": str(uuid4()),
    "name": "x",
    "email": "a@example.org",
    "password": "x" * 12,
    "token": "x",
}


def resolve(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return api["components"]["schemas"][name] if name else schema


def requests(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and body for each value in each place of each route."""
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/auth"):
                continue  # limited: after six attempts the answer is 429 whatever is sent
            names = {
                p["name"]: "auto" if p["name"] == "name" else str(uuid4()) for p in operation.get("parameters", [])
            }
            address = path.format(**names)
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            fields = resolve(api, schema).get("properties", {})
            body = {name: VALID[name] for name in fields if name in VALID}
            for parameter in operation.get("parameters", []):
                for value in IN_ADDRESSES:
                    if parameter["in"] == "query":
                        yield method, address, {"params": {parameter["name"]: value}}
                    elif parameter["in"] == "path" and value.strip():
                        odd = path.format(**names | {parameter["name"]: quote(value, safe="")})
                        yield method, odd, {"content": json.dumps(body)} if fields else {}
            for field in fields:
                for value in IN_BODIES:
                    yield method, address, {"content": json.dumps(body | {field: value})}


# PostgreSQL takes less than SQLite does: what passes it passes both.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.slow
@pytest.mark.usefixtures("built_in_model")
async def test_no_value_anywhere_breaks_the_api(
    client: httpx.AsyncClient, parts: None, actor: Actor, key_of: KeyOf
) -> None:
    headers = await key_of(actor) | {"Content-Type": "application/json"}
    tried = 0
    for method, address, request in requests(create_api().openapi()):
        if method == "put":
            continue
        answer = await client.request(method, address, headers=headers, **request)
        tried += 1
        assert answer.status_code < 500 or "/readyz" in address, (method, address, str(request)[:300], answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "code", "param"}

    assert tried > 500
