"""What goes wrong on the command line is told in a sentence that says what to do, never as a trace."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatapp import __main__ as command_line
from chatapp.settings import Settings, get_settings
from tests.fixtures.surroundings import PROJECT

RunHere = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def surroundings(settings: Settings) -> dict[str, str]:
    """The environment of the settings, as a process gets it."""
    return dict(os.environ)


def _run(surroundings: dict[str, str], *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "chatapp", *arguments],
        cwd=PROJECT,
        env=surroundings | changed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def run_here(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs a command in this process: a process of its own takes seconds to import everything."""
    # Its way of logging would stay for every test after this one.
    monkeypatch.setattr(command_line, "configure_logging", lambda _: None)

    def run(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch, capture_logs():
            for name, value in changed.items():
                patch.setenv(name, value)
            get_settings.cache_clear()
            code = command_line.main(arguments)
        get_settings.cache_clear()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run


def test_a_busy_port_is_told(surroundings: dict[str, str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        done = _run(surroundings, "serve", PORT=port)
    assert done.returncode == 1
    assert f"port {port} cannot be used" in done.stderr
    assert "set PORT" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PORT", "seventy", "PORT has to be a number from 1 to 65535 (it is 'seventy')"),
        ("PORT", "0", "PORT has to be a number from 1 to 65535"),
        ("HOST", "nowhere.invalid", "not an address of this machine: set HOST"),
        ("HOST", "203.0.113.7", "not an address of this machine: set HOST"),
        ("CHATAPP_DEMO", "perhaps", "CHATAPP_DEMO has to be 1 for yes or 0 for no"),
        ("CHATAPP_SESSION_DAYS", "0", "CHATAPP_SESSION_DAYS has to be a number, 1 or more"),
        ("CHATAPP_CONNECT_TIMEOUT_SECONDS", "-1", "has to be a number above 0"),
        ("CHATAPP_DATA_DIR", "/etc/hostname", "/etc/hostname cannot be the data folder: it is a file"),
        ("CHATAPP_DATA_DIR", "/etc/hostname/data", "it is a file, or in one. Set CHATAPP_DATA_DIR"),
        ("CHATAPP_DATA_DIR", "/proc/nowhere", "cannot be used (No such file or directory). Make it writable"),
        ("CHATAPP_WEB_WORKERS", "0", "CHATAPP_WEB_WORKERS"),
        ("DATABASE_URL", "mysql://host/name", "postgresql://"),
        ("CHATAPP_WEB_WORKERS", "2", "set REDIS_URL"),
        ("CHATAPP_SECRET_KEY", "changeme", "CHATAPP_SECRET_KEY"),
    ],
)
def test_a_wrong_setting_is_told(run_here: RunHere, variable: str, value: str, told: str) -> None:
    done = run_here("serve", **{"PORT": "3998", variable: value})
    assert done.returncode in {1, 2}
    assert told in done.stderr


def test_a_secret_in_a_wrong_setting_is_not_shown(surroundings: dict[str, str]) -> None:
    done = _run(surroundings, "doctor", DATABASE_URL="mysql://user:hunter2@host/name")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_data_folder_of_a_newer_version_is_refused(surroundings: dict[str, str], settings: Settings) -> None:
    (settings.data_dir / "format").write_text("999\n")
    done = _run(surroundings, "serve", PORT="3998")
    assert done.returncode == 1
    assert "newer version" in done.stderr
    assert "CHATAPP_DATA_DIR" in done.stderr


def test_a_database_that_is_away_is_told(surroundings: dict[str, str]) -> None:
    done = _run(surroundings, "migrate", DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    assert done.returncode == 1
    assert "correct DATABASE_URL" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"), [("REDIS_URL", "redis://127.0.0.1:9/0"), ("CHROMA_URL", "http://127.0.0.1:9")]
)
def test_a_server_that_is_away_is_told_before_anything_starts(run_here: RunHere, variable: str, value: str) -> None:
    done = run_here("serve", **{"PORT": "3998", variable: value})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cannot be reached" in done.stderr
    assert f"correct {variable}" in done.stderr


def test_a_process_of_its_own_needs_chromas_address(surroundings: dict[str, str]) -> None:
    for command in ("web", "worker"):
        done = _run(surroundings, command)
        assert done.returncode == 1
        assert "CHROMA_URL" in done.stderr


def test_an_admin_gets_a_link_or_a_password_and_a_key(run_here: RunHere) -> None:
    linked = run_here("admin", "create", "--email", "ada@example.org")
    assert "/auth/link?token=" in linked.stdout
    reset = run_here("admin", "reset", "--email", "ada@example.org", "--password", "a long enough password")
    assert reset.returncode == 0
    key = run_here("admin", "key", "--email", "ada@example.org", "--scopes", "use:chat")
    assert key.stdout.startswith("sk-chatapp-")
    assert len(key.stdout.split()) == 1
    unknown = run_here("admin", "key", "--email", "ada@example.org", "--scopes", "use:everything")
    assert unknown.returncode == 1
    assert "use:everything" in unknown.stderr


def test_tenants_and_keys_are_looked_after(run_here: RunHere) -> None:
    run_here("admin", "create", "--email", "ada@example.org")
    made = run_here("admin", "tenant", "create", "Acme", "--email", "bob@example.org")
    tenant_id = made.stdout.splitlines()[0]
    assert "/auth/link?token=" in made.stdout
    listed = run_here("admin", "tenant", "list").stdout
    assert f"{tenant_id}\tactive\t1 people" in listed
    key = run_here("admin", "key", "--tenant", "Acme", "--name", "script", "--scopes", "use:chat").stdout
    (line,) = run_here("admin", "key", "list", "--tenant", tenant_id).stdout.splitlines()
    key_id, state, prefix, owner, scopes, name = line.split("\t")
    assert (state, owner, scopes, name) == ("active", "a service", "use:chat", "script")
    assert key.startswith(prefix.rstrip("…"))
    rotated = run_here("admin", "key", "rotate", key_id, "--tenant", "Acme", "--grace-hours", "2").stdout
    assert rotated.startswith("sk-chatapp-")
    assert rotated != key
    assert run_here("admin", "key", "list").stdout == ""
    assert run_here("admin", "key", "revoke", key_id).returncode == 1
    assert run_here("admin", "key", "revoke", key_id, "--tenant", "Acme").returncode == 0
    assert "\trevoked\t" in run_here("admin", "key", "list", "--tenant", "Acme").stdout
    done = run_here("admin", "key", "revoke", "--tenant", "Acme")
    assert done.returncode == 1
    assert "Say which key by its id" in done.stderr


def test_files_are_uploaded_from_the_command_line(run_here: RunHere, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "report.md").write_text("# Report\n\nNet sales were 12 million.\n")
    run_here("admin", "create", "--email", "ada@example.org")
    done = run_here("ingest", str(folder), str(tmp_path / "missing.pdf"))
    assert done.returncode == 1
    assert "report.md: uploaded" in done.stdout
    assert "missing.pdf: No such file" in done.stderr
    again = run_here("ingest", str(folder))
    assert again.returncode == 0
    assert "report.md: already here" in again.stdout


def test_a_changed_secret_is_rotated_from_the_command_line(run_here: RunHere) -> None:
    old = os.environ["CHATAPP_SECRET_KEY"]
    assert (
        run_here("migrate", OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_MODEL="m", OPENAI_API_KEY="sk").returncode
        == 0
    )
    new = {"CHATAPP_SECRET_KEY": "another-secret-for-tests-0123456789"}

    lost = run_here("rotate-secrets", **new)
    moved = run_here("rotate-secrets", CHATAPP_PREVIOUS_SECRET_KEYS=old, **new)
    again = run_here("rotate-secrets", **new)

    assert (lost.returncode, moved.returncode, again.returncode) == (1, 0, 0)
    assert "1 secrets cannot be read" in lost.stdout
    assert "providers.encrypted_api_key: 1 of 1 moved" in moved.stdout
    assert "providers.encrypted_api_key: 0 of 1 moved" in again.stdout
    assert old not in moved.stdout + moved.stderr


def test_the_audit_log_is_verified(run_here: RunHere, settings: Settings) -> None:
    made = run_here("admin", "create", "--email", "ada@example.org", "--password", "correct-horse-battery")
    assert made.returncode == 0, made.stderr
    whole = run_here("audit", "verify")
    assert whole.returncode == 0, whole.stderr
    assert "intact" in whole.stdout
    end = whole.stdout.split()[-1]
    with contextlib.closing(sqlite3.connect(settings.data_dir / "chatapp.db")) as database, database:
        tenant = database.execute("SELECT tenant_id FROM audit").fetchone()[0]
        database.execute("DROP TRIGGER audit_unchanged")
        database.execute("UPDATE audit SET actor_name = 'eve@example.org' WHERE sequence = 1")

    broken = run_here("audit", "verify", "--tenant", tenant, "--since", end)

    assert broken.returncode == 1
    assert "BROKEN  Line 1 was changed after it was written." in broken.stdout


def test_a_log_nobody_has_is_told(run_here: RunHere) -> None:
    done = run_here("audit", "verify", "--tenant", "8f14e45f-ceea-467f-a8d5-2b1c6a2d3e4f")
    assert done.returncode == 1
    assert "There is no tenant 8f14e45f" in done.stderr
