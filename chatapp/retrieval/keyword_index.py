"""Keyword search: BM25 over postings kept in the database, scored in memory.

Each version of a document writes one row a term, packed by `pack`. A question reads the rows of its terms,
keeps them for the next one as long as the collection stays unchanged, and scores all chunks at once.

Source of the score: BM25 as Lucene computes it, see Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020,
https://doi.org/10.1007/978-3-030-45442-5_4, row "Lucene (accurate)". k1 and b are the values usual since
Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from chatapp.retrieval.terms import terms
from chatapp.store import postings
from chatapp.store.chunks import chunk_id
from chatapp.store.database import Transaction

K1 = 1.2
"""How soon further occurrences of a term stop counting."""
B = 0.75
"""How far long chunks are marked down, 0 (not) to 1 (in proportion)."""

_LENGTHS = ""
"""The term whose entries are the chunks' lengths; no word is empty."""
_ENTRY = np.dtype([("ordinal", "<u4"), ("count", "<u2")])
_MAX_COUNT = np.iinfo(np.uint16).max
_MAX_QUERY_TERMS = 256
"""A question may be a pasted page; so many of its terms decide as well as all."""
_CACHE_BYTES = 48 * 1024 * 1024
_TERM_BYTES = 300
"""What a term in memory costs beside its arrays."""
_DOCUMENT_BYTES = 400


@dataclass(frozen=True, slots=True)
class KeywordHit:
    """A chunk that holds terms of the question."""

    chunk_id: UUID
    score: float
    """BM25, more than 0, higher is better; comparable within one question only."""
    coverage: float
    """Share of the question's terms it holds, weighted by how rare they are, in (0, 1]."""


@dataclass(frozen=True, slots=True)
class _Occurrences:
    """Where one term occurs in one collection."""

    places: np.ndarray
    """int32, places of chunks among all of the collection."""
    counts: np.ndarray
    """float32 of the same shape, how often."""


@dataclass(slots=True)
class _Collection:
    """What is known of one collection at one version: its chunks side by side, and terms looked up so far."""

    documents: list[tuple[UUID, int]]
    """Document and version, in the order of `starts`."""
    starts: np.ndarray
    """int64 of shape (n_documents,), ascending: place of each document's first chunk."""
    lengths: np.ndarray
    """float32 of shape (n_chunks,), terms in each chunk."""
    by_document: dict[tuple[UUID, int], int]
    occurrences: dict[str, _Occurrences] = field(default_factory=dict)
    occurrences_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Memory held, roughly."""
        return self.occurrences_bytes + self.lengths.nbytes + _DOCUMENT_BYTES * len(self.documents)

    def learn(self, occurrences: Mapping[str, _Occurrences]) -> None:
        """Keep terms that were looked up."""
        self.occurrences.update(occurrences)
        self.occurrences_bytes += sum(
            entry.places.nbytes + entry.counts.nbytes + _TERM_BYTES for entry in occurrences.values()
        )

    def forget(self) -> None:
        """Give up all terms."""
        self.occurrences, self.occurrences_bytes = {}, 0

    def chunk_id(self, place: int) -> UUID:
        """The id of the chunk at a place."""
        document = int(np.searchsorted(self.starts, place, side="right")) - 1
        document_id, version = self.documents[document]
        return chunk_id(document_id, version, place - int(self.starts[document]))


class _Cache:
    """The process's copies of postings, the least recently used given up first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[UUID, UUID], tuple[int, _Collection]] = OrderedDict()

    def get(self, key: tuple[UUID, UUID], version: int) -> _Collection | None:
        """The copy of a tenant's collection, when it is of this version."""
        entry = self._entries.get(key)
        if entry is None or entry[0] != version:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: tuple[UUID, UUID], version: int, collection: _Collection) -> None:
        """Keep a copy and give up others until all fit; one that alone does not fit loses its terms."""
        self._entries[key] = (version, collection)
        self._entries.move_to_end(key)
        total = sum(kept.size_bytes for _, kept in self._entries.values())
        while total > _CACHE_BYTES and len(self._entries) > 1:
            _, (_, dropped) = self._entries.popitem(last=False)
            total -= dropped.size_bytes
        if total > _CACHE_BYTES:
            collection.forget()

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


_cache = _Cache()


def clear_cache() -> None:
    """Forget what was read from the database; the next questions read it again."""
    _cache.clear()


def pack(chunks: Sequence[tuple[int, str]]) -> dict[str, bytes]:
    """Count the terms of a document's chunks. Blocking: some 10 ms per 100 chunks.

    Args:
        chunks: ordinal (0-based, without gaps) and text of each chunk of one version.

    Returns:
        entries by term, to be written with `store.postings.add`.
    """
    found: dict[str, list[tuple[int, int]]] = {_LENGTHS: []}
    for ordinal, text in chunks:
        counts = Counter(terms(text))
        found[_LENGTHS].append((ordinal, min(counts.total(), _MAX_COUNT)))
        for term, count in counts.items():
            found.setdefault(term, []).append((ordinal, min(count, _MAX_COUNT)))
    return {term: np.array(entries, dtype=_ENTRY).tobytes() for term, entries in found.items()}


async def query(tx: Transaction, text: str, *, collection_ids: Sequence[UUID], top_k: int) -> list[KeywordHit]:
    """Find the chunks whose terms match a question best.

    Only versions that answer are searched. Document frequencies and mean length are those of all collections
    searched together, so that scores compare between them.

    Args:
        tx: a transaction of the tenant searched; another tenant's collection id has no rows there.
        text: the question.
        collection_ids: the collections to search; unknown ones give no hits.
        top_k: how many chunks to return at most.

    Returns:
        hits, best first; none when the question holds no term (stop words alone) or no chunk holds one.
    """
    wanted = _query_terms(text)
    if not wanted or not collection_ids or top_k < 1:
        return []
    versions = await postings.collection_versions(tx, list(dict.fromkeys(collection_ids)))
    collections = [await _read(tx, collection_id, version, wanted) for collection_id, version in versions.items()]
    return await asyncio.to_thread(_score, wanted, collections, top_k)


def _query_terms(text: str) -> dict[str, int]:
    """The question's terms and how often it names each; a term repeated weighs accordingly."""
    counts = Counter(terms(text))
    if len(counts) <= _MAX_QUERY_TERMS:
        return counts
    # Which are rare is not known before they are read; long words mostly are.
    return dict(sorted(counts.items(), key=lambda item: (-len(item[0]), item[0]))[:_MAX_QUERY_TERMS])


async def _read(tx: Transaction, collection_id: UUID, version: int, wanted: Iterable[str]) -> _Collection:
    """The collection's chunks and the wanted terms, from memory as far as they are there."""
    key = (tx.tenant_id, collection_id)
    collection = _cache.get(key, version)
    if collection is None:
        collection = _layout(await postings.list_answering(tx, collection_id, _LENGTHS))
    missing = [term for term in wanted if term not in collection.occurrences]
    if missing:
        rows = await postings.find(tx, collection_id, missing)
        collection.learn(await asyncio.to_thread(_unpack, collection, missing, rows))
    # The version was read first: a change between the reads is under a number nobody will ask for.
    # A copy is made, so that giving up terms for memory's sake does not take them from this question.
    known = {term: collection.occurrences[term] for term in wanted}
    _cache.put(key, version, collection)
    return _Collection(
        collection.documents, collection.starts, collection.lengths, collection.by_document, occurrences=known
    )


def _layout(rows: Sequence[tuple[UUID, int, bytes]]) -> _Collection:
    """Lay the chunks of all documents side by side."""
    documents = [(document_id, version) for document_id, version, _ in rows]
    lengths = [np.frombuffer(entries, dtype=_ENTRY)["count"] for _, _, entries in rows]
    sizes = np.array([len(part) for part in lengths], dtype=np.int64)
    return _Collection(
        documents,
        starts=np.cumsum(sizes) - sizes,
        lengths=np.concatenate(lengths).astype(np.float32) if lengths else np.zeros(0, np.float32),
        by_document={document: place for place, document in enumerate(documents)},
    )


def _unpack(
    collection: _Collection, missing: Iterable[str], rows: Iterable[tuple[str, UUID, int, bytes]]
) -> dict[str, _Occurrences]:
    """Turn rows into places of the collection; rows of versions that do not answer are left out."""
    packed: dict[str, tuple[list[int], list[bytes]]] = {term: ([], []) for term in missing}
    for term, document_id, version, entries in rows:
        document = collection.by_document.get((document_id, version))
        if document is not None:
            documents, parts = packed[term]
            documents.append(document)
            parts.append(entries)
    return {term: _join(collection, documents, parts) for term, (documents, parts) in packed.items()}


def _join(collection: _Collection, documents: Sequence[int], parts: Sequence[bytes]) -> _Occurrences:
    entries = np.frombuffer(b"".join(parts), dtype=_ENTRY)
    sizes = [len(part) // _ENTRY.itemsize for part in parts]
    starts = np.repeat(collection.starts[np.asarray(documents, dtype=np.int64)], sizes)
    places = (starts + entries["ordinal"]).astype(np.int32)
    return _Occurrences(places, entries["count"].astype(np.float32))


def _score(wanted: Mapping[str, int], collections: Sequence[_Collection], top_k: int) -> list[KeywordHit]:
    total = sum(len(collection.lengths) for collection in collections)
    if total == 0:
        return []
    mean_length = sum(float(collection.lengths.sum()) for collection in collections) / total or 1.0
    weights = {
        term: _inverse_document_frequency(sum(len(c.occurrences[term].places) for c in collections), total)
        for term in wanted
    }
    hits: list[KeywordHit] = []
    for collection in collections:
        hits += _score_one(collection, wanted, weights, mean_length, top_k)
    # Equal scores in the order of ids, so that the same question gives the same list on every database.
    hits.sort(key=lambda hit: (-hit.score, hit.chunk_id.int))
    return hits[:top_k]


def _inverse_document_frequency(chunks_with_term: int, total: int) -> float:
    return float(np.log1p((total - chunks_with_term + 0.5) / (chunks_with_term + 0.5)))


def _score_one(
    collection: _Collection,
    wanted: Mapping[str, int],
    weights: Mapping[str, float],
    mean_length: float,
    top_k: int,
) -> list[KeywordHit]:
    scores = np.zeros(len(collection.lengths), dtype=np.float32)
    covered = np.zeros_like(scores)
    damping = K1 * (1.0 - B + B * collection.lengths / mean_length)
    for term, repetitions in wanted.items():
        found = collection.occurrences[term]
        # No place occurs twice in a term, so adding by index adds each once.
        scores[found.places] += repetitions * weights[term] * found.counts / (found.counts + damping[found.places])
        covered[found.places] += weights[term]
    all_weights = sum(weights.values())
    return [
        KeywordHit(collection.chunk_id(int(place)), float(scores[place]), float(covered[place]) / all_weights)
        for place in _best(scores, top_k)
    ]


def _best(scores: np.ndarray, top_k: int) -> np.ndarray:
    """Places of the highest scores above 0, best first."""
    if top_k < len(scores):
        candidates = np.argpartition(scores, -top_k)[-top_k:]
    else:
        candidates = np.arange(len(scores))
    candidates = candidates[scores[candidates] > 0]
    return candidates[np.argsort(-scores[candidates], kind="stable")]
