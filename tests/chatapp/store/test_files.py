from __future__ import annotations

import hashlib
import os
import stat
import time
from uuid import UUID, uuid4

import pytest

from chatapp.domain import Actor
from chatapp.errors import UploadTooLarge
from chatapp.settings import Settings
from chatapp.store import files
from tests.fixtures.ingestion import in_pieces

ACTOR = Actor(UUID(int=1), None, frozenset())
OTHER = Actor(UUID(int=2), None, frozenset())


async def test_an_upload_is_hashed_measured_and_kept_in_its_place(storage: Settings) -> None:
    document_id = uuid4()
    incoming = await files.receive(in_pieces(b"abc" * 1_000_000), max_bytes=3_000_000)
    assert incoming.size_bytes == 3_000_000
    assert incoming.sha256 == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    path = await files.keep(ACTOR, incoming, document_id, 1)
    assert path == files.content_path(ACTOR, document_id, 1)
    assert path.stat().st_size == 3_000_000
    assert not incoming.path.exists()


async def test_one_byte_too_many_is_refused(storage: Settings) -> None:
    with pytest.raises(UploadTooLarge):
        await files.receive(in_pieces(b"x" * 101, size=10), max_bytes=100)
    assert list((storage.data_dir / "files" / "incoming").iterdir()) == []


async def test_the_folder_is_its_owners_only(storage: Settings) -> None:
    folder = storage.data_dir / "files" / "incoming"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_tenants_have_folders_of_their_own(storage: Settings) -> None:
    document_id = uuid4()
    await files.keep(ACTOR, await files.receive(in_pieces(b"mine"), max_bytes=10), document_id, 1)
    assert not files.content_path(OTHER, document_id, 1).exists()
    await files.remove_document(OTHER, document_id)
    assert files.content_path(ACTOR, document_id, 1).read_bytes() == b"mine"


async def test_what_is_derived_goes_with_its_document(storage: Settings) -> None:
    document_id = uuid4()
    assert await files.read_derived(ACTOR, document_id, 1, "passage-1-2.json") is None
    await files.write_derived(ACTOR, document_id, 1, "passage-1-2.json", b"[]")
    assert await files.read_derived(ACTOR, document_id, 1, "passage-1-2.json") is None
    await files.keep(ACTOR, await files.receive(in_pieces(b"mine"), max_bytes=10), document_id, 1)
    await files.write_derived(ACTOR, document_id, 1, "passage-1-2.json", b"[]")
    assert await files.read_derived(ACTOR, document_id, 1, "passage-1-2.json") == b"[]"
    await files.remove_document(ACTOR, document_id)
    assert not files.document_dir(ACTOR, document_id).exists()


async def test_only_old_incoming_files_are_taken_for_abandoned(storage: Settings) -> None:
    folder = storage.data_dir / "files" / "incoming"
    for name, age_seconds in (("young", 60), ("old", 7 * 3600)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_seconds,) * 2)
    assert await files.remove_abandoned_uploads() == 1
    assert [path.name for path in folder.iterdir()] == ["young"]
