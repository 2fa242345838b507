"""`ingest PATH...`: files and folders into a collection, through the same service as the documents page."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from uuid import UUID

from chatapp.domain import Actor
from chatapp.errors import AppError
from chatapp.services import collections, documents, installation, lifespan, users
from chatapp.settings import Settings
from chatapp.store import schema

_READ_BYTES = 1024 * 1024


async def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Upload every file; a running worker ingests them. The status is 1 when a file was refused."""
    installation.prepare_data_dir(settings)
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        actor = await users.admin_actor(arguments.email)
        collection = await collections.ensure(actor, name=arguments.collection)
        outcomes = [await _upload(actor, path, collection.id) for path in _files(arguments.paths)]
    print(f"{sum(outcomes)} of {len(outcomes)} files uploaded; the worker of `serve` reads them.")
    return 0 if outcomes and all(outcomes) else 1


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        else:
            yield path


async def _upload(actor: Actor, path: Path, collection_id: UUID) -> bool:
    try:
        content = _pieces(path)
        result = await documents.upload(actor, collection_id=collection_id, filename=path.name, content=content)
    except (AppError, OSError) as error:
        reason = error.message if isinstance(error, AppError) else error.strerror
        print(f"{path}: {reason}", file=sys.stderr)
        return False
    print(f"{path}: {'already here' if result.is_duplicate else 'uploaded'}")
    return True


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _READ_BYTES):
            yield piece
