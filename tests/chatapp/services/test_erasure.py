"""A deleted tenant leaves nothing, and the others have lost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import SQLModel, col

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import NotFound, VectorIndexUnavailable
from chatapp.retrieval import vector_index
from chatapp.services import (
    collections,
    conversations,
    documents,
    erasure,
    feedback,
    ingestion,
    keys,
    tenants,
    turns,
    upkeep,
)
from chatapp.settings import Settings
from chatapp.store import compaction, deletions
from chatapp.store.database import engine, system_transaction, transaction
from chatapp.store.tables import DocumentTable, OneTimeLinkTable, TenantDeletionTable, TenantTable, TurnTable, UserTable
from tests.fixtures.credentials import SignInAs
from tests.fixtures.ingestion import in_pieces
from tests.fixtures.people import MakeActor

MARK = "zeppelinfahrt"
REPORT = f"# Report\n\nThe {MARK} cost 12 million euros. The canteen opens at noon.\n".encode()
QUESTION = f"What did the {MARK} cost?"


@dataclass(frozen=True)
class Lived:
    """A tenant in which everything has happened."""

    actor: Actor
    document_id: UUID
    conversation_id: UUID
    turn_id: UUID
    name: str


@pytest.fixture
async def operator(make_actor: MakeActor) -> Actor:
    made = await make_actor(email="operator@example.org")
    async with system_transaction() as tx:
        row = await tx.session.get(UserTable, made.user_id)
        assert row is not None
        row.is_platform_admin = True
    return replace(made, permissions=made.permissions | {Permission.PLATFORM})


async def live(actor: Actor, sign_in_as: SignInAs, name: str) -> Lived:
    await sign_in_as(actor)
    await keys.create(actor, name=f"{name} key", scopes=["use:chat"], user_id=actor.user_id)
    await tenants.rename(actor, actor.tenant_id, name=name)
    made = await collections.ensure(actor, name="Reports")
    done = await documents.upload(actor, collection_id=made.id, filename="report.md", content=in_pieces(REPORT))
    await ingestion.ingest_waiting()
    turn = await turns.wait(actor, (await turns.start(actor, question=QUESTION, model="extractive")).id)
    assert MARK in turn.answer
    assert turn.conversation_id is not None
    await feedback.rate(actor, turn.id, rating="up", reasons=[], comment=f"good {MARK}")
    async with system_transaction() as tx:
        assert actor.user_id is not None
        tx.session.add(
            OneTimeLinkTable(
                token_hash=actor.user_id.hex,
                user_id=actor.user_id,
                tenant_id=actor.tenant_id,
                expires_at=utc_now() + timedelta(days=1),
            )
        )
    return Lived(actor, done.document.id, turn.conversation_id, turn.id, name)


async def erase(operator: Actor, lived: Lived) -> None:
    await tenants.delete(operator, lived.actor.tenant_id, name=lived.name)
    await erasure.erase_waiting()


async def rows_with(*needles: str) -> list[str]:
    """Tables and columns in which any of the texts stands, in any spelling of an id."""
    found = []
    async with engine().connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            for row in (await connection.execute(select(table))).mappings():
                for name, value in row.items():
                    written = value.hex() if isinstance(value, bytes) else str(value)
                    spellings = (needle.encode().hex() if isinstance(value, bytes) else needle for needle in needles)
                    if any(spelling.lower() in written.lower() for spelling in spellings):
                        found.append(f"{table.name}.{name}: {written[:80]}")
    return found


def files_with(folder: Path, *needles: str) -> list[str]:
    """Files in which any of the texts stands, in their name or their bytes, with the log of the database among them."""
    found = []
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for needle in needles:
            if needle in str(path) or needle.encode() in data or (_is_id(needle) and UUID(needle).bytes in data):
                found.append(f"{path}: {needle}")
    return found


def _is_id(needle: str) -> bool:
    with suppress(ValueError):
        return bool(UUID(needle))
    return False


async def chroma_names(url: str) -> list[str]:
    path = "/api/v2/tenants/default_tenant/databases/default_database/collections?limit=1000"
    async with httpx.AsyncClient(base_url=url) as http:
        return [each["name"] for each in (await http.get(path)).json()]


def needles_of(lived: Lived) -> list[str]:
    ids = (lived.actor.tenant_id, lived.actor.user_id, lived.document_id, lived.conversation_id, lived.turn_id)
    return [lived.name, lived.actor.email, *(spelling for one in ids if one for spelling in (str(one), one.hex))]


@pytest.fixture
def _one_row_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row a batch: every border between two batches is met."""
    monkeypatch.setattr(deletions, "_BATCH_ROWS", 1)
    monkeypatch.setattr(deletions, "_BATCH_DOCUMENTS", 1)


@pytest.mark.usefixtures("parts", "built_in_model", "_one_row_a_batch")
async def test_a_deleted_tenant_is_found_nowhere_and_the_other_goes_on(
    operator: Actor,
    actor: Actor,
    other_actor: Actor,
    sign_in_as: SignInAs,
    settings: Settings,
    chroma_url: str,
) -> None:
    gone = await live(actor, sign_in_as, "Verschwindibus GmbH")
    stays = await live(other_actor, sign_in_as, "Bleibt AG")
    before = await turns.get(other_actor, stays.turn_id)
    assert await rows_with(*needles_of(gone))
    assert any(gone.actor.tenant_id.hex in name for name in await chroma_names(chroma_url))

    await erase(operator, gone)

    assert await rows_with(*needles_of(gone)) == []
    assert not any(gone.actor.tenant_id.hex in name for name in await chroma_names(chroma_url))
    with pytest.raises(NotFound):
        await tenants.get(operator, gone.actor.tenant_id)
    assert not compaction.is_wanted(settings)
    assert files_with(settings.data_dir, *needles_of(gone)) == []

    assert await turns.get(other_actor, stays.turn_id) == before
    assert (await documents.list_documents(other_actor)).total == 1
    assert (await conversations.open(other_actor, stays.conversation_id)).turns[0].answer == before.answer
    again = await turns.wait(other_actor, (await turns.start(other_actor, question=QUESTION, model="extractive")).id)
    assert again.answer == before.answer
    assert [each["file_citation"]["quote"] for each in again.citations] == [
        each["file_citation"]["quote"] for each in before.citations
    ]


@pytest.mark.usefixtures("parts", "built_in_model")
async def test_the_texts_of_the_only_tenant_with_documents_leave_the_files_too(
    operator: Actor, actor: Actor, sign_in_as: SignInAs, settings: Settings
) -> None:
    gone = await live(actor, sign_in_as, "Verschwindibus GmbH")
    # What was deleted before is in the files as well, until they are written anew.
    await documents.delete(actor, gone.document_id)

    await erase(operator, gone)

    assert await rows_with(MARK, *needles_of(gone)) == []
    assert files_with(settings.data_dir, MARK, *needles_of(gone)) == []


@pytest.mark.usefixtures("parts")
async def test_people_with_another_place_stay_and_others_go(
    operator: Actor, actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    from chatapp.store.tables import MembershipTable

    only_here = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    async with system_transaction() as tx:
        tx.session.add(
            MembershipTable(
                tenant_id=actor.tenant_id, user_id=other_actor.user_id, roles=["member"], accepted_at=utc_now()
            )
        )
        tx.session.add(
            MembershipTable(tenant_id=actor.tenant_id, user_id=operator.user_id, roles=["admin"], accepted_at=utc_now())
        )
    name = (await tenants.get(operator, actor.tenant_id)).name

    await tenants.delete(operator, actor.tenant_id, name=name)
    await erasure.erase_waiting()

    async with system_transaction(readonly=True) as tx:
        left = set((await tx.session.execute(select(col(UserTable.id)))).scalars())
    assert left == {other_actor.user_id, operator.user_id}
    assert only_here.user_id not in left


@pytest.mark.usefixtures("parts", "built_in_model")
async def test_a_deletion_waits_for_an_answer_that_is_being_stopped(
    operator: Actor, actor: Actor, sign_in_as: SignInAs
) -> None:
    lived = await live(actor, sign_in_as, "Verschwindibus GmbH")
    async with system_transaction() as tx:
        row = await tx.session.get(TurnTable, lived.turn_id)
        assert row is not None
        row.status, row.lease_expires_at = "running", utc_now() + timedelta(seconds=30)

    await tenants.delete(operator, actor.tenant_id, name=lived.name)
    assert await erasure.erase_waiting() >= 1
    assert (await tenants.get(operator, actor.tenant_id)).documents == 1

    async with system_transaction() as tx:
        row = await tx.session.get(TurnTable, lived.turn_id)
        deletion = await tx.session.get(TenantDeletionTable, actor.tenant_id)
        assert row is not None
        assert deletion is not None
        assert row.is_cancel_requested
        row.lease_expires_at = deletion.lease_expires_at = utc_now() - timedelta(seconds=1)
    await erasure.erase_waiting()
    with pytest.raises(NotFound):
        await tenants.get(operator, actor.tenant_id)


@pytest.mark.usefixtures("parts")
async def test_a_deletion_waits_until_nobody_can_be_reading_a_document_any_more(operator: Actor, actor: Actor) -> None:
    made = await collections.ensure(actor, name="Reports")
    await documents.upload(actor, collection_id=made.id, filename="report.md", content=in_pieces(REPORT))
    claim = await ingestion._claim()
    assert claim is not None
    name = (await tenants.get(operator, actor.tenant_id)).name

    await tenants.delete(operator, actor.tenant_id, name=name)

    assert await erasure.erase_waiting() == 0
    async with system_transaction(readonly=True) as tx:
        deletion = await tx.session.get(TenantDeletionTable, actor.tenant_id)
        document = await tx.session.get(DocumentTable, claim.document_id)
    assert deletion is not None
    assert deletion.lease_expires_at > utc_now()
    assert document is not None
    assert document.status == "cancelled"


@pytest.mark.usefixtures("parts", "built_in_model")
async def test_an_index_that_is_away_postpones_a_deletion(
    operator: Actor, actor: Actor, sign_in_as: SignInAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived = await live(actor, sign_in_as, "Verschwindibus GmbH")

    async def away(_: Actor) -> None:
        raise VectorIndexUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(vector_index, "drop_tenant", away)
        await erase(operator, lived)
    assert (await tenants.get(operator, actor.tenant_id)).state == "being_deleted"

    await _make_due(actor.tenant_id)
    await erasure.erase_waiting()
    with pytest.raises(NotFound):
        await tenants.get(operator, actor.tenant_id)


@pytest.mark.usefixtures("parts", "built_in_model", "_one_row_a_batch")
async def test_a_worker_that_was_killed_is_followed_by_the_next(
    operator: Actor, actor: Actor, sign_in_as: SignInAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived = await live(actor, sign_in_as, "Verschwindibus GmbH")
    remove = deletions.remove_batch
    count = 0

    async def dies(*arguments: Any) -> int:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return await remove(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(deletions, "remove_batch", dies)
        with pytest.raises(KeyboardInterrupt):
            await erase(operator, lived)
    assert await erasure.erase_waiting() == 0  # the dead worker's lease still runs
    view = await tenants.get(operator, actor.tenant_id)
    assert view.deletion_progress is not None
    assert 0 < view.deletion_progress < 1

    await _make_due(actor.tenant_id)
    await upkeep.sweep()
    await erasure.erase_waiting()
    assert await rows_with(*needles_of(lived)) == []


@pytest.mark.usefixtures("parts")
async def test_a_worker_that_is_asked_to_stop_gives_the_deletion_back(
    operator: Actor, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await tenants.get(operator, actor.tenant_id)).name
    await tenants.delete(operator, actor.tenant_id, name=name)
    is_at_work = asyncio.Event()

    async def takes_long(_: Actor) -> None:
        is_at_work.set()
        await asyncio.sleep(3_600)

    with monkeypatch.context() as patch:
        patch.setattr(vector_index, "drop_tenant", takes_long)
        work = asyncio.create_task(erasure.erase_waiting())
        await is_at_work.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    assert await erasure.erase_waiting() == 1
    with pytest.raises(NotFound):
        await tenants.get(operator, actor.tenant_id)


@pytest.mark.usefixtures("storage")
async def test_a_killed_worker_process_is_followed_by_the_next(
    operator: Actor, actor: Actor, start_worker: Callable[[], Any]
) -> None:
    name = (await tenants.get(operator, actor.tenant_id)).name
    async with transaction(actor) as tx:
        tx.session.add_all(
            DocumentTable(tenant_id=actor.tenant_id, filename=f"{MARK} {number}", created_by=actor.user_id)
            for number in range(1_500)
        )
    await tenants.delete(operator, actor.tenant_id, name=name)
    first = start_worker()
    async with asyncio.timeout(60):
        while (view := await tenants.get(operator, actor.tenant_id)).deletion_progress == 0.0:
            await asyncio.sleep(0.01)
    first.kill()
    first.wait(10)
    assert view.deletion_progress is not None
    assert 0 < view.deletion_progress < 1

    await _make_due(actor.tenant_id)
    start_worker()
    async with asyncio.timeout(60):
        with pytest.raises(NotFound):
            while await tenants.get(operator, actor.tenant_id):
                await asyncio.sleep(0.1)
    assert await rows_with(MARK, actor.tenant_id.hex, str(actor.tenant_id)) == []


@pytest.mark.usefixtures("parts")
async def test_what_is_written_in_the_last_moment_begins_the_deletion_anew(
    operator: Actor, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatapp.store.tables import CollectionTable

    name = (await tenants.get(operator, actor.tenant_id)).name
    drop = vector_index.drop_tenant
    calls = 0

    async def writes(worker: Actor) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            async with transaction(worker) as tx:
                tx.session.add(CollectionTable(tenant_id=worker.tenant_id, name="Late"))
        await drop(worker)

    monkeypatch.setattr(vector_index, "drop_tenant", writes)
    await tenants.delete(operator, actor.tenant_id, name=name)
    await erasure.erase_waiting()

    assert calls == 2
    async with system_transaction(readonly=True) as tx:
        assert await tx.session.get(TenantTable, actor.tenant_id) is None


@pytest.mark.usefixtures("redis_url", "parts", "built_in_model")
async def test_redis_keeps_nothing_of_a_deleted_tenant(
    operator: Actor, actor: Actor, other_actor: Actor, redis_url: str
) -> None:
    from redis.asyncio import Redis

    for who in (actor, other_actor):
        turn = await turns.start(who, question="Hello", model="extractive", collection_ids=[])
        await turns.wait(who, turn.id)
    name = (await tenants.get(operator, actor.tenant_id)).name

    await tenants.delete(operator, actor.tenant_id, name=name)
    await erasure.erase_waiting()

    async with Redis.from_url(redis_url) as redis:
        names = [key.decode() async for key in redis.scan_iter()]
    assert not any(str(actor.tenant_id) in key for key in names)
    assert any(str(other_actor.tenant_id) in key for key in names)


async def _make_due(tenant_id: UUID) -> None:
    async with system_transaction() as tx:
        row = await tx.session.get(TenantDeletionTable, tenant_id)
        assert row is not None
        row.lease_expires_at = utc_now() - timedelta(seconds=1)
