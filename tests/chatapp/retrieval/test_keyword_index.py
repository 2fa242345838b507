from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID, uuid4

import bm25s
import numpy as np
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from chatapp.domain import Actor, utc_now
from chatapp.retrieval import keyword_index, occurrences
from chatapp.retrieval.terms import terms
from chatapp.store import collections, postings
from chatapp.store.chunks import chunk_id
from chatapp.store.database import transaction
from chatapp.store.tables import DocumentTable
from tests.fixtures.collections import add_collection


@pytest.fixture(autouse=True)
def _fresh_cache():
    occurrences.clear_cache()
    yield
    occurrences.clear_cache()


async def make_collection(actor: Actor) -> UUID:
    return (await add_collection(actor)).id


async def add_document(
    actor: Actor, collection_id: UUID, texts: Sequence[str], *, version: int = 1, active_version: int = 1
) -> UUID:
    document_id = uuid4()
    async with transaction(actor) as tx:
        row = DocumentTable(
            tenant_id=actor.tenant_id,
            id=document_id,
            collection_id=collection_id,
            filename="a.txt",
            active_version=active_version,
            created_at=utc_now(),
        )
        tx.session.add(row)
        await tx.session.flush()
        packed = keyword_index.pack(list(enumerate(texts)))
        await postings.add(tx, collection_id, document_id, version, packed)
        await collections.bump_version(tx, collection_id)
    return document_id


async def ask(actor: Actor, text: str, *collection_ids: UUID, top_k: int = 50) -> keyword_index.KeywordResult:
    async with transaction(actor, readonly=True) as tx:
        return await keyword_index.query(tx, text, collection_ids=collection_ids, top_k=top_k)


async def search(actor: Actor, text: str, *collection_ids: UUID, top_k: int = 50) -> list[tuple[UUID, float]]:
    return (await ask(actor, text, *collection_ids, top_k=top_k)).hits


async def found(actor: Actor, text: str, *collection_ids: UUID) -> list[UUID]:
    return [chunk_id for chunk_id, _ in await search(actor, text, *collection_ids)]


def corpus(documents: int, chunks: int, *, seed: int = 0) -> list[list[str]]:
    """Texts whose words occur as words do: few often, many rarely."""
    draw = random.Random(seed)
    words = [f"w{''.join(draw.choices('bcdfghklmnpr', k=6))}{place}" for place in range(600)]
    weights = [1 / (place + 1) for place in range(600)]
    return [
        [" ".join(draw.choices(words, weights, k=draw.randint(5, 120))) for _ in range(chunks)]
        for _ in range(documents)
    ]


async def test_scores_are_those_of_bm25s(database: AsyncEngine, actor: Actor):
    collection_id, texts = await make_collection(actor), corpus(6, 12)
    documents = [await add_document(actor, collection_id, chunks) for chunks in texts]
    ids = [chunk_id(document, 1, place) for document in documents for place in range(12)]
    flat = [text for chunks in texts for text in chunks]
    reference = bm25s.BM25(method="lucene", k1=keyword_index.K1, b=keyword_index.B)
    reference.index([terms(text) for text in flat], show_progress=False)
    for question in (flat[3], flat[40][:60], " ".join(text.split()[-1] for text in flat[:9])):
        expected = reference.get_scores(list(dict.fromkeys(terms(question))))
        hits = await search(actor, " ".join(dict.fromkeys(question.split())), collection_id, top_k=len(ids))
        ours = dict(hits)
        assert [ours.get(one, 0.0) for one in ids] == pytest.approx(list(expected), abs=1e-4)
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


async def test_two_collections_score_as_one(database: AsyncEngine, actor: Actor):
    together, first, second = [await make_collection(actor) for _ in range(3)]
    texts = corpus(4, 6, seed=2)
    for place, chunks in enumerate(texts):
        await add_document(actor, together, chunks)
        await add_document(actor, first if place < 2 else second, chunks)
    question = texts[1][2]
    apart = [score for _, score in await search(actor, question, first, second)]
    assert apart == pytest.approx([score for _, score in await search(actor, question, together)], abs=1e-5)


async def test_the_chunk_that_holds_the_words_comes_first(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    texts = ["Net sales rose to $82,959 in Q3 2023.", "The board met in March.", "Sales of bonds are rare."]
    document_id = await add_document(actor, collection_id, texts)
    result = await ask(actor, "How much were the net sales in Q3 2023?", collection_id)
    assert [one for one, _ in result.hits] == [chunk_id(document_id, 1, 0), chunk_id(document_id, 1, 2)]
    best, middle, last = (result.match(document_id, 1, place) for place in (0, 2, 1))
    assert best.coverage == pytest.approx(1.0)
    assert 0 < middle.coverage < 0.5
    assert 0 < middle.share < best.share < 1
    assert last == keyword_index.KeywordMatch(document_share=last.document_share)
    assert result.match(uuid4(), 1, 0) == keyword_index.KeywordMatch()
    assert await found(actor, "82959", collection_id) == [chunk_id(document_id, 1, 0)]


async def test_another_tenant_finds_nothing_in_the_same_collection(
    database: AsyncEngine, actor: Actor, other_actor: Actor
):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, ["alpha beta"])
    assert await found(actor, "alpha", collection_id) != []
    assert await found(other_actor, "alpha", collection_id) == []


async def test_another_tenants_chunks_do_not_change_the_scores(database: AsyncEngine, actor: Actor, other_actor: Actor):
    mine, theirs = await make_collection(actor), await make_collection(other_actor)
    await add_document(actor, mine, ["alpha beta", "gamma delta"])
    before = await search(actor, "alpha", mine)
    await add_document(other_actor, theirs, ["alpha alpha alpha"] * 5)
    occurrences.clear_cache()
    assert await search(actor, "alpha", mine, theirs) == before


@pytest.mark.parametrize("question", ["", "   ", "the of and what is it", "?!… —", "zzz unknownword"])
async def test_a_question_without_known_terms_has_no_hits(database: AsyncEngine, actor: Actor, question: str):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, ["alpha beta", ""])
    assert await found(actor, question, collection_id) == []


async def test_empty_and_unknown_collections_have_no_hits(database: AsyncEngine, actor: Actor):
    assert await found(actor, "alpha") == []
    assert await found(actor, "alpha", uuid4(), await make_collection(actor)) == []


async def test_only_the_version_that_answers_is_found(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    unfinished = await add_document(actor, collection_id, ["alpha"], active_version=0)
    assert await found(actor, "alpha", collection_id) == []
    async with transaction(actor) as tx:
        await postings.add(tx, collection_id, unfinished, 2, keyword_index.pack([(0, "nothing"), (1, "alpha")]))
        active = update(DocumentTable).where(col(DocumentTable.id) == unfinished).values(active_version=2)
        await tx.session.execute(active)
        await collections.bump_version(tx, collection_id)
    assert await found(actor, "alpha", collection_id) == [chunk_id(unfinished, 2, 1)]


async def test_what_is_in_memory_is_given_up_when_the_collection_changes(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    first = await add_document(actor, collection_id, ["alpha"])
    assert await found(actor, "alpha", collection_id) == [chunk_id(first, 1, 0)]
    second = await add_document(actor, collection_id, ["alpha"])
    assert set(await found(actor, "alpha", collection_id)) == {chunk_id(first, 1, 0), chunk_id(second, 1, 0)}


async def test_a_second_question_reads_only_what_is_new(
    database: AsyncEngine, actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    collection_id = await make_collection(actor)
    await add_document(actor, collection_id, ["alpha beta gamma"])
    asked: list[Sequence[str]] = []
    find = postings.find

    async def spy(tx, collection_id, terms):
        asked.append(terms)
        return await find(tx, collection_id, terms)

    monkeypatch.setattr(postings, "find", spy)
    for question in ("alpha beta", "beta alpha", "alpha gamma", "nowhere", "nowhere"):
        await search(actor, question, collection_id)
    assert [list(terms) for terms in asked] == [["alpha", "beta"], ["gamma"], ["nowher"]]


async def test_memory_is_bounded_and_answers_stay_right(
    database: AsyncEngine, actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(occurrences, "_CACHE_BYTES", 2_000)
    collection_ids = [await make_collection(actor) for _ in range(4)]
    texts = corpus(4, 8, seed=5)
    for collection_id, chunks in zip(collection_ids, texts, strict=True):
        await add_document(actor, collection_id, chunks)
    for _ in range(2):
        for collection_id, chunks in zip(collection_ids, texts, strict=True):
            assert await search(actor, chunks[4], collection_id, top_k=1)
            assert occurrences._cache.size_bytes <= 2_000


async def test_many_questions_at_once_get_the_answers_of_one_at_a_time(database: AsyncEngine, actor: Actor):
    collection_id, texts = await make_collection(actor), corpus(3, 10, seed=3)
    for chunks in texts:
        await add_document(actor, collection_id, chunks)
    questions = [chunks[place] for chunks in texts for place in range(4)]
    alone = [await found(actor, question, collection_id) for question in questions]
    occurrences.clear_cache()
    assert await asyncio.gather(*(found(actor, question, collection_id) for question in questions)) == alone


async def test_a_pasted_page_is_a_question_too(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    document_id = await add_document(actor, collection_id, ["extraordinary alpha"])
    page = " ".join(f"word{place}" for place in range(5_000)) + " extraordinary"
    assert await found(actor, page, collection_id) == [chunk_id(document_id, 1, 0)]


def test_a_chunk_of_any_length_is_packed():
    packed = keyword_index.pack([(0, "alpha " * 70_000), (1, "")])
    entries = np.frombuffer(packed["alpha"], dtype=occurrences.ENTRY)
    assert entries.tolist() == [(0, 65_535)]
    assert np.frombuffer(packed[""], dtype=occurrences.ENTRY).tolist() == [(0, 65_535), (1, 0)]


async def test_the_document_that_is_meant_lifts_its_chunks(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    meant = await add_document(actor, collection_id, ["Zebra Corporation, quarterly report", "Net sales rose."])
    other = await add_document(actor, collection_id, ["Yak Corporation, quarterly report", "Net sales rose."])
    result = await ask(actor, "net sales of Zebra", collection_id)
    one, two = result.match(meant, 1, 1), result.match(other, 1, 1)
    assert one.score == pytest.approx(two.score)
    assert one.document_share > two.document_share > 0


async def test_documents_of_one_chunk_have_no_second_opinion(database: AsyncEngine, actor: Actor):
    collection_id = await make_collection(actor)
    document_id = await add_document(actor, collection_id, ["alpha beta"])
    await add_document(actor, collection_id, ["gamma"])
    match = (await ask(actor, "alpha", collection_id)).match(document_id, 1, 0)
    assert match.share > 0
    assert match.document_share == 0
