from __future__ import annotations

import asyncio
import json
import sys
from uuid import UUID

import pytest

from chatapp.domain import Actor, TurnStatus
from chatapp.services import turns
from chatapp.services.lifespan import running
from chatapp.settings import Settings
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream


@pytest.mark.usefixtures("chroma_url", "embedding_model")
async def test_an_answer_under_way_survives_the_kill_of_its_process(
    settings: Settings, actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=60&gap_ms=30")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.asking_process",
        str(actor.tenant_id),
        str(actor.user_id),
        model,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said: list[str] = []
    while len(said) < 4:
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().split()
        assert line, "the process ended early"
        if len(line) == 2 and line[1].startswith("1-"):
            said.append(line[1])
            turn_id = UUID(line[0])
    process.kill()
    await process.wait()

    async with running(settings, role="web"):
        shown = "what the reader had shown before"
        async for event in turns.events(actor, turn_id, last_event_id=said[-1]):
            if event.kind == "reset":
                shown = ""
            elif event.kind == "delta":
                shown += json.loads(event.data)
        ended = await turns.get(actor, turn_id)

    assert ended.status == TurnStatus.COMPLETED
    assert shown == ended.answer == "".join(f"word{number} " for number in range(1, 61))
    assert len(provider.calls) == 2
    assert provider.calls[0].closed_by_client is not None


@pytest.mark.usefixtures("chroma_url", "embedding_model")
async def test_an_answer_under_way_survives_an_orderly_restart(
    settings: Settings, actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    model = await add_model("scripted?tokens=40&gap_ms=20")
    async with running(settings, role="web"):
        turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
        await asyncio.sleep(0.3)
    async with running(settings, role="web"):
        ended = await asyncio.wait_for(turns.wait(actor, turn.id), 10)

    assert ended.status == TurnStatus.COMPLETED
    assert ended.answer.count("word") == 40
    assert len(provider.calls) == 2
