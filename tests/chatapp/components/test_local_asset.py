from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PROJECT

_LIST = """
from chatapp.components import answer, documents, uploads
print(answer._Answer.library, documents.DocumentsTable.library, uploads._Uploader.library)
"""


def _libraries(folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_what_is_served_names_its_files_as_what_was_built(tmp_path: Path) -> None:
    served = _libraries(tmp_path, REFLEX_BACKEND_ONLY="true")
    assert served[0] == "$/public/external/chatapp/components/answer/answer.jsx"
    assert not (tmp_path / "assets").exists()
    assert served == _libraries(tmp_path, REFLEX_BACKEND_ONLY="false")
    linked = tmp_path / "assets" / "external" / "chatapp" / "components" / "answer" / "answer.jsx"
    assert linked.resolve() == PROJECT / "chatapp" / "components" / "answer.jsx"


def test_a_file_that_is_not_there_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatapp.components.local_asset import local_asset

    monkeypatch.delenv("REFLEX_BACKEND_ONLY", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsx"):
        local_asset("nowhere.jsx")


def test_nobody_has_reflex_look_for_who_calls() -> None:
    modules = (path for folder in ("admin", "chatapp") for path in (PROJECT / folder).rglob("*.py"))
    assert [path.name for path in modules if "rx.asset(" in path.read_text(encoding="utf-8")] == []
