"""S10: one search over 100,000 chunks without the embedding, and how many of the truly nearest it finds.

Texts are drawn from words that occur as words do, vectors around a thousand centres. Latency is that of the whole
search, both sides, fusion and reading the chunks, with the question's vector given. Recall of the vector side is
against an exact scan with NumPy, whose time is printed beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch
from uuid import UUID

import numpy as np

from chatapp.domain import Actor
from chatapp.store.chunks import chunk_id
from tests.bench.indexed import add_document, make_collection, product
from tests.bench.row import Row

NAME = "retrieval_speed"
CHUNKS = 100_000
_CHUNKS_A_DOCUMENT = 500
_WORDS_A_CHUNK = 110
_VOCABULARY = 30_000
_QUESTIONS = 200
_SEED = 7
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class _Collection:
    collection_id: UUID
    ids: Sequence[UUID]
    vectors: np.ndarray
    """float32 of shape (n_chunks, 384), unit norm."""
    questions: Sequence[str]
    question_vectors: np.ndarray


async def run() -> list[Row]:
    """Fill a collection and search it."""
    async with product() as actor:
        collection = await _fill(actor)
        recall, exact_ms = await _recall(actor, collection)
        latencies = await _latencies(actor, collection)
    p50, p95 = statistics.median(latencies), float(np.percentile(latencies, 95))
    return [
        Row(f"search of {CHUNKS:,} chunks, p50", p50, "ms", "exact scan, NumPy", exact_ms, p50 / exact_ms, ""),
        Row(f"search of {CHUNKS:,} chunks, p95", p95, "ms", "target", 8.0, p95 / 8.0, "<= 1"),
        Row(f"recall of the nearest {_DEPTH}", recall, "", "exact scan, NumPy", 1.0, recall, ">= 0.98"),
    ]


async def _fill(actor: Actor) -> _Collection:
    draw = np.random.default_rng(_SEED)
    words = np.array([_word(number) for number in range(_VOCABULARY)])
    frequencies = 1.0 / np.arange(1, _VOCABULARY + 1)
    frequencies /= frequencies.sum()
    centres = _unit(draw.standard_normal((1_000, 384)))
    collection_id, ids, parts = await make_collection(actor), list[UUID](), list[np.ndarray]()
    for number in range(CHUNKS // _CHUNKS_A_DOCUMENT):
        drawn = draw.choice(_VOCABULARY, (_CHUNKS_A_DOCUMENT, _WORDS_A_CHUNK), p=frequencies)
        texts = [" ".join(row) for row in words[drawn]]
        vectors = _near(draw, centres, _CHUNKS_A_DOCUMENT)
        document_id = await add_document(
            actor,
            collection_id,
            pieces=[(text, place + 1, "") for place, text in enumerate(texts)],
            texts=texts,
            vectors=vectors,
            name=f"{number}.txt",
        )
        ids += [chunk_id(document_id, 1, place) for place in range(_CHUNKS_A_DOCUMENT)]
        parts.append(vectors)
    # Questions of six words, common ones among them as in speech.
    asked = draw.choice(_VOCABULARY, (_QUESTIONS, 6), p=frequencies)
    questions = [" ".join(row) for row in words[asked]]
    return _Collection(collection_id, ids, np.concatenate(parts), questions, _near(draw, centres, _QUESTIONS))


def _word(number: int) -> str:
    """A word of its own for each number that the stemmer leaves alone."""
    letters = "bcdfghjkmp"
    return "z" + "".join(letters[int(digit)] for digit in str(number)) + "z"


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _near(draw: np.random.Generator, centres: np.ndarray, count: int) -> np.ndarray:
    """Vectors around the centres, at a cosine of about 0.7 to their own: as like as chunks on one subject are."""
    return _unit(centres[draw.integers(0, len(centres), count)] + draw.standard_normal((count, 384)) / 384**0.5)


async def _recall(actor: Actor, collection: _Collection) -> tuple[float, float]:
    """Share of the exact nearest that the index finds, and the milliseconds of an exact scan."""
    from chatapp.retrieval import vector_index

    shares, times = [], []
    for vector in collection.question_vectors:
        start = time.perf_counter()
        scores = collection.vectors @ vector
        nearest = np.argpartition(scores, -_DEPTH)[-_DEPTH:]
        times.append((time.perf_counter() - start) * 1000)
        hits = await vector_index.query(actor, vector, collection_ids=[collection.collection_id], top_k=50)
        shares.append(len({collection.ids[place] for place in nearest} & {one for one, _ in hits[:_DEPTH]}) / _DEPTH)
    return float(np.mean(shares)), statistics.median(times)


async def _latencies(actor: Actor, collection: _Collection) -> list[float]:
    """Milliseconds of each search, after one round that warms the caches."""
    from chatapp.retrieval import embedder
    from chatapp.retrieval.retrieve import retrieve

    by_question = dict(zip(collection.questions, collection.question_vectors, strict=True))

    async def given(question: str) -> np.ndarray:
        return by_question[question]

    times = []
    with patch.object(embedder, "embed_query", given):
        for is_counted in (False, True):
            for question in collection.questions:
                start = time.perf_counter()
                await retrieve(actor, question, collection_ids=[collection.collection_id])
                if is_counted:
                    times.append((time.perf_counter() - start) * 1000)
    return times
