from __future__ import annotations

import pytest

from chatapp.commands import processes
from chatapp.settings import Settings


def test_servers_keep_free_memory_in_two_places(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    for make in (processes.web, processes.worker):
        assert make(settings, "http://127.0.0.1:1").environment["MALLOC_ARENA_MAX"] == "2"


def test_what_the_operator_says_of_memory_holds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "16")
    assert processes.web(settings, "http://127.0.0.1:1").environment["MALLOC_ARENA_MAX"] == "16"
