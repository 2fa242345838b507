from __future__ import annotations

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.domain import Actor
from chatapp.store import postings
from chatapp.store.database import transaction
from tests.chatapp.store.test_chunks import make_document


async def test_postings_are_read_by_term_and_of_the_answering_version_only(database: AsyncEngine, actor: Actor):
    collection_id, document_id = await make_document(actor)
    async with transaction(actor) as tx:
        await postings.add(tx, collection_id, document_id, 1, {"": b"1", "alpha": b"2", "beta": b"3"})
        await postings.add(tx, collection_id, document_id, 2, {"": b"4", "alpha": b"5"})
        assert await postings.list_answering(tx, collection_id, "") == [(document_id, 1, b"1")]
        found = await postings.find(tx, collection_id, ["alpha", "gamma"])
        assert sorted(found) == [("alpha", document_id, 1, b"2"), ("alpha", document_id, 2, b"5")]
        assert await postings.collection_versions(tx, [collection_id, uuid4()]) == {collection_id: 7}


async def test_another_tenants_postings_are_not_read(database: AsyncEngine, actor: Actor, other_actor: Actor):
    collection_id, document_id = await make_document(actor)
    async with transaction(actor) as tx:
        await postings.add(tx, collection_id, document_id, 1, {"": b"1", "alpha": b"2"})
    async with transaction(other_actor) as tx:
        assert await postings.list_answering(tx, collection_id, "") == []
        assert await postings.find(tx, collection_id, ["alpha"]) == []
        assert await postings.collection_versions(tx, [collection_id]) == {}
