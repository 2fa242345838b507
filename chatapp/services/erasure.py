"""The worker's part in deleting a tenant: rows, vectors, files and what Redis keeps, until nothing is left.

Every step may be done twice, and a killed worker's deletion is taken up by the next one when its lease runs out.
"""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from chatapp.domain import Actor, utc_now
from chatapp.errors import UpstreamError
from chatapp.retrieval import vector_index
from chatapp.settings import get_settings
from chatapp.store import compaction, deletions, files, job_queue
from chatapp.store.database import system_transaction, transaction
from chatapp.store.deletions import Deletion, DeletionLost
from chatapp.store.turn_log import turn_log
from chatapp.telemetry.log import get_logger

_log = get_logger(__name__)

_ANSWERING_SECONDS = 0.5
"""How soon to look again while an answer is being stopped."""
_UNREACHABLE_SECONDS = 30.0
"""How long to wait when the index or Redis is away."""


async def sweep() -> None:
    """Each minute: have deletions taken up that nobody is at, and files written anew that are to be."""
    async with system_transaction(readonly=True) as tx:
        due = await deletions.next_due(tx)
    if compaction.is_wanted(get_settings()) or (due is not None and due <= utc_now()):
        await job_queue.wake("erase")


async def erase_waiting() -> int:
    """Delete tenants until none waits; returns how many were taken."""
    owner, count = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex}", 0
    while (deletion := await _claim(owner)) is not None:
        count += 1
        try:
            await _erase(deletion)
        except asyncio.CancelledError:
            await asyncio.shield(_put_back(deletion, utc_now()))
            raise
        except DeletionLost:
            _log.info("tenant.deletion_lost", tenant_id=str(deletion.tenant_id))
        except UpstreamError as error:
            _log.warning("tenant.deletion_postponed", tenant_id=str(deletion.tenant_id), code=error.code)
            await _put_back(deletion, utc_now() + timedelta(seconds=_UNREACHABLE_SECONDS))
    if compaction.is_wanted(get_settings()) and not await compaction.carry_out(get_settings()):
        _log.warning("database.compaction_postponed")
    await _wake_for_next()
    return count


async def _claim(owner: str) -> Deletion | None:
    async with system_transaction(readonly=True) as tx:
        due = await deletions.next_due(tx)
    if due is None or due > utc_now():
        return None
    async with system_transaction() as tx:
        return await deletions.claim_next(tx, owner=owner)


async def _wake_for_next() -> None:
    async with system_transaction(readonly=True) as tx:
        due = await deletions.next_due(tx)
    if due is not None:
        await job_queue.wake("erase", delay_seconds=max(0.0, (due - utc_now()).total_seconds()) + 0.1)


async def _erase(deletion: Deletion) -> None:
    actor = _worker(deletion.tenant_id)
    async with transaction(actor) as tx:
        await deletions.count_rows(tx, deletion)
        is_answering = await deletions.is_answering(tx)
    if is_answering:
        # It was asked to stop. What it still writes would come after what is removed here.
        await _put_back(deletion, utc_now() + timedelta(seconds=_ANSWERING_SECONDS))
        return
    await _remove_rows(actor, deletion)
    # The rows first: retrieval believes only them, and whoever would write vectors or files asks them.
    await vector_index.drop_tenant(actor)
    await files.remove_tenant(actor)
    await turn_log().forget_tenant(actor)
    compaction.want(get_settings())
    async with system_transaction() as tx:
        is_done = await deletions.finish(tx, deletion)
    if is_done:
        # A file that was arriving when its row was refused.
        await files.remove_tenant(actor)
        _log.info("tenant.erased")
    else:
        await _put_back(deletion, utc_now())


async def _remove_rows(actor: Actor, deletion: Deletion) -> None:
    for table in deletions.batched_tables():
        count = 1
        while count:
            async with transaction(actor) as tx:
                count = await deletions.remove_batch(tx, table)
                await deletions.renew(tx, deletion, removed_rows=count)


async def _put_back(deletion: Deletion, until: datetime) -> None:
    try:
        async with transaction(_worker(deletion.tenant_id)) as tx:
            await deletions.put_back(tx, deletion, until=until)
    except DeletionLost:
        return


def _worker(tenant_id: UUID) -> Actor:
    """Who does the work: nobody, in the tenant."""
    return Actor(tenant_id=tenant_id, user_id=None, permissions=frozenset(), name="worker", is_system=True)
