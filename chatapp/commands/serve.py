"""`serve`: everything under one parent: a Chroma server of our own where none is named, the worker, the web process."""

from __future__ import annotations

import argparse
import asyncio
import errno
import fcntl
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx

from chatapp import front_end
from chatapp.commands import processes
from chatapp.commands.supervisor import Child, ChildSpec, tethered
from chatapp.errors import Misconfigured
from chatapp.retrieval.embedder import is_prepared
from chatapp.services import doctor, installation, lifespan
from chatapp.services.installation import Installed
from chatapp.settings import Settings
from chatapp.store import schema
from chatapp.telemetry.log import configure_logging

_READY_SECONDS = 90.0
_LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104  # compared with, not bound to

_Start = Callable[[ChildSpec], Child]
"""Starts a process and keeps it running."""


async def run(_: argparse.Namespace, settings: Settings) -> int:
    """Set up what is missing, start every process, and keep them running until told to stop."""
    return await supervise(settings, web=processes.web, worker=processes.worker)


async def supervise(settings: Settings, *, web: processes.MakeSpec, worker: processes.MakeSpec) -> int:
    """Start every process and keep them running until Ctrl-C or SIGTERM.

    Args:
        settings: the installation's.
        web: makes the specification of the web process.
        worker: makes that of the worker.

    Returns:
        0 after a stop that was asked for, 1 when the web process did not start.

    Raises:
        Misconfigured: something has to be changed before it can start.
    """
    configure_logging(settings.log_level)
    _stop_on_signals()
    _check(settings)
    installation.prepare_data_dir(settings)
    try:
        with _only_one(settings):
            # Before the minutes of a first set-up.
            async with lifespan.running(settings, role="command"):
                await doctor.require_servers(settings)
            await _set_up(settings)
            async with _family() as start:
                return await _run(settings, start, web=web, worker=worker)
    except asyncio.CancelledError:
        print("\nStopped.", flush=True)
        return 0


def _stop_on_signals() -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("runs inside a task")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)


def _check(settings: Settings) -> None:
    processes.check_workers(settings)
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise Misconfigured(_cannot_listen(settings, error)) from error


def _cannot_listen(settings: Settings, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{settings.host} is not an address of this machine: set HOST to one it has, to 127.0.0.1 for this "
            "machine alone, or to 0.0.0.0 for every network it is in."
        )
    if error.errno == errno.EACCES:
        return f"This user may not use port {settings.port}: set PORT to 1024 or more."
    return (
        f"{settings.host} port {settings.port} cannot be used ({error.strerror}): stop the program that uses it, or "
        "set PORT (and HOST) to something else."
    )


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Keep a second start from opening the same data folder: two Chroma servers would damage it."""
    with (settings.data_dir / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(
                f"The data folder {settings.data_dir.absolute()} is in use by another start: stop that one, or set "
                "CHATAPP_DATA_DIR to another folder."
            ) from error
        yield


async def _set_up(settings: Settings) -> None:
    """Build the pages and prepare the model where that has to be done, both at once."""
    steps = []
    if not front_end.is_current():
        steps.append(_step("Building the pages", processes.command("build")))
    if not is_prepared(settings.effective_model_dir):
        steps.append(_step("Preparing the embedding model", processes.command("prepare")))
    await asyncio.gather(*steps)


async def _step(what: str, command: Sequence[str]) -> None:
    print(f"- {what} ...", flush=True)
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(*tethered(command), stdin=asyncio.subprocess.DEVNULL)
    try:
        code = await child.wait()
    except asyncio.CancelledError:
        child.terminate()
        await child.wait()
        raise
    if code:
        raise Misconfigured(f"{what} failed; the lines above say why.")
    print(f"  {what}: done in {time.monotonic() - began:.0f} s", flush=True)


@asynccontextmanager
async def _family() -> AsyncIterator[_Start]:
    """What starts a process. All are stopped together at the end, the first one last: Chroma, which the others need."""
    children: list[Child] = []

    def start(spec: ChildSpec) -> Child:
        child = Child(spec)
        child.start()
        children.append(child)
        return child

    try:
        yield start
    finally:
        for child in children:
            child.let_go()
        await asyncio.gather(*(child.stop() for child in children[1:]))
        await asyncio.gather(*(child.stop() for child in children[:1]))


async def _run(settings: Settings, start: _Start, *, web: processes.MakeSpec, worker: processes.MakeSpec) -> int:
    """Start each process as soon as it can begin: Chroma and the web process load side by side, documents can wait."""
    chroma, chroma_url = _start_chroma(settings, start)
    installed = await _install(settings)
    pages = start(web(settings, chroma_url))
    if chroma is not None and not await _answers(f"{chroma_url}/api/v2/heartbeat", chroma):
        raise Misconfigured(f"The Chroma server did not start; see {chroma.spec.log_path}.")
    host = _LOOPBACK if settings.host in _EVERYWHERE else settings.host
    if not await _answers(f"http://{host}:{settings.port}/healthz", pages):
        print("The web process did not start; the lines above say why.", file=sys.stderr, flush=True)
        return 1
    print(_welcome(settings, installed), flush=True)
    start(worker(settings, chroma_url))
    await asyncio.Event().wait()
    return 0


def _start_chroma(settings: Settings, start: _Start) -> tuple[Child | None, str]:
    """Start a Chroma server where none is named; gives it, and the address of the one to use."""
    if settings.chroma_url:
        return None, settings.chroma_url
    port = _free_port()
    return start(processes.chroma(settings, port)), f"http://{_LOOPBACK}:{port}"


async def _install(settings: Settings) -> Installed:
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        return await installation.install(settings)


def _welcome(settings: Settings, installed: Installed) -> str:
    if installed.sign_in_link:
        how = f"First set the password of {installed.admin_email} here:\n  {installed.sign_in_link}"
    else:
        how = f"Sign in as {installed.admin_email}."
    return f"\nReady: {settings.effective_public_url}\n{how}\nStop with Ctrl-C."


async def _answers(url: str, child: Child) -> bool:
    """Whether the child answers there with success before it crashes or the time is over."""
    deadline = time.monotonic() + _READY_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline and not child.crashes:
            try:
                if (await client.get(url)).is_success:
                    return True
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_LOOPBACK, 0))
        return listener.getsockname()[1]
