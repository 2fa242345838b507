"""Access that ends in one process ends in the other: a web process and this one share a database and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from chatapp.domain import Actor
from chatapp.services import authentication, memberships, users
from chatapp.settings import get_settings
from chatapp.store import database
from tests.fixtures.backend import EMAIL, Backend

LIMIT_SECONDS = 1.0


@pytest.fixture
async def admin(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Actor]:
    """The installation's admin in this process, with its database open here too."""
    for name in ("CHATAPP_DATA_DIR", "PORT"):
        monkeypatch.setenv(name, backend.environment[name])
    get_settings.cache_clear()
    database.open_database(get_settings().effective_database_url)
    authentication.forget_cached_actors()
    yield await users.admin_actor(EMAIL)
    await database.close_database()
    get_settings.cache_clear()


@pytest.fixture
def member(backend: Backend) -> str:
    """Address of a fresh member."""
    email = f"{uuid4().hex[:8]}@example.org"
    backend.add_member(email)
    return email


async def status(backend: Backend, token: str) -> int:
    async with httpx.AsyncClient(base_url=backend.url) as client:
        return (await client.get("/auth/me", headers={"Cookie": f"chatapp_session={token}"})).status_code


@pytest.mark.parametrize("change", ["roles", "is_disabled", "removed", "signed out"])
async def test_a_change_here_ends_the_session_there(backend: Backend, admin: Actor, member: str, change: str) -> None:
    token = backend.sign_in(member)
    assert await status(backend, token) == 200
    person = await authentication.actor_of_session(token)
    assert person is not None
    assert person.user_id is not None

    await _change(admin, person.user_id, change)
    changed_at = time.monotonic()
    while await status(backend, token) != 401:
        assert time.monotonic() - changed_at < LIMIT_SECONDS


async def _change(admin: Actor, user_id: UUID, change: str) -> None:
    if change == "roles":
        await memberships.update_user(admin, admin.tenant_id, user_id, roles=["auditor"])
    elif change == "is_disabled":
        await memberships.update_user(admin, admin.tenant_id, user_id, is_disabled=True)
    elif change == "removed":
        await memberships.remove_user(admin, admin.tenant_id, user_id)
    else:
        await memberships.sign_out_user(admin, admin.tenant_id, user_id)


async def test_a_sign_out_there_ends_the_session_here(backend: Backend, admin: Actor, member: str) -> None:
    token = backend.sign_in(member)
    assert await authentication.actor_of_session(token) is not None

    async with httpx.AsyncClient(base_url=backend.url) as client:
        cookie = {"Cookie": f"chatapp_session={token}", "Origin": backend.url}
        assert (await client.delete("/auth/sessions", headers=cookie)).status_code == 200
    ended_at = time.monotonic()
    while await authentication.actor_of_session(token) is not None:
        assert time.monotonic() - ended_at < LIMIT_SECONDS
        await asyncio.sleep(0.02)
