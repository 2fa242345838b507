from __future__ import annotations

from datetime import timedelta

from chatapp.domain import Actor, utc_now
from chatapp.services import ingestion
from chatapp.store import ingestions, job_queue
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import DocumentTable
from tests.fixtures.ingestion import Upload


async def test_a_worker_that_starts_wakes_a_job_for_each_document_left(upload: Upload, actor: Actor) -> None:
    for number in range(3):
        await upload(f"{number}.txt", b"The canteen opens at eleven. %d" % number)
    for owner in ("dead", "dead too"):
        async with system_transaction() as tx:
            assert await ingestions.claim_next(tx, owner=owner)
    huey = job_queue._huey()
    huey.storage.flush_all()

    await ingestion.resume()

    assert sorted(task.eta is not None for task in huey.pending()) == [False, True, True]


async def test_the_sweep_wakes_a_job_for_each_document_whose_worker_died(upload: Upload, actor: Actor) -> None:
    ids = [(await upload(f"{name}.txt", b"The canteen opens at eleven. " + name)).document.id for name in (b"a", b"b")]
    for _ in ids:
        async with system_transaction() as tx:
            assert await ingestions.claim_next(tx, owner="dead")
    async with transaction(actor) as tx:
        for document_id in ids:
            row = await tx.session.get(DocumentTable, document_id)
            assert row is not None
            row.lease_expires_at = utc_now() - timedelta(seconds=1)
    huey = job_queue._huey()
    huey.storage.flush_all()

    await ingestion.sweep()

    assert huey.pending_count() == 2
