"""The version becomes findable, all of it at once.

Vectors are written first: they answer nothing by themselves, because retrieval believes the rows. Then one transaction
writes chunk and keyword rows, makes the version the one that answers, takes the old version's rows away and notes what
is to be removed from the vector index. Killed before it, nothing has changed; killed after it, the sweep finishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import numpy as np

from chatapp.domain import Actor, Chunk, DocumentStatus, IngestStage
from chatapp.errors import VectorIndexUnavailable
from chatapp.retrieval import keyword_index, vector_index
from chatapp.retrieval.vector_index import VectorIndexRefused
from chatapp.store import chunks, collections, documents, ingestions, postings
from chatapp.store import removals as removal_rows
from chatapp.store.chunks import chunk_id
from chatapp.store.database import transaction
from chatapp.store.ingestions import Claim
from chatapp.store.tables import RemovalTable
from ingest.chunk import Piece

_PATIENCE_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Waits between tries to write vectors: a Chroma server that starts again is back within half a minute."""


def to_chunks(claim: Claim, pieces: Sequence[Piece]) -> list[Chunk]:
    """Pieces as the chunks of a version; the ids are the same in every attempt."""
    return [
        Chunk(
            id=chunk_id(claim.document_id, claim.version, ordinal),
            document_id=claim.document_id,
            collection_id=claim.collection_id,
            ordinal=ordinal,
            text=piece.text,
            start=piece.start,
            end=piece.end,
            page=piece.page,
            heading=piece.heading,
        )
        for ordinal, piece in enumerate(pieces)
    ]


async def index(
    actor: Actor, claim: Claim, found: Sequence[Chunk], texts: Sequence[str], embeddings: np.ndarray
) -> list[RemovalTable]:
    """Make a version answer.

    Args:
        actor: the worker, in the document's tenant.
        claim: the document and version.
        found: its chunks in order.
        texts: what was embedded of each chunk.
        embeddings: float32 of shape (n_chunks, 384), unit norm.

    Returns:
        what is to be removed now, already written down.

    Raises:
        LeaseLost: the document was cancelled, replaced or deleted meanwhile; nothing answers differently.
        VectorIndexUnavailable: the index stayed away for half a minute; the document can be tried again later.
        VectorIndexRefused: the index is there and did not take the vectors.
    """
    packed = await asyncio.to_thread(
        keyword_index.pack, [(chunk.ordinal, text) for chunk, text in zip(found, texts, strict=True)]
    )
    await _add_vectors(actor, claim, [chunk.id for chunk in found], embeddings)
    async with transaction(actor) as tx:
        # First of all, so that a lost lease costs nothing, and the row is locked against cancel and delete.
        await ingestions.finish(
            tx,
            claim,
            DocumentStatus.COMPLETED,
            stage=IngestStage.DONE,
            progress=1.0,
            error="",
            error_stage="",
            active_version=claim.version,
        )
        await documents.remove_index_rows(tx, claim.document_id)
        await chunks.add(tx, claim.version, found)
        await postings.add(tx, claim.collection_id, claim.document_id, claim.version, packed)
        await ingestions.save_text(tx, claim, chunk_count=len(found))
        await collections.bump_version(tx, claim.collection_id)
        if claim.version == 1 and claim.attempt == 1:
            return []
        return [
            removal_rows.add(
                tx,
                collection_id=claim.collection_id,
                document_id=claim.document_id,
                keep_version=claim.version,
                keep_files=True,
            )
        ]


async def _add_vectors(actor: Actor, claim: Claim, ids: list[UUID], embeddings: np.ndarray) -> None:
    for wait_seconds in (*_PATIENCE_SECONDS, None):
        try:
            await vector_index.add(
                actor,
                claim.collection_id,
                ids=ids,
                embeddings=embeddings,
                document_id=claim.document_id,
                version=claim.version,
            )
        except VectorIndexUnavailable as error:
            if wait_seconds is None or isinstance(error, VectorIndexRefused):
                raise
            await asyncio.sleep(wait_seconds)
        else:
            return
