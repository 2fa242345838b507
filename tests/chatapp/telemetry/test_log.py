from __future__ import annotations

import json
import logging
import sys

import pytest

from chatapp.telemetry.log import configure_logging, get_logger, mask_secrets


@pytest.fixture(autouse=True)
def restore_logging():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("name", ["password", "api_key", "Authorization", "cookie", "session_token", "client_secret"])
def test_a_field_named_like_a_secret_is_masked(name):
    assert mask_secrets(None, "info", {name: "hunter2"})[name] == "***"


def test_token_counts_are_not_secrets():
    assert mask_secrets(None, "info", {"input_tokens": 12})["input_tokens"] == 12


def test_a_line_off_the_terminal_is_json(capsys):
    configure_logging("info")
    get_logger("here").info("turn.started", turn_id="7", api_key="sk-1")

    line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    assert line["event"] == "turn.started"
    assert line["turn_id"] == "7"
    assert line["api_key"] == "***"


def test_libraries_lines_take_the_same_shape(capsys):
    configure_logging("info")
    logging.getLogger("some.library").warning("disk is %s", "full")

    assert json.loads(capsys.readouterr().err.strip().splitlines()[-1])["event"] == "disk is full"


def test_an_unknown_level_counts_as_info():
    configure_logging("loud")

    assert logging.getLogger().level == logging.INFO


@pytest.mark.parametrize(("is_terminal", "level"), [(True, logging.WARNING), (False, logging.INFO)])
def test_a_terminal_shows_only_what_needs_somebody(monkeypatch, is_terminal, level):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    configure_logging("")
    assert logging.getLogger().level == level
    configure_logging("info")
    assert logging.getLogger().level == logging.INFO


def test_a_line_on_a_terminal_is_for_people(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logging("")
    get_logger("there").warning("document.postponed", document_id="7")

    line = capsys.readouterr().err
    assert "document.postponed" in line
    assert not line.lstrip().startswith("{")
