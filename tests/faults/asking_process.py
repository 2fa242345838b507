"""A web process without its HTTP edge that asks one question and says which turn it is: to be killed by a test."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from chatapp.domain import ROLE_PERMISSIONS, Actor, Role
from chatapp.services import turns
from chatapp.services.lifespan import running
from chatapp.settings import get_settings


async def _ask(tenant_id: str, user_id: str, model: str) -> None:
    actor = Actor(UUID(tenant_id), UUID(user_id), ROLE_PERMISSIONS[Role.MEMBER])
    async with running(get_settings(), role="web"):
        turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
        async for event in turns.events(actor, turn.id):
            if event.kind == "delta":
                sys.stdout.write(f"{turn.id} {event.id}\n")
                sys.stdout.flush()


asyncio.run(_ask(*sys.argv[1:4]))
