"""Our HTTP API on the production server, with the parts a stream needs, before a scripted provider.

`python -m tests.bench.relay_server PORT UPSTREAM MODEL...`: prints the API key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import uvloop

from chatapp.domain import Actor, utc_now

PROJECT = Path(__file__).parents[2]
EMAIL = "bench@example.org"


@asynccontextmanager
async def parts(folder: str) -> AsyncIterator[None]:
    """Every part of a web process, as the lifespan opens them, in a data folder of their own."""
    models = os.environ.get("CHATAPP_MODEL_DIR") or str(PROJECT / ".data" / "models")
    secret = "a-secret-for-benches-0123456789-abcdef"
    os.environ.update(CHATAPP_DATA_DIR=folder, CHATAPP_SECRET_KEY=secret, CHATAPP_MODEL_DIR=models)
    from chatapp.services.lifespan import running
    from chatapp.settings import get_settings
    from chatapp.store import database, tables

    get_settings.cache_clear()
    settings = get_settings()
    engine = database.open_database(settings.effective_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(tables.TenantRow.metadata.create_all)
    await database.close_database()
    async with running(settings, role="web"):
        yield


class PoolWatch:
    """How long connections to the database are held, told in a line each second: `pool HELD LONGEST_MS`."""

    def __init__(self) -> None:
        """Begin with none held."""
        self._since: dict[int, float] = {}
        self._longest = 0.0

    async def tell(self) -> None:
        """Say it each second."""
        from sqlalchemy import event

        from chatapp.store.database import engine

        event.listen(engine().sync_engine, "checkout", self._taken)
        event.listen(engine().sync_engine, "checkin", self._given_back)
        while True:
            await asyncio.sleep(1.0)
            now = time.perf_counter()
            longest = max([self._longest, *(now - since for since in self._since.values())])
            sys.stdout.write(f"pool {len(self._since)} {longest * 1000:.1f}\n")
            sys.stdout.flush()
            self._longest = 0.0

    def _taken(self, connection: object, *_: object) -> None:
        self._since[id(connection)] = time.perf_counter()

    def _given_back(self, connection: object, *_: object) -> None:
        self._longest = max(self._longest, time.perf_counter() - self._since.pop(id(connection), time.perf_counter()))


async def add_models(upstream: str, models: list[str]) -> None:
    """The scripts as models of one provider."""
    from chatapp.store.database import system_transaction
    from chatapp.store.tables import ModelTable, ProviderTable

    async with system_transaction() as tx:
        provider = ProviderTable(name="scripted", kind="openai_compatible", base_url=upstream, is_operators=True)
        tx.session.add(provider)
        await tx.session.flush()
        for model in models:
            tx.session.add(ModelTable(name=model, provider_id=provider.id, provider_model=model))


async def add_actor() -> Actor:
    """A tenant with one person, as the actor."""
    from chatapp.domain import ROLE_PERMISSIONS, Role
    from chatapp.store.database import system_transaction
    from chatapp.store.tables import MembershipTable, TenantTable, UserTable

    actor = Actor(uuid4(), uuid4(), ROLE_PERMISSIONS[Role.ADMIN])
    async with system_transaction() as tx:
        tx.session.add(TenantTable(id=actor.tenant_id, name="Bench"))
        tx.session.add(UserTable(id=actor.user_id, email=EMAIL))
        await tx.session.flush()
        place = MembershipTable(tenant_id=actor.tenant_id, user_id=actor.user_id, roles=["admin"])
        place.accepted_at = utc_now()
        tx.session.add(place)
    return actor


async def _serve(port: int, upstream: str, models: list[str]) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    with tempfile.TemporaryDirectory() as folder:
        async with parts(folder):
            from chatapp.services import keys
            from chatapp.services.lifespan import settle_memory
            from chatapp.web.app import create_api, edge

            await add_models(upstream, models)
            await add_actor()
            made = await keys.create_key(email=EMAIL, name="bench", scopes=["use:chat"])
            sys.stdout.write(made.key + "\n")
            sys.stdout.flush()
            settle_memory()
            watch = asyncio.create_task(PoolWatch().tell())
            await Server(edge(create_api()), port=port, interface=Interfaces.ASGINL, log_enabled=False).serve()
            watch.cancel()


if __name__ == "__main__":
    # The loop the product's server takes by itself.
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
