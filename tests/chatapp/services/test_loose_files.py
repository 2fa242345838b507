from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from chatapp.domain import Actor, utc_now
from chatapp.errors import NotFound
from chatapp.services import documents, loose_files
from chatapp.settings import Settings
from chatapp.store.database import system_transaction
from chatapp.store.tables import DocumentTable, MembershipTable
from tests.fixtures.ingestion import Upload, in_pieces
from tests.fixtures.people import MakeActor

LONG_AGO = loose_files.KEPT_FOR + timedelta(days=1)


async def take_out(actor: Actor) -> None:
    """Out of the tenant, as removing a member does."""
    async with system_transaction() as tx:
        await tx.session.execute(delete(MembershipTable).where(col(MembershipTable.user_id) == actor.user_id))


async def put_back(actor: Actor) -> None:
    async with system_transaction() as tx:
        tx.session.add(MembershipTable(tenant_id=actor.tenant_id, user_id=actor.user_id))


async def let_pass(document_id: UUID, time: timedelta) -> None:
    async with system_transaction() as tx:
        statement = update(DocumentTable).where(col(DocumentTable.id) == document_id)
        await tx.session.execute(statement.values(updated_at=utc_now() - time))


@pytest.fixture
async def leaver(actor: Actor, make_actor: MakeActor) -> Actor:
    """Somebody of the same tenant who will be gone."""
    return await make_actor(tenant=actor.tenant_id)


async def loose_file_of(actor: Actor) -> UUID:
    uploaded = await documents.upload(
        actor, collection_id=None, filename="a.txt", content=in_pieces(f"Of {actor.user_id}.".encode())
    )
    return uploaded.document.id


async def is_there(document_id: UUID) -> bool:
    async with system_transaction(readonly=True) as tx:
        return await tx.session.get(DocumentTable, document_id) is not None


@pytest.mark.usefixtures("storage")
async def test_a_file_nobody_sees_goes_after_a_while_with_its_bytes(
    actor: Actor, leaver: Actor, settings: Settings
) -> None:
    theirs, others = await loose_file_of(leaver), await loose_file_of(actor)
    await let_pass(theirs, LONG_AGO)
    await let_pass(others, LONG_AGO)
    await take_out(leaver)

    await loose_files.sweep()
    assert await is_there(theirs), "the time counts from when it was noticed, not from the upload"
    await let_pass(theirs, LONG_AGO)
    await let_pass(others, LONG_AGO)
    await loose_files.sweep()

    assert not await is_there(theirs)
    assert await is_there(others)
    folders = {path.name for path in settings.data_dir.rglob("*") if path.is_dir()}
    assert (theirs.hex in folders, others.hex in folders) == (False, True)


@pytest.mark.usefixtures("storage")
async def test_who_comes_back_finds_their_files(leaver: Actor) -> None:
    document_id = await loose_file_of(leaver)
    await take_out(leaver)
    await loose_files.sweep()
    await put_back(leaver)
    await let_pass(document_id, LONG_AGO)
    await loose_files.sweep()

    assert (await documents.get(leaver, document_id)).error_stage == ""
    await let_pass(document_id, LONG_AGO)
    await loose_files.sweep()
    assert await is_there(document_id)


async def test_what_is_in_a_collection_stays_whoever_brought_it(actor: Actor, leaver: Actor, upload: Upload) -> None:
    document_id = (await upload("a.txt", b"The canteen opens at eleven.")).document.id
    async with system_transaction() as tx:
        row = await tx.session.get_one(DocumentTable, document_id)
        row.created_by = leaver.user_id
    await take_out(leaver)
    for _ in range(2):
        await loose_files.sweep()
        await let_pass(document_id, LONG_AGO)
    assert (await documents.get(actor, document_id)).filename == "a.txt"


@pytest.mark.usefixtures("storage")
async def test_a_stranger_with_the_same_person_elsewhere_changes_nothing(actor: Actor, other_actor: Actor) -> None:
    document_id = await loose_file_of(actor)
    await take_out(other_actor)
    await loose_files.sweep()
    await let_pass(document_id, LONG_AGO)
    await loose_files.sweep()
    assert await is_there(document_id)
    with pytest.raises(NotFound):
        await documents.get(other_actor, document_id)
