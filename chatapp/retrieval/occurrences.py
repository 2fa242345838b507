"""Where terms occur: postings read from the database and kept in memory while their collection stays unchanged."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

from chatapp.store import postings
from chatapp.store.chunks import chunk_id
from chatapp.store.database import Transaction

ENTRY = np.dtype([("ordinal", "<u4"), ("count", "<u2")])
"""One entry of a packed posting: which chunk, how often."""
LENGTHS = ""
"""The term whose entries are the chunks' lengths; no word is empty."""

_COMMON_SHARE = 0.25
"""A term in so many of the chunks is kept as one count a chunk: adding whole arrays is several times as fast as
adding at places, for at most twice the memory."""
_CACHE_BYTES = 48 * 1024 * 1024
_TERM_BYTES = 300
"""What a term in memory costs beside its arrays."""
_DOCUMENT_BYTES = 400


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where one term occurs in one collection."""

    places: np.ndarray | None
    """int32, places of chunks among all of the collection, each once; None for a common term."""
    counts: np.ndarray
    """float32, how often: of the shape of `places`; of a common term in each chunk, 0 where it does not occur."""
    frequency: int
    """Chunks in which it occurs."""
    document_counts: np.ndarray
    """float32 of shape (n_documents,), how often it occurs in each document."""

    @property
    def size_bytes(self) -> int:
        """Memory held, roughly."""
        places = 0 if self.places is None else self.places.nbytes
        return places + self.counts.nbytes + self.document_counts.nbytes + _TERM_BYTES


@dataclass(slots=True)
class IndexedCollection:
    """What is known of one collection at one version: its chunks side by side, and terms looked up so far."""

    documents: list[tuple[UUID, int]]
    """Document and version, in the order of `starts`."""
    starts: np.ndarray
    """int64 of shape (n_documents,), ascending: place of each document's first chunk."""
    lengths: np.ndarray
    """float32 of shape (n_chunks,), terms in each chunk."""
    document_of: np.ndarray
    """int32 of shape (n_chunks,), which of `documents` each chunk belongs to."""
    by_document: dict[tuple[UUID, int], int]
    document_lengths: np.ndarray
    """float32 of shape (n_documents,), terms in each document."""
    occurrences: dict[str, Occurrences] = field(default_factory=dict)
    occurrences_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Memory held, roughly."""
        places = self.lengths.nbytes + self.document_of.nbytes
        return self.occurrences_bytes + places + _DOCUMENT_BYTES * len(self.documents)

    def learn(self, occurrences: Mapping[str, Occurrences]) -> None:
        """Keep terms that were looked up."""
        self.occurrences.update(occurrences)
        self.occurrences_bytes += sum(entry.size_bytes for entry in occurrences.values())

    def forget(self) -> None:
        """Give up all terms."""
        self.occurrences, self.occurrences_bytes = {}, 0

    def with_terms(self, wanted: Iterable[str]) -> IndexedCollection:
        """A copy that knows the wanted terms only; what others learn or forget does not change it."""
        known = {term: self.occurrences[term] for term in wanted}
        return replace(self, occurrences=known, occurrences_bytes=0)

    def chunk_id(self, place: int) -> UUID:
        """The id of the chunk at a place."""
        document = int(self.document_of[place])
        document_id, version = self.documents[document]
        return chunk_id(document_id, version, place - int(self.starts[document]))

    def place(self, document_id: UUID, version: int, ordinal: int) -> int | None:
        """The place of a chunk; None when it is not of a version that answers."""
        document = self.by_document.get((document_id, version))
        return None if document is None else int(self.starts[document]) + ordinal


class _Cache:
    """The process's copies of postings, the least recently used given up first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[UUID, UUID], tuple[int, IndexedCollection]] = OrderedDict()

    def get(self, key: tuple[UUID, UUID], version: int) -> IndexedCollection | None:
        """The copy of a tenant's collection, when it is of this version."""
        entry = self._entries.get(key)
        if entry is None or entry[0] != version:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: tuple[UUID, UUID], version: int, collection: IndexedCollection) -> None:
        """Keep a copy and give up others until all fit; one that alone does not fit loses its terms."""
        self._entries[key] = (version, collection)
        self._entries.move_to_end(key)
        total = self.size_bytes
        while total > _CACHE_BYTES and len(self._entries) > 1:
            _, (_, dropped) = self._entries.popitem(last=False)
            total -= dropped.size_bytes
        if total > _CACHE_BYTES:
            collection.forget()

    @property
    def size_bytes(self) -> int:
        """Memory all copies hold, roughly."""
        return sum(kept.size_bytes for _, kept in self._entries.values())

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


_cache = _Cache()


def clear_cache() -> None:
    """Forget what was read from the database; the next questions read it again."""
    _cache.clear()


async def read(tx: Transaction, collection_id: UUID, version: int, wanted: Sequence[str]) -> IndexedCollection:
    """Get a collection's chunks and the wanted terms, from memory as far as they are there.

    Args:
        tx: a transaction of the tenant.
        collection_id: the collection.
        version: its version, read in this transaction before.
        wanted: terms; those that occur nowhere come back empty.
    """
    key = (tx.tenant_id, collection_id)
    collection = _cache.get(key, version)
    if collection is None:
        collection = _lay_out(await postings.list_answering(tx, collection_id, LENGTHS))
    missing = [term for term in wanted if term not in collection.occurrences]
    if missing:
        rows = await postings.find(tx, collection_id, missing)
        collection.learn(await asyncio.to_thread(_unpack, collection, missing, rows))
    result = collection.with_terms(wanted)
    # The version was read first: what changed between the reads is kept under a number nobody will ask for.
    _cache.put(key, version, collection)
    return result


def _lay_out(rows: Sequence[tuple[UUID, int, bytes]]) -> IndexedCollection:
    """Lay the chunks of all documents side by side."""
    documents = [(document_id, version) for document_id, version, _ in rows]
    lengths = [np.frombuffer(entries, dtype=ENTRY)["count"] for _, _, entries in rows]
    sizes = np.array([len(part) for part in lengths], dtype=np.int64)
    return IndexedCollection(
        documents,
        starts=np.cumsum(sizes) - sizes,
        lengths=np.concatenate(lengths).astype(np.float32) if lengths else np.zeros(0, np.float32),
        document_of=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        by_document={document: place for place, document in enumerate(documents)},
        document_lengths=np.array([part.sum(dtype=np.int64) for part in lengths], dtype=np.float32),
    )


def _unpack(
    collection: IndexedCollection, missing: Iterable[str], rows: Iterable[tuple[str, UUID, int, bytes]]
) -> dict[str, Occurrences]:
    """Turn rows into places of the collection; rows of versions that do not answer are left out."""
    packed: dict[str, tuple[list[int], list[bytes]]] = {term: ([], []) for term in missing}
    for term, document_id, version, entries in rows:
        document = collection.by_document.get((document_id, version))
        if document is not None:
            documents, parts = packed[term]
            documents.append(document)
            parts.append(entries)
    return {term: _join(collection, documents, parts) for term, (documents, parts) in packed.items()}


def _join(collection: IndexedCollection, documents: Sequence[int], parts: Sequence[bytes]) -> Occurrences:
    entries = np.frombuffer(b"".join(parts), dtype=ENTRY)
    sizes = [len(part) // ENTRY.itemsize for part in parts]
    starts = np.repeat(collection.starts[np.asarray(documents, dtype=np.int64)], sizes)
    places = (starts + entries["ordinal"]).astype(np.int32)
    counts = entries["count"].astype(np.float32)
    in_documents = np.bincount(collection.document_of[places], weights=counts, minlength=len(collection.documents))
    frequency, document_counts = len(places), in_documents.astype(np.float32)
    if frequency > _COMMON_SHARE * len(collection.lengths):
        everywhere = np.zeros(len(collection.lengths), dtype=np.float32)
        everywhere[places] = counts
        return Occurrences(None, everywhere, frequency, document_counts)
    return Occurrences(places, counts, frequency, document_counts)
