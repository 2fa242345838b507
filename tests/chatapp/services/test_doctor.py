from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from chatapp.services import doctor, lifespan
from chatapp.settings import Settings, get_settings
from chatapp.store import schema


async def test_an_open_process_is_ready(parts: None, settings: Settings) -> None:
    states = await doctor.readiness(settings)
    assert states == {"database": "ok", "vector_index": "ok"}
    assert doctor.can_serve(states)


async def test_a_missing_vector_index_is_told_but_does_not_stop_answers(
    database: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch, embedding_model: None
) -> None:
    monkeypatch.setenv("CHROMA_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    async with lifespan.running(get_settings(), role="web"):
        states = await doctor.readiness(get_settings())
    assert states["vector_index"] != "ok"
    assert doctor.can_serve(states)


async def test_a_missing_redis_stops_a_process_that_needs_it(
    database: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    get_settings.cache_clear()
    async with lifespan.running(get_settings(), role="command"):
        states = await doctor.readiness_of_store(get_settings())
    assert not doctor.can_serve(states)


async def test_every_finding_that_is_not_good_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("CHROMA_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    monkeypatch.setenv("CHATAPP_MODEL_DIR", str(settings.data_dir / "nowhere"))
    monkeypatch.setenv("HOST", "0.0.0.0")
    get_settings.cache_clear()
    async with lifespan.running(get_settings(), role="command"):
        findings = await doctor.examine(get_settings())
    bad = {finding.subject: finding for finding in findings if finding.level != "ok"}
    assert {"settings", "embedding model", "database", "Redis", "The Chroma server"} <= bad.keys()
    assert all(finding.advice or "correct" in finding.text for finding in bad.values())


async def test_a_good_installation_has_only_good_findings(chroma_url: str, settings: Settings) -> None:
    async with lifespan.running(settings, role="command"):
        await schema.migrate()
        findings = await doctor.examine(settings)
    assert [finding for finding in findings if finding.level == "wrong"] == []


@pytest.mark.parametrize("is_set_up", [True, False])
async def test_the_model_that_make_run_uses_is_told_where_the_data_folder_has_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, embedding_model: None, tmp_path: Path, is_set_up: bool
) -> None:
    prepared, elsewhere = settings.effective_model_dir, tmp_path / "elsewhere"
    monkeypatch.setattr(doctor, "SET_UP_MODEL_DIR", prepared if is_set_up else tmp_path / "nowhere")
    moved = settings.model_copy(update={"model_dir": None, "data_dir": elsewhere})
    elsewhere.mkdir()
    async with lifespan.running(settings, role="command"):
        findings = {finding.subject: finding for finding in await doctor.examine(moved)}
    model = findings["embedding model"]
    assert model.level == ("warning" if is_set_up else "wrong")
    assert str(elsewhere / "models") in model.text
    assert (str(prepared) in model.advice) is is_set_up
