"""Our HTTP API on the production server, with the parts a stream needs, before a scripted provider.

`python -m tests.bench.relay_server PORT UPSTREAM MODEL...`: prints the API key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from chatapp.domain import Actor, utc_now

EMAIL = "bench@example.org"


@asynccontextmanager
async def parts(folder: str) -> AsyncIterator[None]:
    """Database, turn log, providers and runner, in a data folder of their own."""
    os.environ.update(CHATAPP_DATA_DIR=folder, CHATAPP_SECRET_KEY="a-secret-for-benches-0123456789-abcdef")
    from chatapp.limits import attempts
    from chatapp.providers import connections
    from chatapp.services import turn_runner
    from chatapp.settings import get_settings
    from chatapp.store import database, tables, turn_log

    get_settings.cache_clear()
    settings = get_settings()
    engine = database.open_database(settings.effective_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(tables.TenantRow.metadata.create_all)
    turn_log.open_turn_log()
    attempts.open_attempts("")
    connections.open_providers()
    turn_runner.open_turn_runner(settings)
    yield
    await turn_runner.close_turn_runner()
    await connections.close_providers()
    await attempts.close_attempts()
    turn_log.close_turn_log()
    await database.close_database()


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
            from chatapp.web.app import create_api, edge

            await add_models(upstream, models)
            await add_actor()
            made = await keys.create_key(email=EMAIL, name="bench", scopes=["use:chat"])
            sys.stdout.write(made.key + "\n")
            sys.stdout.flush()
            await Server(edge(create_api()), port=port, interface=Interfaces.ASGINL, log_enabled=False).serve()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
