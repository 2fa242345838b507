from __future__ import annotations

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from chatapp.domain import Actor
from chatapp.store.database import WrongTenant, engine, transaction
from chatapp.store.tables import CollectionTable


async def _add_collection(actor: Actor, name: str) -> CollectionTable:
    row = CollectionTable(tenant_id=actor.tenant_id, name=name)
    async with transaction(actor) as tx:
        tx.session.add(row)
    return row


async def test_rows_of_another_tenant_are_not_found(actor: Actor, other_actor: Actor) -> None:
    row = await _add_collection(actor, "Handbook")
    async with transaction(other_actor, readonly=True) as tx:
        assert await tx.session.get(CollectionTable, row.id) is None
        assert (await tx.session.scalars(select(CollectionTable))).all() == []
    async with transaction(actor, readonly=True) as tx:
        assert (await tx.session.scalars(select(CollectionTable.name))).all() == ["Handbook"]


async def test_updates_and_deletes_stay_in_the_tenant(actor: Actor, other_actor: Actor) -> None:
    await _add_collection(actor, "Handbook")
    async with transaction(other_actor) as tx:
        await tx.session.execute(update(CollectionTable).values(name="Stolen"))
        await tx.session.execute(delete(CollectionTable))
    async with transaction(actor, readonly=True) as tx:
        assert (await tx.session.scalars(select(CollectionTable.name))).all() == ["Handbook"]


async def test_a_row_of_another_tenant_cannot_be_written(actor: Actor, other_actor: Actor) -> None:
    with pytest.raises(WrongTenant):
        async with transaction(other_actor) as tx:
            tx.session.add(CollectionTable(tenant_id=actor.tenant_id, name="Planted"))
    async with transaction(actor, readonly=True) as tx:
        assert (await tx.session.scalars(select(CollectionTable))).all() == []


async def test_an_error_rolls_the_transaction_back(actor: Actor) -> None:
    with pytest.raises(ValueError, match="stop"):
        async with transaction(actor) as tx:
            tx.session.add(CollectionTable(tenant_id=actor.tenant_id, name="Half"))
            await tx.session.flush()
            raise ValueError("stop")
    async with transaction(actor, readonly=True) as tx:
        assert (await tx.session.scalars(select(CollectionTable))).all() == []


async def test_a_reader_does_not_wait_for_a_writer(actor: Actor) -> None:
    await _add_collection(actor, "Handbook")
    async with transaction(actor) as writing, transaction(actor, readonly=True) as reading:
        await writing.session.execute(update(CollectionTable).values(name="Renamed"))
        try:
            assert (await reading.session.scalars(select(CollectionTable.name))).all() == ["Handbook"]
        except OperationalError as error:  # pragma: no cover
            pytest.fail(f"the reader was locked out: {error}")


def test_the_database_must_be_open() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        engine()
