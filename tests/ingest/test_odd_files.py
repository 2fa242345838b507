"""Files nobody should have made: each is read, or refused with a sentence, and nothing stays behind."""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

import pytest

from chatapp.domain import Actor, DocumentStatus
from chatapp.services import documents, ingestion
from chatapp.settings import Settings
from ingest import sandbox
from tests.fixtures.ingestion import Upload

pytestmark = [pytest.mark.usefixtures("chroma", "embedder"), pytest.mark.slow]

FOLDER = Path(os.environ.get("CHATAPP_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "pdf_odd"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it is the files that are odd
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the collection of odd PDF files is not on this machine")
async def test_every_odd_pdf_completes_or_fails_with_a_reason(
    upload: Upload, actor: Actor, storage: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The children cannot write at all; this process must not leave anything either.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for path in sorted(FOLDER.iterdir()):
        await upload(path.name, path.read_bytes())
    sandbox.close_sandbox()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert await ingestion.ingest_waiting() == 100
    sandbox.close_sandbox()  # now the use of all children is known
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
    assert list(temporary.iterdir()) == []
