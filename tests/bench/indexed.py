"""The product's own database, vector index and embedder with a bench corpus in them."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np

from chatapp.domain import ROLE_PERMISSIONS, Actor, Chunk, Role
from tests.bench.corpora import PROJECT, Corpus, embed, embedding_text
from tests.fixtures.servers import accepts_connections, free_port, server


@dataclass(frozen=True, slots=True)
class Indexed:
    """A corpus in a collection."""

    collection_id: UUID
    names: dict[UUID, str]
    """Names of the documents by id."""


@contextlib.asynccontextmanager
async def product() -> AsyncIterator[Actor]:
    """Open the parts retrieval needs, on a fresh SQLite file and a real Chroma server; an actor of a new tenant."""
    from chatapp.retrieval import embedder, occurrences, vector_index
    from chatapp.store import database
    from chatapp.store.database import system_transaction
    from chatapp.store.tables import TenantTable

    models = Path(os.environ.get("CHATAPP_MODEL_DIR") or PROJECT / ".data" / "models")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _chroma(Path(folder)) as url:
        await _make_tables(database.open_database(f"sqlite+aiosqlite:///{folder}/bench.db"))
        await vector_index.open_vector_index(url)
        embedder.open_embedder(models, threads=1)
        await embedder.warm_up()
        occurrences.clear_cache()
        # A person's, so that what is measured goes by their grants.
        actor = Actor(uuid4(), uuid4(), ROLE_PERMISSIONS[Role.MEMBER], roles=(Role.MEMBER,))
        async with system_transaction() as tx:
            tx.session.add(TenantTable(id=actor.tenant_id, name="Bench"))
        try:
            yield actor
        finally:
            embedder.close_embedder()
            await vector_index.close_vector_index()
            await database.close_database()


@contextlib.contextmanager
def _chroma(folder: Path):
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    command = (program, "run", "--path", folder / "chroma", "--host", "127.0.0.1", "--port", str(port))
    with server(command, is_ready=lambda: accepts_connections(port), log_path=folder / "chroma.log"):
        yield f"http://127.0.0.1:{port}"


async def _make_tables(engine) -> None:
    from sqlmodel import SQLModel

    from chatapp.store import planner_hints  # noqa: F401  # tells SQLite of the tables' sizes, as the migrations do

    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    await engine.dispose()  # connections go by what is said of the tables' sizes when they are opened


async def index_corpus(actor: Actor, corpus: Corpus) -> Indexed:
    """Write a corpus as ingestion does, with vectors kept between runs."""
    texts = [embedding_text(document, piece) for document in corpus.documents for piece in document.pieces]
    vectors = embed(texts)
    collection_id, names, start = await make_collection(actor), dict[UUID, str](), 0
    for document in corpus.documents:
        end = start + len(document.pieces)
        document_id = await add_document(
            actor,
            collection_id,
            pieces=[(piece.text, piece.page, piece.heading) for piece in document.pieces],
            texts=texts[start:end],
            vectors=vectors[start:end],
            name=document.name,
        )
        names[document_id] = document.name
        start = end
    return Indexed(collection_id, names)


async def make_collection(actor: Actor) -> UUID:
    """An empty collection of the actor's tenant."""
    from tests.fixtures.collections import add_collection

    return (await add_collection(actor)).id


async def add_document(
    actor: Actor,
    collection_id: UUID,
    *,
    pieces: Sequence[tuple[str, int, str]],
    texts: Sequence[str],
    vectors: np.ndarray,
    name: str,
) -> UUID:
    """Write one document that answers.

    Args:
        actor: whose tenant.
        collection_id: the collection.
        pieces: text, page and heading of each chunk.
        texts: what the keyword index sees of each.
        vectors: float32 of shape (n_pieces, 384).
        name: its file name.
    """
    from chatapp.retrieval import keyword_index, vector_index
    from chatapp.store import chunks, collections, postings
    from chatapp.store.database import transaction
    from chatapp.store.tables import DocumentTable, DocumentVersionTable

    document_id = uuid4()
    rows = [
        Chunk(chunks.chunk_id(document_id, 1, place), document_id, collection_id, place, text, 0, len(text), page, head)
        for place, (text, page, head) in enumerate(pieces)
    ]
    owner = {"tenant_id": actor.tenant_id, "filename": name}
    async with transaction(actor) as tx:
        document = DocumentTable(**owner, id=document_id, collection_id=collection_id, active_version=1)
        tx.session.add(document)
        await tx.session.flush()
        version = DocumentVersionTable(
            **owner, document_id=document_id, version=1, media_type="text/plain", size_bytes=0, sha256="0" * 64
        )
        tx.session.add(version)
        await tx.session.flush()
        await chunks.add(tx, 1, rows)
        await postings.add(tx, collection_id, document_id, 1, keyword_index.pack(list(enumerate(texts))))
        await collections.bump_version(tx, collection_id)
    await vector_index.add(
        actor,
        collection_id,
        ids=[row.id for row in rows],
        embeddings=vectors,
        document_id=document_id,
        version=1,
    )
    return document_id
