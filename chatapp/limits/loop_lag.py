"""How far the process's event loop is behind, measured by how late a short sleep ends."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque

_PROBE_SECONDS = 0.1
_PROBES = 10


class LoopLag:
    """A probe that runs beside everything else."""

    def __init__(self) -> None:
        """Begin with a loop that is on time."""
        self._late: deque[float] = deque([0.0] * _PROBES, maxlen=_PROBES)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to measure."""
        self._task = asyncio.get_running_loop().create_task(self._probe())

    async def close(self) -> None:
        """Stop measuring."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def seconds(self) -> float:
        """The median of the last second: a slow step says nothing, a process with too much to do is late each time."""
        return statistics.median(self._late)

    async def _probe(self) -> None:
        while True:
            due = time.monotonic() + _PROBE_SECONDS
            await asyncio.sleep(_PROBE_SECONDS)
            self._late.append(max(0.0, time.monotonic() - due))
