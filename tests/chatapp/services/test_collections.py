from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound, NotPermitted
from chatapp.services import collections, documents
from chatapp.services.collections import CollectionView
from chatapp.settings import Settings
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor


async def test_collections_are_listed_by_name_with_counts(
    upload: Upload, actor: Actor, collection: CollectionView
) -> None:
    await collections.create(actor, name="archive")
    await upload("a.txt", b"hello there")
    cancelled = await upload("b.txt", b"hello again")
    await documents.cancel(actor, cancelled.document.id)
    first, second = await collections.list_readable(actor)
    assert (first.name, first.counts.total) == ("archive", 0)
    assert (second.name, second.counts.total, second.counts.in_progress, second.counts.cancelled) == (
        "Reports",
        2,
        1,
        1,
    )
    assert await collections.get(actor, collection.id) == second


async def test_a_name_is_tidied_and_may_be_used_once(actor: Actor, collection: CollectionView) -> None:
    made = await collections.create(actor, name="  Travel \n policy ")
    assert made.name == "Travel policy"
    with pytest.raises(Conflict):
        await collections.create(actor, name="REPORTS")
    with pytest.raises(Conflict):
        await collections.rename(actor, made.id, name="reports")
    for name in ("", "   ", "x" * 121):
        with pytest.raises(InvalidInput):
            await collections.create(actor, name=name)


async def test_of_many_who_take_a_name_at_once_one_gets_it(actor: Actor, collection: CollectionView) -> None:
    names = ["Travel", "TRAVEL", "travel", "Travel", "trAvel", "Travel"]
    made = await asyncio.gather(*(collections.create(actor, name=name) for name in names), return_exceptions=True)
    others = [await collections.create(actor, name=f"Other {number}") for number in range(4)]
    renamed = await asyncio.gather(
        *(collections.rename(actor, other.id, name="Archive") for other in others), return_exceptions=True
    )

    for outcomes in (made, renamed):
        assert sum(isinstance(outcome, CollectionView) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == len(outcomes) - 1


async def test_two_tenants_take_the_same_name_at_once(actor: Actor, other_actor: Actor, database: object) -> None:
    made = await asyncio.gather(*(collections.create(who, name="Travel") for who in (actor, other_actor)))

    assert [view.name for view in made] == ["Travel", "Travel"]


async def test_a_collection_is_renamed(actor: Actor, collection: CollectionView) -> None:
    renamed = await collections.rename(actor, collection.id, name="reports", description="All of them")
    assert (renamed.name, renamed.description) == ("reports", "All of them")
    assert (await collections.rename(actor, collection.id, description="")).name == "reports"


async def test_ensure_makes_a_collection_once(database: object, actor: Actor) -> None:
    first = await collections.ensure(actor, name="Sample")
    assert await collections.ensure(actor, name="sample") == first


async def test_the_collections_to_ask_are_those_readable(actor: Actor, collection: CollectionView) -> None:
    other = await collections.create(actor, name="Archive")
    assert await collections.readable_ids(actor, None) == [other.id, collection.id]
    assert await collections.readable_ids(actor, []) == []
    assert await collections.readable_ids(actor, [collection.id, collection.id]) == [collection.id]
    with pytest.raises(NotFound):
        await collections.readable_ids(actor, [collection.id, uuid4()])


async def test_deleting_a_collection_takes_its_documents(
    upload: Upload, actor: Actor, collection: CollectionView, storage: Settings, chroma: str
) -> None:
    for number in range(3):
        await upload(f"{number}.txt", b"hello there %d" % number)
    assert await collections.delete(actor, collection.id) == 3
    assert (await documents.list_documents(actor)).total == 0
    assert not [path for path in (storage.data_dir / "files").rglob("*") if path.is_file()]
    with pytest.raises(NotFound):
        await collections.delete(actor, collection.id)


async def test_other_tenants_collections_are_not_found(other_actor: Actor, collection: CollectionView) -> None:
    for attempt in (
        collections.get(other_actor, collection.id),
        collections.rename(other_actor, collection.id, name="Mine"),
        collections.delete(other_actor, collection.id),
        collections.readable_ids(other_actor, [collection.id]),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await collections.list_readable(other_actor) == []
    assert (await collections.create(other_actor, name="Reports")).name == "Reports"


async def test_a_reader_changes_nothing(actor: Actor, collection: CollectionView, make_actor: MakeActor) -> None:
    reader = await make_actor({Permission.READ_DOCUMENTS}, tenant=actor.tenant_id)
    assert [view.id for view in await collections.list_readable(reader)] == [collection.id]
    for attempt in (
        collections.create(reader, name="Mine"),
        collections.rename(reader, collection.id, name="Mine"),
        collections.delete(reader, collection.id),
    ):
        with pytest.raises(NotPermitted):
            await attempt
    nobody = await make_actor(set(), tenant=actor.tenant_id)
    assert await collections.readable_ids(nobody, []) == []
    with pytest.raises(NotPermitted):
        await collections.readable_ids(nobody, None)
