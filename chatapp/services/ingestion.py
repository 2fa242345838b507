"""Use cases of the worker: ingest what waits, and sweep up what killed processes left."""

from __future__ import annotations

import asyncio
import os
import socket
from uuid import UUID, uuid4

from chatapp.store import files, ingestions, job_queue
from chatapp.store.database import system_transaction
from chatapp.store.documents import list_existing
from chatapp.store.ingestions import Claim
from chatapp.telemetry.log import get_logger
from ingest import removals
from ingest.pipeline import ingest

_log = get_logger(__name__)

_MAX_JOBS = 8
"""Jobs woken at once: more than a worker does at a time. Each goes on until nothing waits."""


async def ingest_waiting() -> int:
    """Ingest documents until none waits; returns how many were taken."""
    count = 0
    while (claim := await _claim()) is not None:
        await ingest(claim)
        count += 1
    return count


async def _claim() -> Claim | None:
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}"
    async with system_transaction(readonly=True) as tx:
        if not await ingestions.count_work(tx, limit=1):
            return None  # most jobs find nothing; they should not take the database's write lock to see it
    async with system_transaction() as tx:
        return await ingestions.claim_next(tx, owner=owner)


async def resume() -> None:
    """At a worker's start: take up what waits, and what a killed worker held as soon as its lease runs out."""
    async with system_transaction(readonly=True) as tx:
        waits = await ingestions.list_seconds_until_free(tx, limit=_MAX_JOBS)
    await _wake_for_waiting()
    for seconds in waits:
        await job_queue.wake("ingest", delay_seconds=seconds + 0.5)


async def _wake_for_waiting() -> None:
    """A job for each document that waits, so that they are done side by side."""
    async with system_transaction(readonly=True) as tx:
        count = await ingestions.count_work(tx, limit=_MAX_JOBS)
    for _ in range(count):
        await job_queue.wake("ingest")


async def sweep() -> None:
    """Each minute: documents nobody works on, removals that could not be done, files without a document."""
    await _wake_for_waiting()
    postponed = await removals.carry_out_left_over()
    uploads = await files.remove_abandoned_uploads()
    folders = await _remove_orphan_folders()
    if postponed or uploads or folders:
        _log.info("sweep.done", postponed=postponed, uploads=uploads, folders=folders)


async def _remove_orphan_folders() -> int:
    """Remove folders whose document was never written: the process died between the two."""
    folders = await asyncio.to_thread(files.list_document_folders)
    async with system_transaction(readonly=True) as tx:
        known: set[UUID] = await list_existing(tx, [folder.document_id for folder in folders])
    orphans = [folder for folder in folders if folder.document_id not in known]
    for folder in orphans:
        await files.remove_folder(folder)
    return len(orphans)
