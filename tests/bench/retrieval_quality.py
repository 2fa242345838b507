"""Q1: hybrid retrieval against each of its sides, and whether "not in the documents" is said when it is true.

Recall of the right documents and pages among the first 1, 5, 10 and 20 chunks, through the product's own search.
A share of the right ones when there are several, of as many as k chunks can show. "Keyword" and "vector" are the
two sides alone on the same index, and bm25s with its own word splitting is a peer for the keyword side.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chatapp.domain import Actor
from tests.bench import corpora
from tests.bench.corpora import Corpus, Question
from tests.bench.indexed import Indexed, index_corpus, product
from tests.bench.row import Row

NAME = "retrieval_quality"
_DEPTHS = (1, 5, 10, 20)
_PUBLIC_QUESTIONS = 300
_SEED = 3

Found = Sequence[tuple[str, int]]
"""Document and page of each chunk found, best first."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """What each way of searching found for each question."""

    by_way: Mapping[str, Sequence[Found]]
    refused: float
    """Share of the corpus's own questions that were called irrelevant."""


async def run() -> list[Row]:
    """Measure every corpus at hand."""
    rows: list[Row] = []
    async with product() as actor:
        for corpus in (corpora.filings(), corpora.packages(), corpora.reference()):
            if corpus is None:
                print(f"filings are left out: there is no {corpora.FILINGS}", flush=True)
                continue
            indexed = await index_corpus(actor, corpus)
            answers = await _ask_all(actor, corpus, indexed)
            rows += _quality(corpus, answers)
            rows += _relevance(corpus, answers, await _refused(actor, indexed, _public_questions()))
    return rows


async def _ask_all(actor: Actor, corpus: Corpus, indexed: Indexed) -> _Answers:
    from chatapp.retrieval import embedder, keyword_index, vector_index
    from chatapp.retrieval.retrieve import retrieve
    from chatapp.store import chunks
    from chatapp.store.database import transaction

    collection_ids, depth = [indexed.collection_id], max(_DEPTHS)
    by_way: dict[str, list[Found]] = {"hybrid": [], "keyword": [], "vector": []}
    refused = 0
    for question in corpus.questions:
        found = await retrieve(actor, question.text, collection_ids=collection_ids, top_k=depth)
        refused += not found.is_relevant
        by_way["hybrid"].append([(one.filename, one.chunk.page) for one in found.chunks])
        async with transaction(actor, readonly=True) as tx:
            keyword = await keyword_index.query(tx, question.text, collection_ids=collection_ids, top_k=depth)
        embedding = await embedder.embed_query(question.text)
        vector = await vector_index.query(actor, embedding, collection_ids=collection_ids, top_k=depth)
        for way, hits in (("keyword", keyword.hits), ("vector", vector)):
            ids = [chunk_id for chunk_id, _ in hits]
            async with transaction(actor, readonly=True) as tx:
                known = await chunks.load_answering(tx, ids, collection_ids=collection_ids)
            by_way[way].append([(known[one].filename, known[one].chunk.page) for one in ids])
    by_way["bm25s"] = _bm25s(corpus)
    return _Answers(by_way, refused / len(corpus.questions))


def _bm25s(corpus: Corpus) -> list[Found]:
    import bm25s
    import Stemmer

    places = [(document.name, piece.page) for document in corpus.documents for piece in document.pieces]
    texts = [corpora.embedding_text(document, piece) for document in corpus.documents for piece in document.pieces]
    how = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(texts, **how), show_progress=False)
    questions = bm25s.tokenize([question.text for question in corpus.questions], return_ids=False, **how)
    best = (np.argsort(-index.get_scores(question), kind="stable")[: max(_DEPTHS)] for question in questions)
    return [[places[place] for place in row] for row in best]


def _quality(corpus: Corpus, answers: _Answers) -> list[Row]:
    rows = []
    for what, recall in (("document", _document_recall), ("page", _page_recall)):
        for depth in _DEPTHS:
            by_way = {way: recall(corpus.questions, found, depth) for way, found in answers.by_way.items()}
            if by_way["hybrid"] is None:
                continue
            rows.append(_row(f"{corpus.name}: {what} among {depth}", by_way, "hybrid", ("keyword", "vector")))
            if depth == max(_DEPTHS):
                rows.append(_row(f"{corpus.name}: {what} among {depth}, keyword side", by_way, "keyword", ("bm25s",)))
    return rows


def _row(subject: str, by_way: Mapping[str, float | None], ours: str, others: Sequence[str]) -> Row:
    figure = by_way[ours] or 0.0
    best = max(others, key=lambda way: by_way[way] or 0.0)
    reference = by_way[best] or 0.0
    label = " ".join(f"{way} {100 * (by_way[way] or 0.0):.1f}" for way in others)
    return Row(subject, 100 * figure, "% recall", label, 100 * reference, figure / (reference or 1.0), ">= 1")


def _document_recall(questions: Sequence[Question], found: Sequence[Found], depth: int) -> float | None:
    shares = [
        len({name for name, _ in hits[:depth]} & question.documents) / min(depth, len(question.documents))
        for question, hits in zip(questions, found, strict=True)
    ]
    return float(np.mean(shares))


def _page_recall(questions: Sequence[Question], found: Sequence[Found], depth: int) -> float | None:
    shares = [
        sum(any((name, page) in hits[:depth] for page in pages) for name, pages in question.pages.items())
        / min(depth, len(question.pages))
        for question, hits in zip(questions, found, strict=True)
        if question.pages
    ]
    return float(np.mean(shares)) if shares else None


def _public_questions() -> list[str]:
    """Questions of the public about anything; hardly one is about the corpora."""
    if not corpora.QUESTION_PAIRS.is_file():
        return []
    pairs = json.loads(corpora.QUESTION_PAIRS.read_text(encoding="utf-8"))
    return [pair["text_a"] for pair in random.Random(_SEED).sample(pairs, _PUBLIC_QUESTIONS)]


async def _refused(actor: Actor, indexed: Indexed, questions: Sequence[str]) -> float | None:
    from chatapp.retrieval.retrieve import retrieve

    found = [await retrieve(actor, one, collection_ids=[indexed.collection_id]) for one in questions]
    return sum(not one.is_relevant for one in found) / len(found) if found else None


def _relevance(corpus: Corpus, answers: _Answers, refused: float | None) -> list[Row]:
    own = 100 * (1.0 - answers.refused)
    rows = [Row(f"{corpus.name}: own questions called relevant", own, "%", "all", 100.0, own / 100, ">= 0.98")]
    if refused is not None:
        foreign = 100 * refused
        rows.append(
            Row(f"{corpus.name}: foreign questions turned away", foreign, "%", "all", 100.0, foreign / 100, ">= 0.9")
        )
    return rows
