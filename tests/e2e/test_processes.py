"""The processes of an installation: crashes, stops, kills, and several web workers on shared servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.e2e.product import Product, StartProduct, running_product

_GUIDE = b"# Travel\n\nA night in a hotel is paid up to 140 euros.\n\n# Sickness\n\nCall your manager before nine.\n"


def _children(product: Product) -> dict[str, psutil.Process]:
    """The parent's direct children by what they are."""
    named = {}
    for child in psutil.Process(product.pid).children():
        command = " ".join(child.cmdline())
        named["web" if "granian" in command else "chroma" if "chroma run" in command else "worker"] = child
    return named


async def _until_complete(product: Product, seconds: float = 20.0) -> dict[str, psutil.Process]:
    """The children once all of them are there: the worker is the last to start."""
    async with asyncio.timeout(seconds):
        while (found := _children(product)).keys() != {"web", "worker", "chroma"}:
            await asyncio.sleep(0.1)
    return found


async def _until_healthy(product: Product, seconds: float = 40.0) -> None:
    async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{product.url}/healthz")).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)


async def _add_document(client: httpx.AsyncClient) -> str:
    store = (await client.post("/v1/vector_stores", json={"name": f"Handbook {uuid4().hex[:6]}"})).json()["id"]
    answer = await client.post(
        "/v1/files",
        data={"purpose": "assistants", "collection_id": store},
        files={"file": ("handbook.md", _GUIDE + uuid4().hex.encode())},
    )
    answer.raise_for_status()
    async with asyncio.timeout(60):
        while True:
            file = (await client.get(f"/v1/vector_stores/{store}/files/{answer.json()['id']}")).json()
            if file["status"] != "in_progress":
                assert file["status"] == "completed", file
                return store
            await asyncio.sleep(0.2)


async def _none_left(processes: list[psutil.Process], seconds: float) -> None:
    # Zombies wait for their parent's attention and run nothing.
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=seconds)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


async def test_crashed_processes_come_back_and_a_stop_ends_all_of_them(start_product: StartProduct) -> None:
    product = start_product(model="scripted?tokens=5000&gap_ms=20", CHATAPP_LOG_LEVEL="warning")
    before = await _until_complete(product)
    async with asyncio.timeout(20.0):
        # It says so itself, before it becomes the worker.
        while before["worker"].nice() <= before["web"].nice():
            await asyncio.sleep(0.1)
    for process in before.values():
        process.kill()
    await _none_left(list(before.values()), seconds=15.0)
    await _until_healthy(product)
    async with product.client() as client:
        await _add_document(client)
        body = {"model": "auto", "messages": [{"role": "user", "content": "hotel?"}], "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            await anext(answer.aiter_lines())
            everything = psutil.Process(product.pid).children(recursive=True)
            began = time.monotonic()
            os.kill(product.pid, signal.SIGTERM)
            await _none_left([psutil.Process(product.pid), *everything], seconds=15.0)
    assert time.monotonic() - began < 12.0
    assert "Stopped." in product.log_path.read_text()


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="other systems cannot tie a child to its parent")
async def test_a_killed_parent_leaves_nothing_running(start_product: StartProduct) -> None:
    product = start_product(CHATAPP_LOG_LEVEL="error")
    await _until_complete(product)
    everything = psutil.Process(product.pid).children(recursive=True)
    assert len(everything) >= 4
    os.kill(product.pid, signal.SIGKILL)
    await _none_left(everything, seconds=15.0)


async def test_several_web_workers_share_postgresql_redis_and_chroma(
    built_pages: None, tmp_path: Path, postgres_server: str, redis_server: str, chroma_url: str
) -> None:
    import asyncpg

    name = f"product_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(postgres_server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    environment = {
        "DATABASE_URL": postgres_server.rpartition("/")[0] + f"/{name}",
        "REDIS_URL": redis_server,
        "CHROMA_URL": chroma_url,
        "CHATAPP_WEB_WORKERS": "2",
    }
    # It ends with the test: a worker that stays would take the jobs of other tests from their Redis.
    with running_product(tmp_path, "scripted?answer=quote&gap_ms=30", environment) as product:
        await _ask_both_workers(product)


async def _ask_both_workers(product: Product) -> None:
    web = _children(product)["web"]
    assert len(web.children()) == 2
    async with product.client() as client:
        store = await _add_document(client)
        for _ in range(6):
            # A new connection may be answered by the other worker.
            async with product.client() as other:
                body = {"model": "auto", "messages": [{"role": "user", "content": "What does a hotel cost?"}]}
                answer = await other.post("/v1/chat/completions", json={**body, "collections": [store]})
                assert "140 euros" in answer.json()["choices"][0]["message"]["content"], answer.text
                turn_id = answer.headers["X-Trace-Id"]
            async with client.stream("GET", f"/v1/turns/{turn_id}/events") as events:
                seen = [line async for line in events.aiter_lines()]
            done = json.loads(next(line for line in reversed(seen) if line.startswith("data:")).removeprefix("data:"))
            assert done["status"] == "completed"
