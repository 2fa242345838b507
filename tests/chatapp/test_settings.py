from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from chatapp.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("DATABASE_URL", "PORT", "HOST", "CHATAPP_PUBLIC_URL", "CHATAPP_DATA_DIR", "CHATAPP_MODEL_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_plain_postgresql_address_gets_the_asynchronous_driver(monkeypatch, scheme):
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@h/d")

    assert Settings().effective_database_url == "postgresql+asyncpg://u:p@h/d"


def test_without_an_address_the_database_is_a_file_in_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CHATAPP_DATA_DIR", str(tmp_path))

    assert Settings().effective_database_url == f"sqlite+aiosqlite:///{tmp_path / 'chatapp.db'}"


def test_a_port_that_cannot_be_is_refused(monkeypatch):
    monkeypatch.setenv("PORT", "99999")

    with pytest.raises(ValidationError, match="PORT"):
        Settings()


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")

    assert "hunter2" not in repr(Settings())


def test_previous_secrets_are_separated_by_commas_and_do_not_show(monkeypatch):
    assert Settings().previous_secret_keys == ()
    monkeypatch.setenv("CHATAPP_PREVIOUS_SECRET_KEYS", " hunter2-one, hunter2-two ,")
    assert Settings().previous_secret_keys == ("hunter2-one", "hunter2-two")
    assert "hunter2" not in repr(Settings())


def test_people_use_the_public_address_when_there_is_one(monkeypatch):
    assert Settings().effective_public_url == "http://127.0.0.1:3000"
    monkeypatch.setenv("CHATAPP_PUBLIC_URL", "https://chat.example.org/")
    assert Settings().effective_public_url == "https://chat.example.org"


def test_the_model_is_kept_in_the_data_folder_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("CHATAPP_DATA_DIR", str(tmp_path))
    assert Settings().effective_model_dir == tmp_path / "models"
    monkeypatch.setenv("CHATAPP_MODEL_DIR", "/elsewhere")
    assert Settings().effective_model_dir == Path("/elsewhere")


@pytest.mark.parametrize("name", ["PORT", "HOST", "CHATAPP_MODEL_DIR", "CHATAPP_DATA_DIR", "CHATAPP_DEMO"])
def test_an_empty_variable_counts_as_unset(monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    unset = Settings()
    monkeypatch.setenv(name, "")
    assert Settings() == unset
