"""The API as it describes itself, asked with whatever the description allows and what it does not: never a 500."""

from __future__ import annotations

import contextlib
import json
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from chatapp.domain import Actor, Permission
from chatapp.web.app import create_api
from tests.fixtures.credentials import KeyOf, SignInAs
from tests.fixtures.people import MakeActor

_EXAMPLES = 8
"""Of each operation, valid and invalid together; the same in every run."""
_DRAWN = settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
_LIMITED = {"/auth/login", "/auth/link", "/auth/link/about", "/auth/methods", "/auth/password", "/auth/oidc/prove"}
"""After a few attempts the answer is 429 whatever is sent; `test_bad_input` and `test_auth` try them."""


@cache
def requests() -> list[dict[str, Any]]:
    """Method, address and the rest of every request that is tried."""
    description = create_api().openapi()
    drawn: list[dict[str, Any]] = []
    for result in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = result.ok()
        if operation.path in _LIMITED:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _draw(operation, mode, drawn)
    return drawn


def _draw(operation: Any, mode: GenerationMode, drawn: list[dict[str, Any]]) -> None:
    @_DRAWN
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        drawn.append(_request(case))

    # Where nothing can be given, nothing can be given wrongly.
    with contextlib.suppress(Unsatisfiable):
        collect()


def _request(case: Any) -> dict[str, Any]:
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    request: dict[str, Any] = {"method": case.method, "url": path}
    if case.query:
        request["params"] = {name: _short(value) for name, value in case.query.items()}
    headers = {name: str(value) for name, value in (case.headers or {}).items()}
    if case.media_type == "application/json":
        headers["Content-Type"] = "application/json"
        request["content"] = _as_json(case.body)
    elif isinstance(case.body, dict):
        request["data"] = {name: str(value) for name, value in case.body.items()}
    return request | {
        "headers": {name: value for name, value in headers.items() if value.isprintable() and value.isascii()}
    }


def _as_json(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"" if type(body).__name__ == "NotSet" else json.dumps(body, default=repr).encode("utf-8", "replace")


def _short(value: Any) -> Any:
    # What no server would take as an address is not worth asking.
    return [str(each)[:500] for each in value[:50]] if isinstance(value, list) else str(value)[:5_000]


async def _answers(client: httpx.AsyncClient, headers: dict[str, str]) -> list[str]:
    broken = []
    for request in requests():
        client.cookies.clear()
        answer = await client.request(**request | {"headers": request["headers"] | headers})
        if answer.status_code >= 500 and answer.status_code != 503:
            broken.append(f"{request}: {answer.status_code} {answer.text[:200]}")
        elif answer.status_code >= 400 and set(answer.json()["error"]) != {"message", "type", "code", "param"}:
            broken.append(f"{request}: not the contract's error, {answer.text[:200]}")
    return broken


pytestmark = [
    pytest.mark.slow,
    # PostgreSQL takes less than SQLite does: what passes it passes both.
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]


@pytest.mark.usefixtures("built_in_model")
@pytest.mark.parametrize("who", ["admin", "platform", "member", "anonymous"])
async def test_nothing_the_description_allows_breaks_the_api(
    client: httpx.AsyncClient, make_actor: MakeActor, key_of: KeyOf, who: str
) -> None:
    person: Actor = await make_actor(
        {Permission.CHAT} if who == "member" else None, is_platform_admin=who == "platform"
    )
    headers = {} if who == "anonymous" else await key_of(person)

    broken = await _answers(client, headers)

    assert not broken, "\n" + "\n".join(broken[:50])


async def test_an_admins_own_session_stands_it_too(
    client: httpx.AsyncClient, actor: Actor, sign_in_as: SignInAs
) -> None:
    """What only a sign-in may do, keys never get to."""
    headers = await sign_in_as(actor)
    broken = []
    for request in requests():
        if request["url"].startswith("/auth/") and "sessions" not in request["url"]:
            client.cookies.clear()
            answer = await client.request(**request | {"headers": request["headers"] | headers})
            broken += [f"{request}: {answer.text[:200]}"] if answer.status_code >= 500 else []

    assert len(requests()) > 900
    assert not broken, "\n" + "\n".join(broken[:50])
