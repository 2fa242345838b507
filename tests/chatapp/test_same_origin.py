from __future__ import annotations

from pathlib import Path

from chatapp.same_origin import SameOriginPlugin


def test_the_pages_talk_to_where_they_came_from(tmp_path: Path) -> None:
    chunk = tmp_path / "assets" / "reflex-env-abc.js"
    chunk.parent.mkdir()
    chunk.write_text('var e={PING:`http://localhost:8000/ping`,EVENT:"ws://localhost:8000/_event"}')
    SameOriginPlugin().post_build(static_dir=tmp_path)
    text = chunk.read_text()
    assert "8000" not in text
    assert '.replace(/^http/,"ws")+"/_event"' in text
