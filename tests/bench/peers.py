"""Peers to measure beside: installed in environments of their own, started as processes, stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil

from tests.fixtures.servers import free_port

PROJECT = Path(__file__).parents[2]
BENCH_DIR = PROJECT / ".bench"
LITELLM = "litellm[proxy]==1.106.2"
_START_SECONDS = 120.0


class PeerMissing(RuntimeError):
    """A peer could not be installed here."""


def install_litellm_proxy() -> Path:
    """The LiteLLM proxy's program, installed where it is missing.

    Raises:
        PeerMissing: the package index cannot be reached, or uv is not there.
    """
    program = BENCH_DIR / "litellm" / "bin" / "litellm"
    if program.exists():
        return program
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise PeerMissing("uv is not installed")
    BENCH_DIR.mkdir(exist_ok=True)
    environment = program.parents[1]
    try:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", environment / "bin" / "python", LITELLM], check=True)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(environment, ignore_errors=True)
        raise PeerMissing(f"{LITELLM} could not be installed") from error
    return program


@contextlib.asynccontextmanager
async def process(
    command: list[str], *, ready: str, environment: dict[str, str] | None = None, log: Path
) -> AsyncIterator[psutil.Process]:
    """Run a server until the block ends.

    Args:
        command: program and arguments.
        ready: address that answers once it serves.
        environment: added to ours.
        log: where what it prints goes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=out, cwd=PROJECT, env={**os.environ, **(environment or {})}
        )
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_START_SECONDS):
            while not await _answers(client, ready):
                if child.returncode is not None:
                    raise RuntimeError(f"{command[0]} ended: see {log}")
                await asyncio.sleep(0.2)
        yield psutil.Process(child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def _answers(client: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(address)).status_code < 500
    except httpx.HTTPError:
        return False


@contextlib.asynccontextmanager
async def litellm_proxy(
    upstream: str, models: list[str], *, has_cache: bool = False
) -> AsyncIterator[tuple[str, psutil.Process]]:
    """The LiteLLM proxy before a provider: its address and process; with `has_cache` its cache in memory is on.

    Raises:
        PeerMissing: it could not be installed.
    """
    program = await asyncio.to_thread(install_litellm_proxy)
    port = free_port()
    config = BENCH_DIR / "litellm.yaml"
    lines = ["model_list:"]
    for model in models:
        lines += [f"  - model_name: '{model}'", "    litellm_params:", f"      model: 'openai/{model}'"]
        lines += [f"      api_base: '{upstream}'", "      api_key: 'sk-upstream'"]
    if has_cache:
        lines += ["litellm_settings:", "  cache: true", "  cache_params:", "    type: local"]
    config.write_text("\n".join([*lines, "general_settings:", "  master_key: sk-bench", ""]))
    command = [
        str(program),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--telemetry",
        "False",
    ]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    url = f"http://127.0.0.1:{port}"
    ready, log = f"{url}/health/liveliness", BENCH_DIR / "litellm.log"
    async with process(command, ready=ready, environment=environment, log=log) as running:
        yield f"{url}/v1", running
