"""The bytes people uploaded: one folder a document version, under names of our own.

Layout in the data folder: `files/TENANT/DOCUMENT/VERSION/content`, beside it what is derived from that version
(previews), so that removing the folder removes all of it; and `files/incoming/` while an upload arrives.
What a person called the file never becomes part of a path.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from chatapp.domain import Actor
from chatapp.errors import UploadTooLarge

_WRITE_BYTES = 1024 * 1024
_INCOMING_MAX_AGE_SECONDS = 6 * 3600
"""Longer than any upload takes; what is older was left by a killed process."""

_FOLDER_MIN_AGE_SECONDS = 3600


class _Files:
    """The process's folder; set and cleared by the lifespan."""

    root: Path | None = None


def open_files(data_dir: Path) -> None:
    """Make the folders. Owner-only: the files are as private as the database.

    Args:
        data_dir: the installation's data folder; web and worker processes must share it.
    """
    root = data_dir / "files"
    (root / "incoming").mkdir(parents=True, exist_ok=True, mode=0o700)
    _Files.root = root


def close_files() -> None:
    """Forget the folder."""
    _Files.root = None


def _root() -> Path:
    if _Files.root is None:
        raise RuntimeError("the files are not open: run inside the lifespan")
    return _Files.root


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """An upload that arrived whole and has no place yet."""

    path: Path
    size_bytes: int
    sha256: str
    """Hexadecimal digest of the bytes."""


async def receive(content: AsyncIterator[bytes], *, max_bytes: int) -> IncomingFile:
    """Write an upload to disk while it arrives, never holding more than about 1 MiB of it.

    Args:
        content: the bytes, in pieces of any size.
        max_bytes: the largest size accepted, inclusive.

    Raises:
        UploadTooLarge: more than `max_bytes` arrived; nothing stays on disk.
    """
    path = _root() / "incoming" / uuid4().hex
    digest = hashlib.sha256()
    try:
        with await asyncio.to_thread(path.open, "wb") as file:
            size = await _copy(content, file, digest, max_bytes)
    except BaseException:
        discard(path)
        raise
    return IncomingFile(path, size, digest.hexdigest())


async def _copy(content: AsyncIterator[bytes], file: BinaryIO, digest: hashlib._Hash, max_bytes: int) -> int:
    size, pending, pending_bytes = 0, [], 0

    def write(pieces: list[bytes]) -> None:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)

    async for piece in content:
        size += len(piece)
        if size > max_bytes:
            raise UploadTooLarge(f"The file is larger than {max_bytes // (1024 * 1024)} MB, the most accepted here.")
        pending.append(piece)
        pending_bytes += len(piece)
        if pending_bytes >= _WRITE_BYTES:
            await asyncio.to_thread(write, pending)
            pending, pending_bytes = [], 0
    await asyncio.to_thread(write, pending)
    return size


def discard(path: Path) -> None:
    """Remove an incoming file, if it is still there."""
    with suppress(FileNotFoundError):
        path.unlink()


def document_dir(actor: Actor, document_id: UUID) -> Path:
    """The folder of a document of the actor's tenant."""
    return _root() / actor.tenant_id.hex / document_id.hex


def content_path(actor: Actor, document_id: UUID, version: int) -> Path:
    """Where the bytes of one version are."""
    return document_dir(actor, document_id) / str(version) / "content"


async def keep(actor: Actor, incoming: IncomingFile, document_id: UUID, version: int) -> Path:
    """Give an upload its place, atomically."""
    path = content_path(actor, document_id, version)

    def move() -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        incoming.path.replace(path)

    await asyncio.to_thread(move)
    return path


async def read_derived(actor: Actor, document_id: UUID, version: int, name: str) -> bytes | None:
    """What was derived from a version earlier, or None.

    Args:
        actor: whose tenant.
        document_id: the document.
        version: its version.
        name: a name of our own making, never a person's.
    """
    path = content_path(actor, document_id, version).with_name(name)

    def read() -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    return await asyncio.to_thread(read)


async def write_derived(actor: Actor, document_id: UUID, version: int, name: str, data: bytes) -> None:
    """Keep something derived from a version beside it; nothing happens when the version went meanwhile."""
    path = content_path(actor, document_id, version).with_name(name)
    partial = path.with_name(f"{name}.{uuid4().hex}.partial")

    def write() -> None:
        with suppress(FileNotFoundError):
            partial.write_bytes(data)
            partial.replace(path)

    await asyncio.to_thread(write)


async def remove_document(actor: Actor, document_id: UUID) -> None:
    """Remove every version of a document and all that was derived. Nothing there is no error."""
    await asyncio.to_thread(shutil.rmtree, document_dir(actor, document_id), ignore_errors=True)


async def remove_tenant(actor: Actor) -> None:
    """Remove every file of the actor's tenant and all that was derived. Nothing there is no error."""
    await asyncio.to_thread(shutil.rmtree, _root() / actor.tenant_id.hex, ignore_errors=True)


async def remove_abandoned_uploads() -> int:
    """Remove what killed processes left of uploads; returns how many files."""

    def remove() -> int:
        count = 0
        for path in (_root() / "incoming").iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _INCOMING_MAX_AGE_SECONDS:
                    path.unlink()
                    count += 1
        return count

    return await asyncio.to_thread(remove)


@dataclass(frozen=True, slots=True)
class DocumentFolder:
    """A document's folder on disk, whether there is a document or not."""

    path: Path
    document_id: UUID


def list_document_folders() -> list[DocumentFolder]:
    """Folders made an hour ago or earlier: a younger one's document may not be written yet. Blocking."""
    found = []
    for tenant in _root().iterdir():
        if tenant.name == "incoming":
            continue
        for folder in tenant.iterdir():
            with suppress(ValueError, FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _FOLDER_MIN_AGE_SECONDS:
                    found.append(DocumentFolder(folder, UUID(folder.name)))
    return found


async def remove_folder(folder: DocumentFolder) -> None:
    """Remove a folder whose document does not exist."""
    await asyncio.to_thread(shutil.rmtree, folder.path, ignore_errors=True)
