"""Two tenants with the same document and the same question share nothing, whichever way one looks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from chatapp.domain import Actor
from chatapp.errors import NotFound
from chatapp.retrieval import embedder, vector_index
from chatapp.services import (
    collections,
    conversations,
    documents,
    feedback,
    ingestion,
    previews,
    search,
    traces,
    turns,
)
from chatapp.store import files
from chatapp.store.database import system_transaction
from chatapp.store.tables import (
    ChunkTable,
    ConversationTable,
    DocumentTable,
    DocumentVersionTable,
    FeedbackTable,
    PostingTable,
    TraceTable,
    TurnTable,
)
from tests.fixtures.ingestion import in_pieces

pytestmark = pytest.mark.usefixtures("parts", "built_in_model")

REPORT = b"# Annual report\n\nNet sales were 12 million euros. The canteen opens at noon.\n"
QUESTION = "How high were net sales?"


@dataclass(frozen=True)
class Lived:
    """What one tenant has after one document and one question."""

    actor: Actor
    collection_id: UUID
    document_id: UUID
    turn: turns.TurnView


async def live(actor: Actor) -> Lived:
    made = await collections.ensure(actor, name="Reports")
    done = await documents.upload(actor, collection_id=made.id, filename="report.md", content=in_pieces(REPORT))
    await ingestion.ingest_waiting()
    turn = await turns.wait(actor, (await turns.start(actor, question=QUESTION, model="extractive")).id)
    await feedback.rate(actor, turn.id, rating="up", reasons=[], comment="good")
    return Lived(actor, made.id, done.document.id, turn)


@pytest.fixture
async def one(actor: Actor) -> Lived:
    return await live(actor)


@pytest.fixture
async def other(one: Lived, other_actor: Actor) -> Lived:
    return await live(other_actor)


async def test_the_same_bytes_are_a_document_of_each(one: Lived, other: Lived) -> None:
    assert one.document_id != other.document_id
    assert one.turn.answer == other.turn.answer
    assert "12 million" in one.turn.answer
    for mine in (one, other):
        cited = {each["file_citation"]["file_id"] for each in mine.turn.citations}
        assert cited == {str(mine.document_id)}
        assert {source["file_id"] for source in mine.turn.sources} == {str(mine.document_id)}


async def test_every_row_belongs_to_one_of_them(one: Lived, other: Lived) -> None:
    tables = (
        *(CHUNKS := (ChunkTable, PostingTable)),
        *(DocumentTable, DocumentVersionTable, ConversationTable, TurnTable, TraceTable, FeedbackTable),
    )
    async with system_transaction(readonly=True) as tx:
        for table in tables:
            found = list((await tx.session.execute(select(col(table.tenant_id)))).scalars())
            assert found.count(one.actor.tenant_id) == found.count(other.actor.tenant_id) > 0, table
        for table in CHUNKS:
            rows = await tx.session.execute(select(col(table.tenant_id), col(table.document_id)))
            assert {tuple(row) for row in rows} == {(each.actor.tenant_id, each.document_id) for each in (one, other)}


async def test_vectors_lie_apart(one: Lived, other: Lived, chroma_url: str) -> None:
    question = (await embedder.embed_texts([QUESTION]))[0]
    ids = [one.collection_id, other.collection_id]
    mine = await vector_index.query(one.actor, question, collection_ids=ids, top_k=10)
    theirs = await vector_index.query(other.actor, question, collection_ids=ids, top_k=10)
    assert mine
    assert {chunk_id for chunk_id, _ in mine}.isdisjoint({chunk_id for chunk_id, _ in theirs})
    path = "/api/v2/tenants/default_tenant/databases/default_database/collections?limit=1000"
    async with httpx.AsyncClient(base_url=chroma_url) as http:
        names = [each["name"] for each in (await http.get(path)).json()]
    for each in (one, other):
        assert sum(each.actor.tenant_id.hex in name for name in names) == 1


async def test_searches_find_the_own_document_only(one: Lived, other: Lived) -> None:
    for mine, theirs in ((one, other), (other, one)):
        found = await search.search(mine.actor, mine.collection_id, QUESTION, max_results=10)
        assert {each.chunk.document_id for each in found} == {mine.document_id}
        with pytest.raises(NotFound):
            await search.search(mine.actor, theirs.collection_id, QUESTION, max_results=10)
        with pytest.raises(NotFound):
            await turns.start(mine.actor, question=QUESTION, collection_ids=[theirs.collection_id])


async def test_histories_traces_ratings_and_files_stay_with_their_owner(one: Lived, other: Lived) -> None:
    for mine, theirs in ((one, other), (other, one)):
        listed = await conversations.list_conversations(mine.actor)
        assert [each.id for each in listed] == [mine.turn.conversation_id]
        assert await conversations.list_conversations(mine.actor, search="net sales") == listed
        assert (await traces.get(mine.actor, mine.turn.id))["tenant_id"] == str(mine.actor.tenant_id)
        assert (await documents.list_documents(mine.actor)).total == 1
        assert theirs.turn.conversation_id is not None
        for call in (
            conversations.open(mine.actor, theirs.turn.conversation_id),
            turns.get(mine.actor, theirs.turn.id),
            traces.get(mine.actor, theirs.turn.id),
            feedback.rate(mine.actor, theirs.turn.id, rating="down", reasons=[], comment=""),
            documents.get(mine.actor, theirs.document_id),
            documents.list_chunks(mine.actor, theirs.document_id),
            previews.content(mine.actor, theirs.document_id),
            collections.get(mine.actor, theirs.collection_id),
        ):
            with pytest.raises(NotFound):
                await call
        path = files.document_dir(mine.actor, theirs.document_id)
        assert not await asyncio.to_thread(path.exists)


async def test_an_answer_depends_on_the_own_documents_only(one: Lived, other: Lived) -> None:
    await documents.delete(one.actor, one.document_id)

    gone = await turns.wait(one.actor, (await turns.start(one.actor, question=QUESTION, model="extractive")).id)
    still = await turns.wait(other.actor, (await turns.start(other.actor, question=QUESTION, model="extractive")).id)

    assert gone.citations == []
    assert "12 million" not in gone.answer
    assert still.answer == other.turn.answer
    assert [each["file_citation"]["chunk_id"] for each in still.citations] == [
        each["file_citation"]["chunk_id"] for each in other.turn.citations
    ]
