"""Every event handler against everybody who may not fire it: at the guard, and over the bus itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import httpx
import pytest

from chatapp.store import database
from tests.access.events import EVENTS, Event, expected_of, find, routes_of_reflex
from tests.access.world import CANARY, snapshot
from tests.fixtures.backend import Backend
from tests.fixtures.surroundings import PROJECT

_PLANTED = "tests.fixtures.planted_app"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The product's own; the planted application is the product and a few States more, and takes as long to load."""
    return [event for event in find(_PLANTED) if not event.state.startswith(_PLANTED)]


def test_every_event_is_declared(events: list[Event]) -> None:
    undeclared = {f"{event.state}.{event.handler}" for event in events if expected_of(event) is None}
    declared = {(state, handler) for state, (_, handlers) in EVENTS.items() for handler in handlers}

    assert undeclared == set(), "say in events.py who may fire it"
    assert declared - {(event.state, event.handler) for event in events} == set(), "these are gone"
    assert EVENTS.keys() - {event.state for event in events} == set()


def test_the_guard_lets_in_whom_it_is_declared_to(events: list[Event]) -> None:
    wrong = {
        f"{event.state}.{event.handler}": (sorted(event.let_in), sorted(expected))
        for event in events
        if (expected := expected_of(event)) is not None and event.let_in != expected
    }

    assert wrong == {}


def test_reflex_answers_nothing_but_its_socket_and_a_sign_of_life() -> None:
    # `rx.upload` would add an address that takes files from anybody, into a folder everybody reads.
    assert routes_of_reflex(_PLANTED) == {"Route /ping", "Route /_health", "Mount /_event"}


def test_planted_events_are_found() -> None:
    planted = [event for event in find(_PLANTED) if event.state.startswith(_PLANTED)]

    assert {event.handler for event in planted} >= {"write", "touch", "open_everything", "who_in_background"}
    assert all(expected_of(event) is None for event in planted)


@dataclass(frozen=True)
class Served:
    """A running installation with the world of the matrix in it."""

    backend: Backend
    ids: dict[str, str]
    columns: dict[str, dict[str, str]]

    async def snapshot(self) -> dict[str, list[str]]:
        """Every row of the first tenant."""
        database.open_database(f"sqlite+aiosqlite:///{self.backend.data_dir / 'chatapp.db'}")
        try:
            return await snapshot(UUID(self.ids["tenant"]))
        finally:
            await database.close_database()


@pytest.fixture(scope="module")
def served(backend: Backend) -> Served:
    done = subprocess.run(
        [sys.executable, "-m", "tests.access.world"],
        **{"env": backend.environment, "cwd": PROJECT, "capture_output": True, "text": True},
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    world = Served(backend, made["ids"], made["signed_in"] | made["turned_away"])
    owner = world.columns["owner (key)"]
    for _ in range(600):
        told = httpx.get(f"{backend.url}/v1/files/{world.ids['file']}", headers=owner).json()
        if told["status"] not in {"queued", "running", "uploaded"}:
            return world
        asyncio.run(asyncio.sleep(0.1))
    raise AssertionError(f"the document was never read: {told}")


class Tab:
    """A tab's socket, without the page around it."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def fire(self, event: Event | str, arguments: dict[str, Any]) -> None:
        """Fire an event and wait for nothing."""
        name = event if isinstance(event, str) else event.name
        router = {"pathname": "/", "asPath": "/"}
        fired = {"name": name, "payload": arguments, "router_data": router}
        await self._connection.send_str("42/_event," + json.dumps(["event", fired]))

    async def hear_until(self, words: str) -> str:
        """Everything that is said until the words are."""
        said = ""
        async with asyncio.timeout(120):
            async for message in self._connection:
                if message.data == "2":
                    await self._connection.send_str("3")
                said += str(message.data)
                if words in said:
                    return said
        raise AssertionError(f"the socket was closed: {said[-500:]}")

    async def everything(self) -> str:
        """What all events fired so far led to: two events of our own end it, the second after the first's answer."""
        said = ""
        for _ in range(2):
            end = uuid4().hex
            await self.fire(f"{_path_of('planted_public_state')}.write", {"text": end})
            said += await self.hear_until(end)
        return said


def _path_of(state: str) -> str:
    return f"reflex___state____state.tests___fixtures___planted_app____{state}"


@contextlib.asynccontextmanager
async def tab(served: Served, column: str) -> AsyncIterator[Tab]:
    headers = {"Cookie": served.columns[column]["Cookie"], "Origin": served.backend.url}
    address = f"{served.backend.url}/_event/?EIO=4&transport=websocket&token={uuid4()}"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, headers=headers) as connection:
        await connection.receive_str(timeout=10)
        await connection.send_str("40/_event,")
        await connection.receive_str(timeout=10)
        yield Tab(connection)


def arguments_of(event: Event, ids: dict[str, str]) -> list[dict[str, Any]]:
    """Arguments with ids of the first tenant in every place that may take one."""
    kinds = {
        "conversation_id": ["conversation"],
        "turn_id": ["turn"],
        "document_id": ["file"],
        "document_ids": ["file"],
        "collection_id": ["store"],
        "collection_ids": ["store"],
        "subject": ["user", "key", "tenant", "group", "provider", "store", "entry", "session"],
        "ids": ["user", "key", "tenant", "group", "provider", "store", "entry", "session"],
    }
    plain: dict[str, Any] = {
        "text": CANARY[:4],
        "words": CANARY[:4],
        "title": "Taken",
        "name": "revoke",
        "action": "revoke",
        "typed": f"{CANARY} Limited",
        "reason": "none",
        "question": "What is there?",
        "values": {"name": "Taken", "email": "taken@example.org", "roles": ["admin"], "scopes": ["admin"]},
        "description": "Taken",
        "audience": "everyone",
        "grants": [],
        "chosen": [{"subject_kind": "everyone", "subject": "", "access": "write"}],
        "step": "people",
        "vars": {},
        "hashes": {},
        "info": "",
        "component_stack": "",
        "value": True,
        "var_name": "is_hydrated",
    }
    named = [name for name in event.arguments if name in kinds]
    given = {name: plain.get(name, True) for name in event.arguments if name not in kinds}
    choices = kinds[named[0]] if len(named) == 1 else [None]
    found = []
    for choice in choices:
        chosen = {name: ids[choice or kinds[name][0]] for name in named}
        found.append(given | {name: [one] if name.endswith("ids") else one for name, one in chosen.items()})
    if event.handler in {"act", "confirm"}:
        verbs = ("revoke", "remove", "disable", "delete", "suspend", "sign_out", "rotate", "change", "rename")
        return [
            one | {"name": verb, "action": verb} if "name" in one else one | {"action": verb}
            for one in found
            for verb in verbs
        ]
    return found


def own_events(events: list[Event]) -> list[Event]:
    """Those of our own States that are for people."""
    return [event for event in events if not event.state.startswith("reflex.") and event.handler != "setvar"]


async def test_what_the_guard_refuses_changes_no_state(served: Served, events: list[Event]) -> None:
    before = await served.snapshot()
    for column in ("bare", "member", "auditor"):
        refused = [event for event in own_events(events) if column not in event.let_in]
        async with tab(served, column) as socket:
            for event in refused:
                for arguments in arguments_of(event, served.ids)[:1]:
                    await socket.fire(event, arguments)
            said = await socket.everything()

        assert refused
        for event in refused:
            assert f'"{event.path}"' not in said, (column, event.name)
    assert await served.snapshot() == before


@pytest.mark.slow
@pytest.mark.parametrize("column", ["other", "auditor", "bare"])
async def test_no_event_changes_or_tells_what_is_not_ones_own(served: Served, events: list[Event], column: str) -> None:
    before = await served.snapshot()
    async with tab(served, column) as socket:
        for event in own_events(events):
            for arguments in arguments_of(event, served.ids):
                await socket.fire(event, arguments)
        said = await socket.everything()

    if column == "other":
        assert CANARY not in said, said[said.index(CANARY) - 1_000 : said.index(CANARY) + 200]
    assert await served.snapshot() == before
