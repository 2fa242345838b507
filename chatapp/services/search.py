"""Searching a collection without writing an answer."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chatapp.domain import Actor, Permission, RetrievedChunk
from chatapp.errors import InvalidInput
from chatapp.retrieval.fusion import BEST_SCORE
from chatapp.retrieval.retrieve import retrieve
from chatapp.services import collections
from chatapp.settings import get_settings


async def search(actor: Actor, collection_id: UUID, query: str, *, max_results: int) -> tuple[RetrievedChunk, ...]:
    """The chunks of a collection that fit a query best, best first, with scores from 0 to 1.

    1 is a chunk that both the words and the meaning of the query put first.

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
    return tuple(replace(chunk, score=min(1.0, chunk.score / BEST_SCORE)) for chunk in found.chunks)
