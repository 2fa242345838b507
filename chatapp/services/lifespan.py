"""One lifespan opens every part of a process and closes them in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import structlog

from chatapp.limits.attempts import close_attempts, open_attempts
from chatapp.settings import Settings
from chatapp.store.database import close_database, open_database

_log = structlog.get_logger(__name__)

ProcessRole = Literal["web", "worker", "command"]


@asynccontextmanager
async def running(settings: Settings, *, role: ProcessRole) -> AsyncIterator[None]:
    """Open the parts a process of this role needs; close them at the end, the last one first.

    Args:
        settings: the process's settings.
        role: `web` serves people, `worker` ingests and cleans up, `command` does one thing and ends.
    """
    async with AsyncExitStack() as stack:
        open_database(settings.effective_database_url)
        stack.push_async_callback(close_database)
        open_attempts(settings.redis_url.get_secret_value())
        stack.callback(close_attempts)
        _log.info("parts.opened", role=role)
        yield
