from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from chatapp.domain import Actor, Chunk
from chatapp.retrieval import embedder as embedding
from chatapp.retrieval import keyword_index, occurrences, vector_index
from chatapp.retrieval.retrieve import Retrieval, retrieve
from chatapp.store import chunks, collections, postings
from chatapp.store.chunks import chunk_id
from chatapp.store.database import transaction
from chatapp.store.tables import DocumentTable, DocumentVersionTable
from tests.fixtures.collections import add_collection
from tests.fixtures.servers import free_port

pytestmark = pytest.mark.usefixtures("embedder")

REPORT = (
    "Net sales for the third quarter of 2023 were $81,797 million, a decrease of 1% from the year before.",
    "The company repurchased shares of its common stock for $18.0 billion during the quarter.",
    "The effective tax rate was 12.5% because of a lower rate on foreign earnings.",
)
HANDBOOK = (
    "Employees may take thirty days of paid holiday each year. Ask your line manager two weeks ahead.",
    "The office dog is called Bruno and is fed by the front desk.",
)


@pytest.fixture(autouse=True)
def _fresh_cache():
    occurrences.clear_cache()


async def make_collection(actor: Actor) -> UUID:
    return (await add_collection(actor)).id


async def add_document(
    actor: Actor,
    collection_id: UUID,
    texts: Sequence[str],
    *,
    document_id: UUID | None = None,
    version: int = 1,
    is_active: bool = True,
) -> UUID:
    """Index a version of a document as ingestion does, and let it answer or not."""
    is_new, document_id = document_id is None, document_id or uuid4()
    pieces, start = list[Chunk](), 0
    for ordinal, text in enumerate(texts):
        place = chunk_id(document_id, version, ordinal)
        pieces.append(Chunk(place, document_id, collection_id, ordinal, text, start, start + len(text), ordinal + 1))
        start += len(text)
    async with transaction(actor) as tx:
        if is_new:
            row = DocumentTable(
                tenant_id=actor.tenant_id, id=document_id, collection_id=collection_id, filename="report.pdf"
            )
            tx.session.add(row)
            await tx.session.flush()
        kept = DocumentVersionTable(
            tenant_id=actor.tenant_id,
            document_id=document_id,
            version=version,
            filename=f"report-{version}.pdf",
            media_type="application/pdf",
            size_bytes=1,
            sha256="0" * 64,
            title="Report",
        )
        tx.session.add(kept)
        await tx.session.flush()
        await chunks.add(tx, version, pieces)
        packed = keyword_index.pack([(piece.ordinal, piece.embedding_text("Report")) for piece in pieces])
        await postings.add(tx, collection_id, document_id, version, packed)
    vectors = await embedding.embed_texts([piece.embedding_text("Report") for piece in pieces])
    await vector_index.add(
        actor,
        collection_id,
        ids=[piece.id for piece in pieces],
        embeddings=vectors,
        document_id=document_id,
        version=version,
    )
    if is_active:
        await activate(actor, document_id, collection_id, version)
    return document_id


async def activate(actor: Actor, document_id: UUID, collection_id: UUID, version: int) -> None:
    async with transaction(actor) as tx:
        change = update(DocumentTable).where(col(DocumentTable.id) == document_id).values(active_version=version)
        await tx.session.execute(change)
        await collections.bump_version(tx, collection_id)


def texts_of(found: Retrieval) -> list[str]:
    return [retrieved.chunk.text for retrieved in found.chunks]


async def test_the_chunk_that_answers_comes_first_with_both_scores(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    document_id = await add_document(actor, collection_id, REPORT)
    await add_document(actor, collection_id, HANDBOOK)
    found = await retrieve(actor, "What was the effective tax rate?", collection_ids=[collection_id])
    best = found.chunks[0]
    assert best.chunk.text == REPORT[2]
    assert (best.chunk.id, best.chunk.page) == (chunk_id(document_id, 1, 2), 3)
    assert (best.filename, best.title) == ("report-1.pdf", "Report")
    assert best.keyword_score is not None
    assert best.vector_score is not None
    assert best.vector_score == pytest.approx(found.best_cosine)
    assert [one.score for one in found.chunks] == sorted((one.score for one in found.chunks), reverse=True)
    assert found.is_relevant
    assert not found.is_degraded
    assert set(found.timings_ms) == {"embed", "vector", "keyword", "load"}


async def test_words_unlike_the_texts_are_found_by_meaning(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, [*REPORT, *HANDBOOK])
    found = await retrieve(actor, "How much vacation am I entitled to?", collection_ids=[collection_id])
    assert found.chunks[0].chunk.text == HANDBOOK[0]
    assert found.chunks[0].keyword_score is None
    assert found.is_relevant


async def test_a_number_is_found_by_its_digits(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, [*HANDBOOK, *REPORT])
    found = await retrieve(actor, "$81,797", collection_ids=[collection_id])
    assert found.chunks[0].chunk.text == REPORT[0]


async def test_another_tenant_finds_nothing(database: AsyncEngine, chroma: str, actor: Actor, other_actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, REPORT)
    found = await retrieve(other_actor, "What was the effective tax rate?", collection_ids=[collection_id])
    assert found.chunks == ()
    assert not found.is_relevant


async def test_only_the_collections_asked_answer(database: AsyncEngine, chroma: str, actor: Actor):
    asked, other = await make_collection(actor), await make_collection(actor)
    await add_document(actor, other, REPORT)
    await add_document(actor, asked, HANDBOOK)
    found = await retrieve(actor, "What was the effective tax rate?", collection_ids=[asked])
    assert set(texts_of(found)) <= set(HANDBOOK)
    both = await retrieve(actor, "What was the effective tax rate?", collection_ids=[asked, other])
    assert both.chunks[0].chunk.text == REPORT[2]


async def test_of_too_many_collections_those_of_the_words_are_searched_by_meaning_and_the_rest_by_words_alone(
    database: AsyncEngine, chroma: str, actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chatapp.retrieval.retrieve.MAX_BY_MEANING", 1)
    report, handbook = await make_collection(actor), await make_collection(actor)
    await add_document(actor, report, REPORT)
    await add_document(actor, handbook, HANDBOOK)
    found = await retrieve(actor, "What is the office dog called?", collection_ids=[report, handbook])

    assert found.by_words_alone == 1
    assert found.chunks[0].chunk.text == HANDBOOK[1]
    assert found.chunks[0].vector_score is not None
    assert all(chunk.vector_score is None for chunk in found.chunks if chunk.chunk.collection_id == report)
    whole = await retrieve(actor, "What is the office dog called?", collection_ids=[handbook])
    assert whole.by_words_alone == 0


@pytest.mark.parametrize("question", ["", "  \n"])
async def test_an_empty_question_finds_nothing(database: AsyncEngine, chroma: str, actor: Actor, question: str):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, REPORT)
    assert (await retrieve(actor, question, collection_ids=[collection_id])).chunks == ()


async def test_no_collection_finds_nothing(database: AsyncEngine, chroma: str, actor: Actor):
    assert (await retrieve(actor, "tax rate", collection_ids=[])).chunks == ()


async def test_stop_words_alone_are_searched_by_meaning(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, REPORT)
    found = await retrieve(actor, "What is it about?", collection_ids=[collection_id])
    assert len(found.chunks) == 3
    assert all(one.keyword_score is None for one in found.chunks)


async def test_a_version_that_is_not_ready_never_answers(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    document_id = await add_document(actor, collection_id, REPORT[:1], is_active=False)
    question = "What were the net sales?"
    assert (await retrieve(actor, question, collection_ids=[collection_id])).chunks == ()
    await activate(actor, document_id, collection_id, 1)
    assert texts_of(await retrieve(actor, question, collection_ids=[collection_id])) == [REPORT[0]]


async def test_the_old_version_answers_until_the_new_one_does(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id, question = await make_collection(actor), "What were the net sales?"
    document_id = await add_document(actor, collection_id, REPORT[:1])
    newer = [REPORT[0].replace("81,797", "81,798")]
    await add_document(actor, collection_id, newer, document_id=document_id, version=2, is_active=False)
    assert texts_of(await retrieve(actor, question, collection_ids=[collection_id])) == [REPORT[0]]
    await activate(actor, document_id, collection_id, 2)
    found = await retrieve(actor, question, collection_ids=[collection_id])
    assert texts_of(found) == newer
    assert found.chunks[0].filename == "report-2.pdf"


async def test_a_deleted_document_never_answers_although_its_vectors_are_there(
    database: AsyncEngine, chroma: str, actor: Actor
):
    collection_id = await make_collection(actor)
    document_id = await add_document(actor, collection_id, REPORT)
    assert (await retrieve(actor, "tax rate", collection_ids=[collection_id])).chunks
    async with transaction(actor) as tx:
        await tx.session.execute(delete(DocumentTable).where(col(DocumentTable.id) == document_id))
    assert (await retrieve(actor, "tax rate", collection_ids=[collection_id])).chunks == ()


async def test_keywords_answer_alone_when_the_vector_side_is_down(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, REPORT)
    await vector_index.open_vector_index(f"http://127.0.0.1:{free_port()}")
    found = await retrieve(actor, "What was the effective tax rate?", collection_ids=[collection_id])
    assert found.chunks[0].chunk.text == REPORT[2]
    assert found.is_degraded
    assert found.is_relevant


async def test_repeated_passages_are_shown_once_and_changed_figures_are_not_repetitions(
    database: AsyncEngine, chroma: str, actor: Actor
):
    collection_id = await make_collection(actor)
    changed = REPORT[0].replace("81,797", "90,753").replace("2023", "2024")
    await add_document(actor, collection_id, [REPORT[0], changed])
    await add_document(actor, collection_id, [REPORT[0] + " "])
    found = await retrieve(actor, "What were the net sales?", collection_ids=[collection_id])
    assert sorted(text.strip() for text in texts_of(found)) == sorted([REPORT[0], changed])


async def test_no_more_chunks_than_asked_for_come_back(database: AsyncEngine, chroma: str, actor: Actor):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, [f"Sales in region {place} rose." for place in range(20)])
    assert len((await retrieve(actor, "sales by region", collection_ids=[collection_id], top_k=5)).chunks) == 5


@pytest.mark.parametrize("question", ["What is the capital of France?", "How do I reset the printer?"])
async def test_a_question_about_something_else_finds_nothing_relevant(
    database: AsyncEngine, chroma: str, actor: Actor, question: str
):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, [*REPORT, *HANDBOOK])
    assert not (await retrieve(actor, question, collection_ids=[collection_id])).is_relevant
