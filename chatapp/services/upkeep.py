"""What a worker does each minute, one line a kind of rubbish."""

from __future__ import annotations

import asyncio

from chatapp.services import conversations, erasure, ingestion, loose_files, overview, sign_ins
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_SWEEPS = (
    ingestion.sweep,
    loose_files.sweep,
    conversations.purge_deleted,
    erasure.sweep,
    sign_ins.purge_ended,
    overview.keep_ended_days,
)


async def sweep() -> None:
    """Do every sweep; one that fails is logged and leaves the others alone."""
    for error in await asyncio.gather(*(one() for one in _SWEEPS), return_exceptions=True):
        if isinstance(error, BaseException):
            _log.error("sweep.broken", exc_info=error)
