"""The search as the rest of the house calls it: both sides at once, fused, checked against the database."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import numpy as np
import structlog

from chatapp.domain import Actor, RetrievedChunk
from chatapp.errors import VectorIndexUnavailable
from chatapp.retrieval import embedder, keyword_index, vector_index
from chatapp.retrieval.fusion import fuse
from chatapp.retrieval.keyword_index import KeywordResult
from chatapp.retrieval.relevance import is_relevant
from chatapp.store import chunks
from chatapp.store.chunks import AnsweringChunk
from chatapp.store.database import transaction

_log = structlog.get_logger(__name__)

DEFAULT_TOP_K = 8
DEFAULT_CANDIDATES = 50
MAX_BY_MEANING = 64
"""Collections searched by meaning in one question: each is an index of its own, and one that was not used lately is
read from disk first. All of them are searched by words; those in which words were found come first here."""
_DUPLICATE_OVERLAP = 0.9
"""Share of words two chunks have in common from which one of them says nothing new."""
_DIGIT = re.compile(r"\d")

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found for a question, and how."""

    chunks: tuple[RetrievedChunk, ...]
    """Best first, near-duplicates dropped."""
    is_relevant: bool
    """False: the best of it bears so little on the question that nothing in the documents answers it."""
    best_cosine: float
    """Cosine of the nearest chunk, in [-1, 1]; 0 without a vector side."""
    best_coverage: float
    """Largest share of the question's terms in one chunk, weighted by rarity, in [0, 1]."""
    is_degraded: bool
    """True: the vector side was down, and keywords alone were searched."""
    timings_ms: Mapping[str, float]
    """Milliseconds of `embed`, `vector`, `keyword` and `load`; the first two run beside the third."""
    embedding: np.ndarray | None = field(default=None, repr=False, compare=False)
    """Of the question: float32 of shape (384,), of unit length; None: nothing was searched."""
    by_words_alone: int = 0
    """How many of the collections were searched by words and not by meaning, as there were too many."""


@dataclass(frozen=True, slots=True)
class _VectorSide:
    embedding: np.ndarray
    hits: Sequence[tuple[UUID, float]]
    embed_ms: float
    vector_ms: float
    is_down: bool = False


async def retrieve(
    actor: Actor,
    question: str,
    *,
    collection_ids: Sequence[UUID],
    top_k: int = DEFAULT_TOP_K,
    candidates: int = DEFAULT_CANDIDATES,
) -> Retrieval:
    """Find the chunks that bear on a question.

    Of more than `MAX_BY_MEANING` collections only so many are searched by meaning. Whatever either side finds is
    checked against the database: only chunks of the version their document answers with come back, so a
    half-indexed, replaced or deleted document never answers. With the vector index down the keywords answer alone
    (on_failure="allow"), and the result says so.

    Args:
        actor: whose tenant is searched.
        question: the question, standing for itself.
        collection_ids: the collections the actor may read and wants searched; none gives no chunks.
        top_k: how many chunks to return at most.
        candidates: how many chunks each side may propose, at least `top_k` for good results.
    """
    if not collection_ids or not question.strip():
        return Retrieval((), False, 0.0, 0.0, False, {})
    by_words = _timed(_search_keywords(actor, question, collection_ids, candidates))
    if len(collection_ids) <= MAX_BY_MEANING:
        by_meaning = collection_ids
        (keyword, keyword_ms), vector = await asyncio.gather(
            by_words, _search_vectors(actor, question, by_meaning, candidates)
        )
    else:
        keyword, keyword_ms = await by_words
        by_meaning = await _likeliest(actor, keyword, collection_ids)
        vector = await _search_vectors(actor, question, by_meaning, candidates)
    proposed = dict.fromkeys([chunk_id for chunk_id, _ in (*keyword.hits, *vector.hits)])
    rows, load_ms = await _timed(_load(actor, list(proposed), collection_ids))
    found = _fuse(rows, keyword, dict(vector.hits))
    best_cosine = max((cosine for chunk_id, cosine in vector.hits if chunk_id in rows), default=0.0)
    best_coverage = max((keyword.match(*_place(row)).coverage for row in rows.values()), default=0.0)
    return Retrieval(
        chunks=tuple(_without_duplicates(found, top_k)),
        is_relevant=bool(found)
        and is_relevant(
            best_cosine,
            best_coverage,
            chunk_count=max(keyword.chunk_count, len(found)),
            is_keyword_only=vector.is_down,
        ),
        best_cosine=best_cosine,
        best_coverage=best_coverage,
        is_degraded=vector.is_down,
        timings_ms={
            "embed": vector.embed_ms,
            "vector": vector.vector_ms,
            "keyword": keyword_ms,
            "load": load_ms,
        },
        embedding=vector.embedding,
        by_words_alone=len(collection_ids) - len(by_meaning),
    )


async def _likeliest(actor: Actor, keyword: KeywordResult, collection_ids: Sequence[UUID]) -> Sequence[UUID]:
    """The collections to search by meaning: those of the best words first, then the others as they come."""
    rows = await _load(actor, [chunk_id for chunk_id, _ in keyword.hits], collection_ids)
    found = (rows[chunk_id].chunk.collection_id for chunk_id, _ in keyword.hits if chunk_id in rows)
    return list(dict.fromkeys((*found, *collection_ids)))[:MAX_BY_MEANING]


def _fuse(
    rows: Mapping[UUID, AnsweringChunk], keyword: KeywordResult, cosines: Mapping[UUID, float]
) -> list[RetrievedChunk]:
    """The chunks that may be shown, best first, with the scores that brought them up."""
    matches = {chunk_id: keyword.match(*_place(row)) for chunk_id, row in rows.items()}
    cosines = {chunk_id: cosine for chunk_id, cosine in cosines.items() if chunk_id in rows}
    return [
        RetrievedChunk(
            chunk=rows[chunk_id].chunk,
            filename=rows[chunk_id].filename,
            title=rows[chunk_id].title,
            score=score,
            version=rows[chunk_id].version,
            keyword_score=matches[chunk_id].score or None,
            vector_score=cosines.get(chunk_id),
        )
        for chunk_id, score in fuse(matches, cosines).items()
    ]


def _place(row: AnsweringChunk) -> tuple[UUID, int, int]:
    return row.chunk.document_id, row.version, row.chunk.ordinal


async def _search_keywords(
    actor: Actor, question: str, collection_ids: Sequence[UUID], candidates: int
) -> KeywordResult:
    async with transaction(actor, readonly=True) as tx:
        return await keyword_index.query(tx, question, collection_ids=collection_ids, top_k=candidates)


async def _search_vectors(actor: Actor, question: str, collection_ids: Sequence[UUID], candidates: int) -> _VectorSide:
    embedding, embed_ms = await _timed(embedder.embed_query(question))
    try:
        hits, vector_ms = await _timed(
            vector_index.query(actor, embedding, collection_ids=collection_ids, top_k=candidates)
        )
    except VectorIndexUnavailable as error:
        _log.warning("retrieval.vector_side_down", reason=repr(error.__cause__ or error))
        return _VectorSide(embedding, (), embed_ms, 0.0, is_down=True)
    return _VectorSide(embedding, hits, embed_ms, vector_ms)


async def _load(actor: Actor, ids: Sequence[UUID], collection_ids: Sequence[UUID]) -> Mapping[UUID, AnsweringChunk]:
    async with transaction(actor, readonly=True) as tx:
        return await chunks.load_answering(tx, ids, collection_ids=collection_ids)


def _without_duplicates(found: Sequence[RetrievedChunk], top_k: int) -> list[RetrievedChunk]:
    """The best `top_k`, leaving out what repeats a better one.

    Two chunks with different numbers are never the same: quarter by quarter, reports repeat their sentences and
    change the figures.
    """
    kept: list[RetrievedChunk] = []
    seen: list[tuple[set[str], set[str]]] = []
    for candidate in found:
        if len(kept) == top_k:
            break
        # Split at white space: telling repetitions apart needs no stems, and this is in the way of every answer.
        words = set(candidate.chunk.text.casefold().split())
        numbers = {word for word in words if not word.isalpha() and _DIGIT.search(word)}
        if not any(numbers == others and _overlap(words, known) >= _DUPLICATE_OVERLAP for known, others in seen):
            kept.append(candidate)
            seen.append((words, numbers))
    return kept


def _overlap(one: set[str], other: set[str]) -> float:
    """Jaccard's index of two sets of words, 0 to 1; two empty sets are equal."""
    union = len(one | other)
    return len(one & other) / union if union else 1.0


async def _timed(work: Awaitable[_Result]) -> tuple[_Result, float]:
    start = time.perf_counter()
    result = await work
    return result, (time.perf_counter() - start) * 1000
