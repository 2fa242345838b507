"""Files nobody should have made: each is read, or refused with a sentence, and nothing stays behind."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from chatapp.domain import Actor, DocumentStatus
from chatapp.services import documents, ingestion
from chatapp.settings import Settings
from tests.fixtures.ingestion import Upload

pytestmark = [pytest.mark.usefixtures("chroma", "embedder"), pytest.mark.slow]

FOLDER = Path(os.environ.get("CHATAPP_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "pdf_odd"


def _temporary_files() -> set[str]:
    return {path.name for path in Path("/tmp").iterdir() if not path.name.startswith(("pytest", "bash"))}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the collection of odd PDF files is not on this machine")
async def test_every_odd_pdf_completes_or_fails_with_a_reason(upload: Upload, actor: Actor, storage: Settings) -> None:
    before = _temporary_files()
    for path in sorted(FOLDER.iterdir()):
        await upload(path.name, path.read_bytes())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert await ingestion.ingest_waiting() == 100
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime) / 100 < 1
    views = (await documents.list_documents(actor, limit=200)).items
    assert len(views) == 100
    for view in views:
        assert view.status in {DocumentStatus.COMPLETED, DocumentStatus.FAILED}
        assert view.status == DocumentStatus.COMPLETED or len(view.error) > 20, view
    assert sum(view.status == DocumentStatus.COMPLETED for view in views) >= 55
    kept = [path for path in (storage.data_dir / "files").rglob("*") if path.is_file()]
    assert {path.name for path in kept} == {"content"}
    assert len(kept) == 100
    assert _temporary_files() - before == set()
