"""Searching a collection without writing an answer."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chatapp.domain import Actor, Permission, RetrievedChunk
from chatapp.errors import InvalidInput
from chatapp.retrieval.fusion import CHUNK_WEIGHT, DOCUMENT_WEIGHT
from chatapp.retrieval.retrieve import retrieve
from chatapp.services import collections
from chatapp.settings import get_settings


async def search(actor: Actor, collection_id: UUID, query: str, *, max_results: int) -> tuple[RetrievedChunk, ...]:
    """The chunks of a collection that fit a query best, best first, with scores from 0 to 1.

    1 is a chunk that means the same as the query and has all its words, in a document that has them too.

    Args:
        actor: who searches.
        collection_id: where.
        query: words or a question.
        max_results: 1 to 50.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such collection in this tenant, or not the actor's to read.
        InvalidInput: the query is empty or too long.
    """
    actor.require(Permission.READ_DOCUMENTS)
    query = query.strip()
    if not query:
        raise InvalidInput("The query is empty.", param="query")
    limit = get_settings().max_question_characters
    if len(query) > limit:
        raise InvalidInput(f"The query is longer than {limit} characters.", param="query")
    collection_ids = await collections.readable_ids(actor, [collection_id])
    found = await retrieve(actor, query, collection_ids=collection_ids, top_k=max_results)
    best = 1.0 + CHUNK_WEIGHT + DOCUMENT_WEIGHT
    return tuple(replace(chunk, score=min(1.0, max(0.0, chunk.score / best))) for chunk in found.chunks)
