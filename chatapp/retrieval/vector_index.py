"""The vectors, in a Chroma server: one Chroma collection per tenant and collection.

A collection of its own is a wall and is fast: at 100,000 chunks a metadata filter costs 70 ms a query, a
collection 2.9 ms. The server's own HTTP interface is spoken directly: its Python client has no timeouts, raises
bare `Exception` and costs each process 1.2 s and 50 MB to import, for the same 3 ms a query.

Vectors are a copy of what the database knows: whatever is found here is checked against it before it answers
(`store.chunks`), so a vector that outlived its chunk is harmless.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import httpx
import numpy as np

from chatapp.domain import Actor
from chatapp.errors import VectorIndexUnavailable

_BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"
_HNSW = {"space": "cosine", "max_neighbors": 24, "ef_construction": 200, "ef_search": 200}
"""Graph settings of each new collection. Source: `make bench NAME=retrieval_speed` at 100,000 vectors."""
_BATCH_ROWS = 1_000
"""Rows in one request, 2 MB; the server's own limit is 5,461."""
_PAGE_ROWS = 1_000
_CONNECT_TIMEOUT_SECONDS = 2.0
_READ_TIMEOUT_SECONDS = 5.0
_WRITE_TIMEOUT_SECONDS = 60.0
"""Adding to a large graph and dropping one take their time; a question may not wait as long."""
_MAX_CONNECTIONS = 32


class VectorIndexRefused(VectorIndexUnavailable):
    """The document index answered, and with an error. Trying again for ever would not help."""


class _VectorIndex:
    """The process's client; opened and closed by the lifespan."""

    client: httpx.AsyncClient | None = None
    chroma_ids: dict[str, str] = {}  # noqa: RUF012 - module state, replaced on open
    """Chroma's own id of a collection, by its name: saves one request a query."""


async def open_vector_index(url: str) -> None:
    """Make the process's client. Nothing is asked of the server yet.

    Args:
        url: the Chroma server, such as `http://127.0.0.1:8000`.
    """
    await close_vector_index()
    timeout = httpx.Timeout(_READ_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS)
    limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS)
    # To read the list of authorities takes 20 ms, and http has no use for it.
    authorities = httpx.create_ssl_context(trust_env=False) if url.startswith("https:") else False
    # The server is named by the operator: a proxy of the environment has no business in between.
    _VectorIndex.client = httpx.AsyncClient(
        base_url=url.rstrip("/"), timeout=timeout, limits=limits, trust_env=False, verify=authorities
    )
    _VectorIndex.chroma_ids = {}


async def close_vector_index() -> None:
    """Close the connections to the server."""
    client, _VectorIndex.client = _VectorIndex.client, None
    if client is not None:
        await client.aclose()


async def heartbeat() -> None:
    """Ask the server for a sign of life.

    Raises:
        VectorIndexUnavailable: there is none.
    """
    if await _call("GET", "/api/v2/heartbeat") is None:
        raise VectorIndexUnavailable  # some other server answers there


async def add(
    actor: Actor,
    collection_id: UUID,
    *,
    ids: Sequence[UUID],
    embeddings: np.ndarray,
    document_id: UUID,
    version: int,
) -> None:
    """Write the vectors of chunks; the same ids again replace them.

    Args:
        actor: whose tenant they belong to.
        collection_id: the collection of the document; its Chroma collection is made on first use.
        ids: ids of the chunks.
        embeddings: float32 of shape (n_ids, 384), unit norm.
        document_id: the document they come from.
        version: its version they come from.

    Raises:
        VectorIndexUnavailable: the server cannot be reached or refused; some batches may have been written.
    """
    name = _name(actor, collection_id)
    rows = np.ascontiguousarray(embeddings, dtype="<f4")
    metadata = {"document": document_id.hex, "version": version}
    for start in range(0, len(ids), _BATCH_ROWS):
        batch = slice(start, start + _BATCH_ROWS)
        body = {
            "ids": [str(chunk_id) for chunk_id in ids[batch]],
            "embeddings": [base64.b64encode(row.tobytes()).decode("ascii") for row in rows[batch]],
            "metadatas": [metadata] * len(ids[batch]),
        }
        await _in_collection(name, "upsert", body, create=True)


async def delete_document(
    actor: Actor, collection_id: UUID, document_id: UUID, *, keep_version: int | None = None
) -> None:
    """Remove the vectors of a document.

    Args:
        actor: whose tenant it belongs to.
        collection_id: the collection it is in; one without vectors is no error.
        document_id: the document.
        keep_version: the version whose vectors stay; None removes all.

    Raises:
        VectorIndexUnavailable: the server cannot be reached or refused.
    """
    where: dict[str, Any] = {"document": document_id.hex}
    if keep_version is not None:
        where = {"$and": [where, {"version": {"$ne": keep_version}}]}
    await _in_collection(_name(actor, collection_id), "delete", {"where": where}, wait_seconds=_WRITE_TIMEOUT_SECONDS)


async def query(
    actor: Actor, embedding: np.ndarray, *, collection_ids: Sequence[UUID], top_k: int
) -> list[tuple[UUID, float]]:
    """Find the chunks nearest to a vector.

    Args:
        actor: whose tenant is searched; another tenant's collection id has no vectors here.
        embedding: float32 of shape (384,), unit norm.
        collection_ids: the collections to search; one without vectors gives no hits.
        top_k: how many chunks to return, over all collections together.

    Returns:
        chunk ids with their cosine similarity in [-1, 1], best first.

    Raises:
        VectorIndexUnavailable: the server cannot be reached, was too slow or refused.
    """
    body = {"query_embeddings": [embedding.tolist()], "n_results": top_k, "include": ["distances"]}
    names = dict.fromkeys(_name(actor, collection_id) for collection_id in collection_ids)
    answers = await asyncio.gather(
        *(_in_collection(name, "query", body, wait_seconds=_READ_TIMEOUT_SECONDS) for name in names)
    )
    hits = [
        (UUID(chunk_id), 1.0 - float(distance))
        for answer in answers
        if answer is not None
        for chunk_id, distance in zip(answer["ids"][0], answer["distances"][0], strict=True)
    ]
    hits.sort(key=lambda hit: (-hit[1], hit[0].int))
    return hits[:top_k]


async def drop_collection(actor: Actor, collection_id: UUID) -> None:
    """Remove all vectors of a collection; one without vectors is no error.

    Raises:
        VectorIndexUnavailable: the server cannot be reached or refused.
    """
    await _drop([_name(actor, collection_id)])


async def drop_tenant(actor: Actor) -> None:
    """Remove all vectors of the actor's tenant.

    Raises:
        VectorIndexUnavailable: the server cannot be reached or refused.
    """
    prefix, offset, names = _prefix(actor), 0, list[str]()
    while True:
        page = await _call("GET", f"{_BASE}?limit={_PAGE_ROWS}&offset={offset}", wait_seconds=_WRITE_TIMEOUT_SECONDS)
        names += [entry["name"] for entry in page if entry["name"].startswith(prefix)]
        offset += len(page)
        if len(page) < _PAGE_ROWS:
            break
    await _drop(names)


async def _drop(names: Iterable[str]) -> None:
    for name in names:
        _VectorIndex.chroma_ids.pop(name, None)
        await _call("DELETE", f"{_BASE}/{name}", wait_seconds=_WRITE_TIMEOUT_SECONDS)


def _prefix(actor: Actor) -> str:
    return f"chatapp-{actor.tenant_id.hex}-"


def _name(actor: Actor, collection_id: UUID) -> str:
    """Chroma's name of a collection: the tenant first, 73 characters (3 to 512 are allowed)."""
    return _prefix(actor) + collection_id.hex


async def _in_collection(
    name: str, verb: str, body: dict[str, Any], *, create: bool = False, wait_seconds: float = _WRITE_TIMEOUT_SECONDS
) -> Any:
    """Call a verb of a Chroma collection.

    Returns:
        the answer; None when the collection does not exist and is not to be made.
    """
    for _ in range(2):
        chroma_id = _VectorIndex.chroma_ids.get(name) or await _chroma_id(name, create=create)
        if chroma_id is None:
            return None
        answer = await _call("POST", f"{_BASE}/{chroma_id}/{verb}", body, wait_seconds=wait_seconds)
        if answer is not None:
            return answer
        # Another process dropped the collection, and perhaps made it anew under another id: look again, once.
        _VectorIndex.chroma_ids.pop(name, None)
    return None


async def _chroma_id(name: str, *, create: bool) -> str | None:
    """Look up Chroma's id of a collection, making it where it is missing and wanted.

    The server makes one collection of two calls at the same moment, so no lock is needed.
    """
    if create:
        wanted = {"name": name, "get_or_create": True, "configuration": {"hnsw": _HNSW}}
        answer = await _call("POST", _BASE, wanted, wait_seconds=_WRITE_TIMEOUT_SECONDS)
    else:
        answer = await _call("GET", f"{_BASE}/{name}")
    if answer is None:
        return None
    _VectorIndex.chroma_ids[name] = answer["id"]
    return answer["id"]


async def _call(method: str, path: str, body: Any = None, *, wait_seconds: float = _READ_TIMEOUT_SECONDS) -> Any:
    """Make one request.

    Returns:
        the answer's JSON; None for a collection that does not exist.

    Raises:
        VectorIndexUnavailable: the server cannot be reached or was too slow.
        VectorIndexRefused: it answered with an error.
    """
    try:
        try:
            response = await _send(method, path, body, wait_seconds)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            # A connection from before the server started anew. Every call can be made twice without harm.
            response = await _send(method, path, body, wait_seconds)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        response.raise_for_status()
        return response.json()
    except (httpx.HTTPStatusError, ValueError) as error:
        raise VectorIndexRefused from error
    except httpx.HTTPError as error:
        raise VectorIndexUnavailable from error


async def _send(method: str, path: str, body: Any, wait_seconds: float) -> httpx.Response:
    if _VectorIndex.client is None:
        raise RuntimeError("the vector index is not open: run inside the lifespan")
    limits = httpx.Timeout(wait_seconds, connect=_CONNECT_TIMEOUT_SECONDS)
    return await _VectorIndex.client.request(method, path, json=body, timeout=limits)
