from __future__ import annotations

from pathlib import Path

import pytest

from chatapp import front_end


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one source, as `front_end` sees it."""
    monkeypatch.setattr(front_end, "PROJECT", tmp_path)
    (tmp_path / "chatapp" / "pages").mkdir(parents=True)
    (tmp_path / "chatapp" / "pages" / "chat.py").write_text("one")
    return tmp_path


def test_the_digest_changes_with_a_source_and_with_nothing_else(project: Path) -> None:
    before = front_end.source_digest()
    (project / "README.md").write_text("something else")
    (project / "chatapp" / "pages" / "__pycache__").mkdir()
    (project / "chatapp" / "pages" / "__pycache__" / "chat.pyc").write_bytes(b"compiled")
    assert front_end.source_digest() == before
    (project / "chatapp" / "pages" / "chat.py").write_text("two")
    assert front_end.source_digest() != before


def test_a_moved_source_is_a_change(project: Path) -> None:
    before = front_end.source_digest()
    (project / "chatapp" / "pages" / "chat.py").rename(project / "chatapp" / "pages" / "talk.py")
    assert front_end.source_digest() != before


def test_the_version_of_reflex_is_part_of_the_digest(project: Path) -> None:
    (project / "requirements.lock").write_text("reflex==0.10.1 \\\nhttpx==1 \\\n")
    before = front_end.source_digest()
    (project / "requirements.lock").write_text("reflex==0.10.1 \\\nhttpx==2 \\\n")
    assert front_end.source_digest() == before
    (project / "requirements.lock").write_text("reflex==0.10.2 \\\nhttpx==2 \\\n")
    assert front_end.source_digest() != before
