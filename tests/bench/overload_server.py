"""Our HTTP API before a provider with few places: `PORT UPSTREAM PLACES MODEL`; prints the API key."""

from __future__ import annotations

import sys
import tempfile

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from tests.bench.relay_server import EMAIL, add_actor, parts


async def _serve(port: int, upstream: str, places: int, model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with parts(folder):
            from chatapp.services import keys
            from chatapp.services.lifespan import settle_memory
            from chatapp.store.database import system_transaction
            from chatapp.store.tables import ModelTable, ProviderTable
            from chatapp.web.app import create_api, edge

            async with system_transaction() as tx:
                provider = ProviderTable(
                    name="scripted",
                    kind="openai_compatible",
                    base_url=upstream,
                    is_operators=True,
                    max_concurrent=places,
                )
                tx.session.add(provider)
                await tx.session.flush()
                tx.session.add(ModelTable(name=model, provider_id=provider.id, provider_model=model))
            await add_actor()
            made = await keys.create_key(email=EMAIL, name="bench", scopes=["use:chat"])
            sys.stdout.write(made.key + "\n")
            sys.stdout.flush()
            settle_memory()
            await Server(edge(create_api()), port=port, interface=Interfaces.ASGINL, log_enabled=False).serve()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
