"""Keyword search: BM25 over postings kept in the database, scored in memory.

Each version of a document writes one row a term, packed by `pack`. A question reads the rows of its terms
(`occurrences` keeps them for the next one) and scores every chunk, and every document as a whole.

Sources: BM25 as Lucene computes it, Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020,
https://doi.org/10.1007/978-3-030-45442-5_4, row "Lucene (accurate)"; k1 and b as usual since Robertson and
Zaragoza, "The Probabilistic Relevance Framework", 2009. The document's own score beside the passage's: Callan,
"Passage-Level Evidence in Document Retrieval", SIGIR 1994.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from chatapp.retrieval.occurrences import ENTRY, LENGTHS, IndexedCollection, Occurrences, read
from chatapp.retrieval.terms import terms
from chatapp.store import postings
from chatapp.store.database import Transaction

K1 = 1.2
"""How soon further occurrences of a term stop counting."""
B = 0.75
"""How far long chunks are marked down, 0 (not) to 1 (in proportion)."""

_NEAR_THE_BEST = 0.5
_MAX_COUNT = np.iinfo(np.uint16).max
_MAX_QUERY_TERMS = 256
"""A question may be a pasted page; so many of its terms decide as well as all."""


@dataclass(frozen=True, slots=True)
class KeywordMatch:
    """How well one chunk's words match a question."""

    score: float = 0.0
    """BM25, 0 or more, higher is better; comparable within one question only."""
    share: float = 0.0
    """`score` by the most any chunk could reach, in [0, 1); comparable between questions."""
    document_share: float = 0.0
    """The same for the chunk's document as a whole, in [0, 1)."""
    coverage: float = 0.0
    """Share of the question's terms in the chunk, weighted by how rare they are, in [0, 1]."""


class KeywordResult:
    """The scores of all chunks for one question."""

    def __init__(self, scored: Sequence[_Scored], top_k: int) -> None:
        """Pick the best chunks out of all collections."""
        self._scored = scored
        hits = [hit for one in scored for hit in one.best(top_k)]
        # Equal scores in the order of ids, so that the same question gives the same list on every database.
        hits.sort(key=lambda hit: (-hit[1], hit[0].int))
        self.hits: list[tuple[UUID, float]] = hits[:top_k]
        """Ids of the best chunks with their BM25 scores above 0, best first."""

    @property
    def chunk_count(self) -> int:
        """Chunks searched; 0 when the question holds no term."""
        return sum(len(one.collection.lengths) for one in self._scored)

    def match(self, document_id: UUID, version: int, ordinal: int) -> KeywordMatch:
        """The scores of any chunk, among the hits or not; zeros when it holds no term of the question."""
        for one in self._scored:
            place = one.collection.place(document_id, version, ordinal)
            if place is not None:
                return one.match(place)
        return KeywordMatch()


def pack(chunks: Sequence[tuple[int, str]]) -> dict[str, bytes]:
    """Count the terms of a document's chunks. Blocking: some 25 ms per 100 chunks.

    Args:
        chunks: ordinal (0-based, ascending, without gaps) and text of each chunk of one version.

    Returns:
        entries by term, to be written with `store.postings.add`.
    """
    found: dict[str, list[tuple[int, int]]] = {LENGTHS: []}
    for ordinal, text in chunks:
        counts = Counter(terms(text))
        found[LENGTHS].append((ordinal, min(counts.total(), _MAX_COUNT)))
        for term, count in counts.items():
            found.setdefault(term, []).append((ordinal, min(count, _MAX_COUNT)))
    return {term: np.array(entries, dtype=ENTRY).tobytes() for term, entries in found.items()}


async def query(tx: Transaction, text: str, *, collection_ids: Sequence[UUID], top_k: int) -> KeywordResult:
    """Score the chunks whose terms match a question.

    Only versions that answer are searched. Document frequencies and mean lengths are those of all collections
    searched together, so that scores compare between them.

    Args:
        tx: a transaction of the tenant searched; another tenant's collection id has no rows there.
        text: the question.
        collection_ids: the collections to search; unknown ones give no hits.
        top_k: how many hits to return at most.

    Returns:
        no hits when the question holds no term (stop words alone) or no chunk holds one.
    """
    # In a thread: a question may be as long as a page, and stemming that holds up everybody's stream.
    wanted = await asyncio.to_thread(_query_terms, text)
    if not wanted or not collection_ids:
        return KeywordResult((), top_k)
    versions = await postings.collection_versions(tx, list(dict.fromkeys(collection_ids)))
    collections = [await read(tx, collection_id, version, list(wanted)) for collection_id, version in versions.items()]
    return await asyncio.to_thread(_score, wanted, collections, top_k)


def _query_terms(text: str) -> dict[str, int]:
    """The question's terms and how often it names each; a term repeated weighs accordingly."""
    counts = Counter(terms(text))
    if len(counts) <= _MAX_QUERY_TERMS:
        return counts
    # Which are rare is not known before they are read; long words mostly are.
    return dict(sorted(counts.items(), key=lambda item: (-len(item[0]), item[0]))[:_MAX_QUERY_TERMS])


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What BM25 needs to know of all collections together."""

    total: int
    """Chunks, or documents."""
    mean_length: float
    """Terms in one, on average."""
    weights: Mapping[str, float]
    """Inverse document frequency by term."""
    limit: float
    """The score no chunk reaches: every term as often as can be."""


class _Scored:
    """One collection's chunks and documents with their scores."""

    def __init__(
        self,
        collection: IndexedCollection,
        wanted: Mapping[str, int],
        of_chunks: _Statistics,
        of_documents: _Statistics,
    ) -> None:
        self.collection = collection
        self._limits = (of_chunks.limit, of_documents.limit)
        # Where documents have one chunk each, the document's score says what the chunk's says: no weight.
        self._context = 1.0 - of_documents.total / of_chunks.total
        self._scores = np.zeros(len(collection.lengths), dtype=np.float32)
        self._covered = np.zeros_like(self._scores)
        self._document_scores = np.zeros(len(collection.documents), dtype=np.float32)
        self._all_weights = sum(of_chunks.weights.values())
        damping = _damping(collection.lengths, of_chunks)
        document_damping = _damping(collection.document_lengths, of_documents)
        for term, repetitions in wanted.items():
            found = collection.occurrences[term]
            self._add(found, damping, of_chunks.weights[term], repetitions)
            counts = found.document_counts
            self._document_scores += repetitions * of_documents.weights[term] * counts / (counts + document_damping)

    def _add(self, found: Occurrences, damping: np.ndarray, weight: float, repetitions: int) -> None:
        """Add what one term says about each chunk."""
        if found.places is None:
            self._scores += repetitions * weight * (found.counts / (found.counts + damping))
            self._covered += weight * np.minimum(found.counts, 1.0)
            return
        # No place occurs twice in a term, so adding by index adds each once.
        part = found.counts / (found.counts + damping[found.places])
        self._scores[found.places] += repetitions * weight * part
        self._covered[found.places] += weight

    def best(self, top_k: int) -> list[tuple[UUID, float]]:
        """The chunks with the highest scores above 0, best first."""
        # Most chunks are far from the best: looking for the best among those near it gives the same, sooner.
        places = np.flatnonzero(self._scores > _NEAR_THE_BEST * self._scores.max(initial=0.0))
        if len(places) < top_k:
            places = np.flatnonzero(self._scores > 0)
        if top_k < len(places):
            places = places[np.argpartition(self._scores[places], -top_k)[-top_k:]]
        places = places[np.lexsort((places, -self._scores[places]))]
        return [(self.collection.chunk_id(int(place)), float(self._scores[place])) for place in places]

    def match(self, place: int) -> KeywordMatch:
        """The scores of the chunk at a place."""
        score, document_score = self._scores[place], self._document_scores[self.collection.document_of[place]]
        return KeywordMatch(
            float(score),
            float(score) / self._limits[0],
            self._context * float(document_score) / self._limits[1],
            float(self._covered[place]) / self._all_weights,
        )


def _score(wanted: Mapping[str, int], collections: Sequence[IndexedCollection], top_k: int) -> KeywordResult:
    filled = [collection for collection in collections if len(collection.lengths)]
    if not filled or top_k < 1:
        return KeywordResult((), top_k)
    of_chunks = _statistics(
        wanted,
        [collection.lengths for collection in filled],
        {term: sum(one.occurrences[term].frequency for one in filled) for term in wanted},
    )
    of_documents = _statistics(
        wanted,
        [collection.document_lengths for collection in filled],
        {term: sum(int(np.count_nonzero(one.occurrences[term].document_counts)) for one in filled) for term in wanted},
    )
    return KeywordResult([_Scored(collection, wanted, of_chunks, of_documents) for collection in filled], top_k)


def _statistics(
    wanted: Mapping[str, int], lengths: Sequence[np.ndarray], frequencies: Mapping[str, int]
) -> _Statistics:
    total = sum(len(part) for part in lengths)
    mean_length = sum(float(part.sum()) for part in lengths) / total
    weights = {term: float(np.log1p((total - n + 0.5) / (n + 0.5))) for term, n in frequencies.items()}
    return _Statistics(total, mean_length or 1.0, weights, sum(weights[term] * n for term, n in wanted.items()))


def _damping(lengths: np.ndarray, statistics: _Statistics) -> np.ndarray:
    """The part of BM25's denominator that depends on the length alone."""
    damping = lengths * np.float32(K1 * B / statistics.mean_length)
    damping += np.float32(K1 * (1.0 - B))
    return damping
