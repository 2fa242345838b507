"""Builds the pages' front end once, and knows when it must be built again.

What is built lies in `.web/build`; the digest of what it was built from beside it. `chatapp/commands` calls this.
Reflex itself is not imported: it runs in a process of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatapp.errors import Misconfigured

PROJECT = Path(__file__).parent.parent
_WEB = PROJECT / ".web"
_STAMP = _WEB / "built-from"
_REFLEX = PROJECT / ".reflex"
"""Reflex's own folder. It empties `.web` at will, so the log and the lock are here."""
_LOG = _REFLEX / "build.log"
_INDEX = _WEB / "build" / "client" / "index.html"

_SOURCES = ("rxconfig.py", ".npmrc", "chatapp/chatapp.py", "chatapp/same_origin.py", "chatapp/domain.py")
_SOURCE_FOLDERS = ("chatapp/pages", "chatapp/components", "admin", "assets", "reflex.lock")
_NOT_SOURCES = {"__pycache__", "external"}


def is_current() -> bool:
    """Whether what is built was built from the sources as they are now."""
    return _INDEX.exists() and _STAMP.exists() and _STAMP.read_text() == source_digest()


def forget() -> None:
    """Have the next start build anew: a reloading server writes its own builds into the same folder."""
    _STAMP.unlink(missing_ok=True)


def source_digest() -> str:
    """SHA-256 over every file the built front end depends on, and Reflex's version."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    lock = PROJECT / "requirements.lock"
    if lock.exists():
        digest.update("\n".join(line for line in lock.read_text().splitlines() if line.startswith("reflex")).encode())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for name in _SOURCES:
        if (PROJECT / name).exists():
            yield PROJECT / name
    for folder in _SOURCE_FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.is_file() and not _NOT_SOURCES.intersection(path.relative_to(PROJECT).parts):
                yield path


def build() -> None:
    """Build the front end unless it is current.

    Raises:
        Misconfigured: the build ended with an error.
    """
    _REFLEX.mkdir(exist_ok=True)
    with _alone():
        if is_current():
            return
        _forget_last_build()
        with _LOG.open("wb") as log:
            code = subprocess.run(  # our own interpreter, fixed arguments
                [sys.executable, "-m", "reflex", "export", "--no-zip", "--frontend-only", "--loglevel", "info"],
                cwd=PROJECT,
                env=build_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if code != 0 or not _INDEX.exists():
            raise Misconfigured(f"the front end could not be built; the end of {_LOG}:\n{_tail(_LOG)}")
        # Building may add to the package lock; the digest is of what stands there now.
        _STAMP.write_text(source_digest())


def _forget_last_build() -> None:
    """Leave only the installed packages: what an older version generated would be built in again."""
    for path in _WEB.glob("*"):
        if path.is_dir() and path.name != "node_modules":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def build_environment() -> dict[str, str]:
    """The environment in which Reflex builds with the Node of this Python environment and asks nobody else."""
    programs = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((programs, os.environ.get("PATH", ""))),
        "REFLEX_USE_NPM": "true",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_DIR": str(_REFLEX),
        "NO_COLOR": "1",
    }
    if "NPM_CONFIG_REGISTRY" not in os.environ:
        # Reflex would otherwise measure which of several registries answers first.
        environment["NPM_CONFIG_REGISTRY"] = _npm_registry(environment)
    return environment


def serving_environment() -> dict[str, str]:
    """The environment in which the web process serves what is built and compiles nothing.

    The two names with underscores are internal to Reflex 0.10; a test starts a server with them.
    """
    return {
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_BACKEND_ONLY": "true",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
        "REFLEX_DIR": str(_REFLEX),
        "REFLEX_TELEMETRY_ENABLED": "false",
    }


def _npm_registry(environment: dict[str, str]) -> str:
    npm = Path(sys.executable).parent / "npm"
    command = [str(npm), "config", "get", "registry"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=PROJECT)  # noqa: S603
    return answer.stdout.strip()


@contextmanager
def _alone() -> Iterator[None]:
    with (_REFLEX / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(path: Path, lines: int = 30) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
