"""Search the collections this actor may read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chatapp.domain import RetrievedChunk, Source
from chatapp.pipeline.turn import Retrieved, Turn
from chatapp.retrieval import retrieve as search

TOP_K = 8


async def retrieve(turn: Turn) -> Turn:
    """Find the chunks that bear on the question, numbered best first.

    Raises:
        VectorIndexUnavailable: neither side of the search answered.
    """
    if not turn.is_searching or not turn.collections:
        return turn
    count = len(turn.collections)
    where = turn.collections[0].name if count == 1 else f"{count} collections"
    await turn.writer.emit("status", {"stage": "retrieve", "text": f"Searching {where}"})
    found = await search.retrieve(
        turn.actor,
        turn.standalone_question,
        collection_ids=[collection.id for collection in turn.collections],
        top_k=TOP_K,
    )
    retrieved = Retrieved(
        is_relevant=found.is_relevant,
        is_degraded=found.is_degraded,
        best_cosine=found.best_cosine,
        best_coverage=found.best_coverage,
        by_words_alone=found.by_words_alone,
        timings_ms=found.timings_ms,
        chunks=tuple(_scores(number, chunk) for number, chunk in enumerate(found.chunks, 1)),
        embedding=found.embedding,
    )
    chunks = found.chunks if found.is_relevant else ()
    sources = tuple(Source(number, chunk) for number, chunk in enumerate(chunks, 1))
    return replace(turn, retrieved=retrieved, sources=sources)


def _scores(number: int, found: RetrievedChunk) -> dict[str, Any]:
    return {
        "number": number,
        "chunk_id": str(found.chunk.id),
        "file_id": str(found.chunk.document_id),
        "version": found.version,
        "collection_id": str(found.chunk.collection_id),
        "filename": found.filename,
        "page": found.chunk.page,
        "start": found.chunk.start,
        "end": found.chunk.end,
        "heading": found.chunk.heading,
        "score": round(found.score, 6),
        "keyword_score": None if found.keyword_score is None else round(found.keyword_score, 4),
        "vector_score": None if found.vector_score is None else round(found.vector_score, 4),
    }
