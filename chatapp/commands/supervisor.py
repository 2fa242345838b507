"""Keeps a few child processes running: starts them, restarts the one that crashes, stops all of them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

_TETHER = Path(__file__).with_name("tether.py")
_log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A child that ran so long has recovered: its next crash is its first."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A program to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the parent's."""
    niceness: int = 0
    """0 to 19; higher gives way to the others."""
    log_path: Path | None = None
    """Where its output goes; None: where the parent's goes."""
    stop_seconds: float = 8.0
    """How long it may take to end by itself once asked."""


def tethered(program: Sequence[str], *, niceness: int = 0) -> tuple[str, ...]:
    """The program, as it is started to end when this process does.

    Args:
        program: program and arguments.
        niceness: 0 to 19; higher gives way to others.
    """
    return (sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), str(niceness), *program)


class Child:
    """One program, restarted with growing pauses until it is stopped."""

    def __init__(self, spec: ChildSpec) -> None:
        """Keep what to run; `start` runs it."""
        self.spec = spec
        self.crashes = 0
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The running process's id; None between two."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Begin to run it and to watch over it."""
        self._watching = asyncio.create_task(self._keep_running(), name=f"child-{self.spec.name}")

    def let_go(self) -> None:
        """Start it no more when it ends, whoever ends it: at a stop everybody may be told at once."""
        if self._watching is not None:
            self._watching.cancel()

    async def stop(self) -> None:
        """End it: politely, then by force. Whatever it started itself ends with it."""
        self.let_go()
        if self._watching is not None:
            await asyncio.gather(self._watching, return_exceptions=True)
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.spec.stop_seconds):
                    await process.wait()
        self._kill_group(process)
        await process.wait()

    async def _keep_running(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            self._process = await self._spawn()
            code = await self._process.wait()
            # Its own children would hold the port or the files against its successor.
            self._kill_group(self._process)
            self.crashes += 1
            if time.monotonic() - began > _STEADY_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            if code:
                _log.warning("child.crashed", child=self.spec.name, code=code, restart_seconds=pause_seconds)
            else:
                # Somebody asked it to: no fault of its own.
                _log.info("child.ended", child=self.spec.name, restart_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C reaches the parent only, which then stops the children in order.
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self.spec.log_path.open("ab")) if self.spec.log_path else None
            return await asyncio.create_subprocess_exec(
                *tethered(self.spec.command, niceness=self.spec.niceness),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.spec.environment},
                start_new_session=True,
            )

    @staticmethod
    def _kill_group(process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
