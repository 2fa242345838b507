"""The matrix: every declared route against everybody, twice: with what is there, and with what is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chatapp.errors import NotFound, NotPermitted
from chatapp.web.app import create_api
from chatapp.web.auth import SignedIn
from tests.access.expected import READ_ONE, Expected, Row
from tests.access.rows import ANSWERED_ALIKE, ELSEWHERE, NAMES, PARAMETERS, ROWS
from tests.access.world import CANARY, World, make_world, snapshot

Ids = Mapping[str, UUID]
_ID_OR_MOMENT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=_at\":)\d+")
_SAME_FOR_ALL = {"content-length", "content-type", "cache-control"}


@pytest.fixture
async def world(parts: None) -> World:
    return await make_world()


class _Random(dict[str, UUID]):
    """Ids of things that are nowhere."""

    def __missing__(self, kind: str) -> UUID:
        self[kind] = uuid4()
        return self[kind]


def fill(value: Any, ids: Ids) -> Any:
    """A body with `<kind>` put right."""
    if isinstance(value, dict):
        return {name: fill(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [fill(one, ids) for one in value]
    found = re.fullmatch(r"<(\w+)>", value) if isinstance(value, str) else None
    return str(ids[found[1]]) if found else value


async def ask(
    client: httpx.AsyncClient,
    name: str,
    row: Row,
    ids: Ids,
    headers: dict[str, str],
    *,
    elsewhere: Ids | None = None,
) -> httpx.Response:
    """One request of the matrix; `elsewhere` are the ids of query, form and body, where they are others."""
    method, _, path = name.partition(" ")
    address = re.sub(r"{(\w+)(:path)?}", lambda found: _value(found[1], ids), path)
    inside = elsewhere or ids
    request: dict[str, Any] = {"params": fill(row.query, inside)} if row.query else {}
    if row.json is not None:
        request["json"] = fill(row.json, inside)
    if row.files:
        request |= {"files": row.files, "data": fill(row.form, inside)}
    client.cookies.clear()
    return await client.request(method, address, headers=headers, **request)


def _value(name: str, ids: Ids) -> str:
    return str(ids[PARAMETERS[name]]) if name in PARAMETERS else NAMES.get(name, "auto")


def expected_of(row: Row, column: str) -> str | None:
    """What a column gets: `ok`, or the status of its refusal; None: not to be tried."""
    if row.expected is None:
        return None
    who, _, credential = column.partition(" (")
    if who not in Expected.__dataclass_fields__:
        return "401"
    if "narrow" in credential and row.expected.narrow:
        return row.expected.narrow
    return row.expected.key if credential and row.expected.key else str(getattr(row.expected, who))


def is_tried(name: str, row: Row, column: str, expected: str) -> bool:
    """Whether a request that is let in would leave the first tenant alone."""
    if expected != "ok" or name.startswith("GET "):
        return True
    return column.startswith("other") and "tenant_id" not in name


def refusal(answer: httpx.Response) -> str:
    """`ok`, or the status where somebody was turned away."""
    return str(answer.status_code) if answer.status_code in {401, 403, 404} else "ok"


async def leaks(client: httpx.AsyncClient, world: World, rows: Mapping[str, Row]) -> list[str]:
    """Where somebody got something else than declared, or something of the first tenant that is not theirs."""
    found = []
    nothing = _Random(tenant=world.ids["tenant"])
    for name, row in rows.items():
        for column, headers in world.columns.items():
            expected = expected_of(row, column)
            if expected is None or not is_tried(name, row, column, expected):
                continue
            answer = await ask(client, name, row, world.ids, headers)
            got = refusal(answer)
            # An address may lead nowhere for reasons of its own: the models and the pages of a text are not here.
            if got != expected and not (expected == "ok" and got == "404" and column.startswith(("other", "platform"))):
                found.append(f"{name} as {column}: {got} instead of {expected}")
            if CANARY in answer.text and (expected != "ok" or column.startswith("other")):
                found.append(f"{name} as {column}: told of the first tenant")
            if expected in {"401", "403", "404"} and (other := await ask(client, name, row, nothing, headers)):
                found += differences(f"{name} as {column}", answer, other)
    return found


def differences(what: str, answer: httpx.Response, other: httpx.Response) -> list[str]:
    """Where a refusal tells whether the thing is there."""
    same = answer.status_code == other.status_code and _plain(answer) == _plain(other)
    headers = [{name: one.headers.get(name) for name in _SAME_FOR_ALL} for one in (answer, other)]
    if same and headers[0] == headers[1]:
        return []
    told = (f"{one.status_code} {one.text[:120]}" for one in (answer, other))
    return [f"{what}, there and not there: {' / '.join(told)}"]


def _plain(answer: httpx.Response) -> str:
    """What an answer says, without the ids that were asked with and the moments it was made."""
    return _ID_OR_MOMENT.sub("*", answer.text)


@pytest.mark.usefixtures("built_in_model")
async def test_nobody_gets_through_a_wall(client: httpx.AsyncClient, world: World) -> None:
    before = await snapshot(world.ids["tenant"])

    found = await leaks(client, world, ROWS)

    assert not found, "\n" + "\n".join(found)
    assert await snapshot(world.ids["tenant"]) == before


@pytest.mark.usefixtures("built_in_model")
async def test_no_id_of_another_tenant_is_taken_beside_ones_own(client: httpx.AsyncClient, world: World) -> None:
    before, found = await snapshot(world.ids["tenant"]), []
    for name, row in ROWS.items():
        names = re.findall(r"{(\w+)}", name)
        if len(names) < 2 or row.expected is None or row.expected.other == "403":
            continue
        for swapped in names:
            kind = PARAMETERS[swapped]
            for_foreign = world.own_ids | {kind: world.ids[kind]}
            for_nothing = world.own_ids | {kind: uuid4()}
            headers = world.columns["other"]
            answer = await ask(client, name, row, for_foreign, headers)
            if answer.status_code != 404 and name not in ANSWERED_ALIKE:
                found.append(f"{name} with another's {kind}: {answer.status_code} {answer.text[:200]}")
            found += differences(
                f"{name} with another's {kind}", answer, await ask(client, name, row, for_nothing, headers)
            )

    assert not found, "\n" + "\n".join(found)
    assert await snapshot(world.ids["tenant"]) == before


def requests_elsewhere() -> list[tuple[str, str, Row]]:
    """Each place of `ELSEWHERE` as route, kind, and a row that asks with it."""
    found = []
    for place, elsewhere in ELSEWHERE.items():
        route = re.split(r" (?:\?|form |body )", place)[0]
        for kind, body in ((elsewhere.kind, elsewhere.json), *elsewhere.further):
            row = replace(ROWS[route], json=body, query=elsewhere.query, form=elsewhere.form)
            found.append((route, kind, row))
    return found


@pytest.mark.usefixtures("built_in_model")
async def test_ids_of_another_tenant_in_queries_forms_and_bodies_are_nobodys(
    client: httpx.AsyncClient, world: World
) -> None:
    before, found = await snapshot(world.ids["tenant"]), []
    for name, kind, row in requests_elsewhere():
        headers = world.columns["other"]
        answers = [
            await ask(client, name, row, world.own_ids, headers, elsewhere=world.own_ids | {kind: strange})
            for strange in (world.ids[kind], uuid4())
        ]
        what = f"{name} with another's {kind}"
        is_taken = answers[0].status_code < 400 and not name.startswith("GET ") and name not in ANSWERED_ALIKE
        if CANARY in answers[0].text or is_taken:
            found.append(f"{what}: {answers[0].status_code} {answers[0].text[:200]}")
        found += differences(what, *answers)

    assert not found, "\n" + "\n".join(found)
    assert await snapshot(world.ids["tenant"]) == before


async def test_a_cookie_from_a_foreign_page_changes_nothing(client: httpx.AsyncClient, world: World) -> None:
    cookie = {"Cookie": world.columns["owner"]["Cookie"]}
    before, found = await snapshot(world.ids["tenant"]), []
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:3001"}):
        for name, row in ROWS.items():
            if name.startswith("GET ") or row.expected is None:
                continue
            answer = await ask(client, name, row, world.ids, cookie | origin)
            if (answer.status_code, answer.json()["error"]["code"]) != (403, "not_permitted"):
                found.append(f"{name} from {origin}: {answer.status_code} {answer.text[:200]}")

    assert not found, "\n" + "\n".join(found)
    assert await snapshot(world.ids["tenant"]) == before


async def test_the_owner_is_told_of_the_canary(client: httpx.AsyncClient, world: World) -> None:
    told = set()
    for name, row in ROWS.items():
        if name.startswith("GET ") and row.expected is not None:
            answer = await ask(client, name, row, world.ids, world.columns["owner"])
            told |= {name} if CANARY in answer.text else set()

    # Otherwise no stranger's answer could be found out by it.
    assert len(told) >= 20, told


async def test_a_planted_hole_is_found(client: httpx.AsyncClient, world: World) -> None:
    async def unguarded(file_id: UUID) -> str:
        return f"{CANARY} {file_id}"

    async def unscoped(actor: SignedIn, file_id: UUID) -> dict[str, str]:
        if file_id != world.ids["file"]:
            raise NotFound
        raise NotPermitted

    api = create_api()
    for path, endpoint in (("/v2/{file_id}/unguarded", unguarded), ("/v2/{file_id}/unscoped", unscoped)):
        api.add_api_route(path, endpoint)
    rows = {f"GET {path}": Row(READ_ONE) for path in ("/v2/{file_id}/unguarded", "/v2/{file_id}/unscoped")}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url=str(client.base_url)) as planted:
        found = "\n".join(await leaks(planted, world, rows))

    assert "GET /v2/{file_id}/unguarded as anonymous: ok instead of 401" in found
    assert "GET /v2/{file_id}/unguarded as other: told of the first tenant" in found
    assert "GET /v2/{file_id}/unscoped as other: 403 instead of 404" in found
    assert "GET /v2/{file_id}/unscoped as other, there and not there" in found
