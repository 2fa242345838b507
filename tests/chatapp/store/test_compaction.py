from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from chatapp.domain import Actor
from chatapp.retrieval import vector_index
from chatapp.settings import Settings
from chatapp.store import compaction
from tests.fixtures.servers import free_port, running_chroma

DIMENSION = 384


@pytest.fixture
def own_chroma(settings: Settings) -> Iterator[str]:
    """A Chroma server with its data where `serve` keeps it."""
    folder = settings.data_dir / "chroma"
    folder.mkdir()
    with running_chroma(folder, free_port()) as url:
        yield url


def files_with(folder: Path, needle: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]


async def add_vectors(actor: Actor) -> tuple[UUID, np.ndarray]:
    vectors = np.random.default_rng(7).random((1_200, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    collection_id, ids = uuid4(), [uuid4() for _ in vectors]
    await vector_index.add(actor, collection_id, ids=ids, embeddings=vectors, document_id=uuid4(), version=1)
    return collection_id, vectors


async def test_vectors_that_were_dropped_leave_the_disk_and_others_stay(settings: Settings, own_chroma: str) -> None:
    gone, stays = (Actor(uuid4(), None, frozenset(), is_system=True) for _ in range(2))
    await vector_index.open_vector_index(own_chroma)
    await add_vectors(gone)
    collection_id, vectors = await add_vectors(stays)
    folder = settings.data_dir / "chroma"
    log = settings.data_dir / "chroma.log"
    log.write_text(f"DELETE chatapp-{gone.tenant_id.hex}")
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2

    await vector_index.drop_tenant(gone)
    compaction.want(settings)
    assert files_with(folder, gone.tenant_id.hex)
    assert await compaction.carry_out(settings)

    assert [path for path in files_with(settings.data_dir, gone.tenant_id.hex) if path.name != "log"] == []
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1
    assert len(await vector_index.query(stays, vectors[0], collection_ids=[collection_id], top_k=5)) == 5
    assert not compaction.is_wanted(settings)
    await vector_index.close_vector_index()


async def test_a_database_in_use_is_written_anew_later(settings: Settings) -> None:
    path = settings.data_dir / "chatapp.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE words (word TEXT)")
        other.executemany("INSERT INTO words VALUES (?)", [(f"zeppelin {number}",) for number in range(2_000)])
        other.execute("DELETE FROM words")
        compaction.want(settings)
        other.execute("BEGIN IMMEDIATE")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compaction, "_BUSY_SECONDS", 0.05)
            assert not await compaction.carry_out(settings)
        assert compaction.is_wanted(settings)
        other.execute("COMMIT")

        assert await compaction.carry_out(settings)
    assert not compaction.is_wanted(settings)
    assert files_with(settings.data_dir, "zeppelin") == []
