"""Attacks on Reflex's bus of events, by a client that speaks its protocol and obeys none of its pages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.fixtures.backend import EMAIL, Backend

MEMBER = "member@example.org"
ROOT = "reflex___state____state"
PLANTED = f"{ROOT}.tests___fixtures___planted_app____"
_LONGEST_SECONDS = 5.0


class Socket:
    """A tab's socket."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def fire(self, name: str, *, until: str = "", **payload: Any) -> str:
        """Fire an event; everything it led to, as text.

        Two events that anybody may fire end it, the second after the first's answer. What happens beside the bus is
        waited for by the words it is known `until`.
        """
        await self._send(name, payload)
        said = await self._hear_until(until) if until else ""
        for _ in range(2):
            end = uuid4().hex
            await self._send(f"{PLANTED}planted_public_state.write", {"text": end})
            said += await self._hear_until(end)
        return said

    async def _send(self, name: str, payload: dict[str, Any]) -> None:
        event = {"name": name, "payload": payload, "router_data": {"pathname": "/", "asPath": "/c/1"}}
        await self._connection.send_str("42/_event," + json.dumps(["event", event]))

    async def _hear_until(self, words: str) -> str:
        said = ""
        # Who is turned away gets no answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_SECONDS):
                async for message in self._connection:
                    if message.data == "2":
                        await self._connection.send_str("3")
                        continue
                    said += str(message.data) + "\n"
                    if words in said:
                        break
        return said


@contextlib.asynccontextmanager
async def tab(
    backend: Backend, cookie: str | None, *, origin: str | None = "", token: str | None = None
) -> AsyncIterator[Socket]:
    headers = {"Cookie": f"chatapp_session={cookie}"} if cookie else {}
    if origin is not None:
        headers["Origin"] = origin or backend.url
    address = f"{backend.url}/_event/?EIO=4&transport=websocket&token={token or uuid4()}"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, headers=headers) as connection:
        await connection.receive_str(timeout=5)
        await connection.send_str("40/_event,")
        await connection.receive_str(timeout=5)
        yield Socket(connection)


@pytest.fixture(scope="module")
def admin_cookie(backend: Backend) -> str:
    return backend.sign_in()


@pytest.fixture(scope="module")
def member_cookie(backend: Backend) -> str:
    backend.add_member(MEMBER)
    return backend.sign_in(MEMBER)


@pytest.mark.parametrize("cookie", [None, "wrong"])
async def test_nobody_opens_a_socket_without_a_session(backend: Backend, cookie: str | None) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with tab(backend, cookie):
            pass

    assert refusal.value.status == 403


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:1"])
async def test_no_foreign_page_opens_a_socket(backend: Backend, admin_cookie: str, origin: str | None) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with tab(backend, admin_cookie, origin=origin):
            pass

    assert refusal.value.status == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_bus_is_not_reachable_by_polling(backend: Backend, admin_cookie: str, method: str) -> None:
    headers = {"Cookie": f"chatapp_session={admin_cookie}", "Origin": backend.url}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{backend.url}/_event/?EIO=4&transport=polling", headers=headers) as answer,
    ):
        assert answer.status == 404


async def test_a_member_fires_what_members_may(backend: Backend, member_cookie: str) -> None:
    async with tab(backend, member_cookie) as socket:
        assert "hello" in await socket.fire(f"{PLANTED}planted_member_state.write", text="hello")
        assert "open" in await socket.fire(f"{PLANTED}planted_public_state.write", text="open")
        assert MEMBER in await socket.fire(f"{PLANTED}planted_member_state.who")
        assert MEMBER in await socket.fire(f"{PLANTED}planted_member_state.who_in_background", until=MEMBER)
        assert '"127.0.0.1"' in await socket.fire(f"{PLANTED}planted_member_state.from_where")


async def test_a_member_fires_nothing_of_admin_also_not_by_a_chain(backend: Backend, member_cookie: str) -> None:
    async with tab(backend, member_cookie) as socket:
        for event in ("planted_admin_state.open_everything", "planted_member_state.go_to_admin"):
            assert '"is_open_rx_state_":true' not in (await socket.fire(PLANTED + event)).replace(" ", "")


async def test_a_state_may_ask_for_more_than_a_sign_in(backend: Backend, member_cookie: str, admin_cookie: str) -> None:
    async with tab(backend, member_cookie) as socket:
        assert "mine" not in await socket.fire(f"{PLANTED}planted_writer_state.write", text="mine")
    async with tab(backend, admin_cookie) as socket:
        assert "mine" in await socket.fire(f"{PLANTED}planted_writer_state.write", text="mine")


async def test_an_admin_fires_admin_events(backend: Backend, admin_cookie: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        said = await socket.fire(f"{PLANTED}planted_admin_state.open_everything")

    assert '"is_open_rx_state_":true' in said.replace(" ", "")


async def test_a_state_outside_the_bases_is_fired_by_nobody(backend: Backend, admin_cookie: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        said = await socket.fire(f"{PLANTED}stray_state.touch")

    assert '"is_touched_rx_state_":true' not in said.replace(" ", "")


@pytest.mark.parametrize(
    "state", [ROOT, f"{PLANTED}planted_member_state", f"{ROOT}.reflex___state____on_load_internal_state"]
)
async def test_setvar_is_refused_to_everybody(backend: Backend, admin_cookie: str, state: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        said = await socket.fire(f"{state}.setvar", var_name="is_hydrated", value=True)
        await socket.fire(f"{PLANTED}planted_member_state.setvar", var_name="note", value="planted")
        kept = await socket.fire(f"{ROOT}.hydrate")

    assert "is_hydrated" not in said
    assert "planted" not in kept.replace("planted_", "")


async def test_browser_storage_cannot_carry_other_variables_in(backend: Backend, admin_cookie: str) -> None:
    name = f"{PLANTED}planted_member_state.note"
    async with tab(backend, admin_cookie) as socket:
        await socket.fire(
            f"{ROOT}.reflex___state____update_vars_internal_state.update_vars_internal", vars={name: "smuggled"}
        )
        await socket.fire(f"{ROOT}.hydrate_and_load", vars={name: "smuggled"})
        said = await socket.fire(f"{ROOT}.hydrate")

    assert "smuggled" not in said


@pytest.mark.parametrize("name", ["nope", f"{PLANTED}planted_member_state.nope", "", "../..", f"{ROOT}._clean"])
async def test_unknown_events_harm_nobody(backend: Backend, admin_cookie: str, name: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        await socket.fire(name, anything=1)
    async with tab(backend, admin_cookie) as socket:
        assert "alive" in await socket.fire(f"{PLANTED}planted_member_state.write", text="alive")


async def test_the_next_person_in_a_tab_sees_nothing_of_the_one_before(
    backend: Backend, admin_cookie: str, member_cookie: str
) -> None:
    token = str(uuid4())
    async with tab(backend, admin_cookie, token=token) as socket:
        await socket.fire(f"{PLANTED}planted_member_state.write", text="the admin's secret")
    await asyncio.sleep(0.3)

    async with tab(backend, member_cookie, token=token) as socket:
        said = await socket.fire(f"{ROOT}.hydrate")
        assert "planted_member_state" in said
        assert "the admin's secret" not in said

    async with tab(backend, admin_cookie, token=token) as socket:
        assert "the admin's secret" in await socket.fire(f"{ROOT}.hydrate")


async def test_who_lost_a_right_is_not_sent_again_what_the_tab_showed_with_it(backend: Backend) -> None:
    email, token = "once-admin@example.org", str(uuid4())
    backend.add_member(email)
    backend.set_role(email, "admin")
    async with tab(backend, backend.sign_in(email), token=token) as socket:
        said = await socket.fire(f"{PLANTED}planted_admin_state.open_everything")
        assert '"is_open_rx_state_":true' in said.replace(" ", "")
    backend.set_role(email, "member")

    async with tab(backend, backend.sign_in(email), token=token) as socket:
        said = await socket.fire(f"{ROOT}.hydrate")

    assert "planted_member_state" in said
    assert '"is_open_rx_state_":true' not in said.replace(" ", "")


async def test_the_name_of_anothers_tab_opens_nothing(backend: Backend, admin_cookie: str, member_cookie: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        said = await socket.fire(f"{ROOT}.hydrate")
        await socket.fire(f"{PLANTED}planted_member_state.write", text="the admin's secret")
        name = said.partition('"client_token":')[2].strip().strip('"').partition('"')[0]

        async with tab(backend, member_cookie, token=name) as other:
            assert "the admin's secret" not in await other.fire(f"{ROOT}.hydrate")


async def test_neither_state_nor_log_holds_the_cookie(backend: Backend, admin_cookie: str) -> None:
    async with tab(backend, admin_cookie) as socket:
        said = await socket.fire(f"{ROOT}.hydrate")
        await socket.fire("nope.nope")

    assert len(said) > 100
    assert admin_cookie not in said
    assert admin_cookie not in (backend.data_dir / "web.log").read_text(errors="replace")


async def test_an_open_socket_ends_with_its_session(backend: Backend) -> None:
    cookie = backend.sign_in(EMAIL)
    async with tab(backend, cookie) as socket:
        assert "before" in await socket.fire(f"{PLANTED}planted_member_state.write", text="before")
        with contextlib.closing(sqlite3.connect(backend.data_dir / "chatapp.db", timeout=10)) as database, database:
            database.execute(
                "UPDATE sessions SET revoked_at = CURRENT_TIMESTAMP WHERE id = "
                "(SELECT id FROM sessions ORDER BY created_at DESC LIMIT 1)"
            )
        await asyncio.sleep(0.8)

        said = await socket.fire(f"{PLANTED}planted_member_state.write", text="after")

    assert "after" not in said
    assert "/sign-in?next=/c/1" in said
