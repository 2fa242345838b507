"""The product as people start it, with a data folder of its own: `python -m chatapp serve`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from tests.fixtures.servers import free_port, server
from tests.fixtures.surroundings import MODEL_DIR, PROJECT

ADMIN_EMAIL = "ada@example.org"
ADMIN_PASSWORD = "correct horse battery staple"
SESSION_COOKIE = "chatapp_session"
StartProduct = Callable[..., "Product"]
_sessions: dict[str, tuple[str, object]] = {}
"""By a product's address: the admin's session, and who that was when it began."""


@dataclass(frozen=True, slots=True)
class Product:
    """A running installation and how to get in."""

    url: str
    data_dir: Path
    environment: dict[str, str]
    pid: int
    """Of the parent; the servers are its children."""
    email: str = ADMIN_EMAIL
    password: str = ADMIN_PASSWORD
    upstream_url: str = ""
    """Address of the scripted provider behind `auto`; empty: `auto` is the built-in model."""
    log_path: Path = field(default=Path())

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client signed in as the admin, with the cookie and origin a page would send."""
        headers = {"Origin": self.url}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False) as client:
            token, before = _sessions.get(self.url, ("", None))
            client.cookies.set(SESSION_COOKIE, token)
            # Checking a password is slow on purpose, and most tests are about something else.
            if not token or (now := await client.get("/auth/me")).is_error or now.json() != before:
                client.cookies.clear()
                answer = await client.post("/auth/login", json={"email": self.email, "password": self.password})
                answer.raise_for_status()
                _sessions[self.url] = client.cookies[SESSION_COOKIE], (await client.get("/auth/me")).json()
            yield client

    async def session(self) -> str:
        """The token of the admin's session: the one begun before, unless it ended or has become another's."""
        async with self.client() as client:
            return client.cookies[SESSION_COOKIE]


@pytest.fixture(scope="session")
def start_product(tmp_path_factory: pytest.TempPathFactory, built_pages: None) -> Iterator[StartProduct]:
    """Start an installation: `start_product(model="scripted?gap_ms=50", DATABASE_URL=...)`.

    With `model` a scripted provider is started too and `auto` is that model. The same arguments give the same
    installation, so that a run starts few.
    """
    started: dict[tuple[str, ...], Product] = {}
    with contextlib.ExitStack() as stack:

        def start(model: str = "", **environment: str) -> Product:
            key = (model, *sorted(f"{name}={value}" for name, value in environment.items()))
            if key not in started:
                folder = tmp_path_factory.mktemp("product")
                started[key] = stack.enter_context(running_product(folder, model, environment))
            return started[key]

        yield start
        # All at once: each takes seconds to end its processes.
        for each in started.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGTERM)


@pytest.fixture(scope="session")
def product(start_product: StartProduct) -> Product:
    """An installation without any key: the built-in model quotes the documents."""
    return start_product()


@pytest.fixture(scope="session")
def built_pages() -> None:
    """The pages, built now unless they are current."""
    from chatapp import front_end

    front_end.build()


@contextlib.contextmanager
def running_product(
    folder: Path, model: str = "", environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Product]:
    """An installation in an empty folder, until the block ends; with `model`, a scripted provider beside it."""
    with contextlib.ExitStack() as stack:
        port, upstream_url = free_port(), ""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CHATAPP_", "OPENAI_"))}
        own |= {
            "PORT": str(port),
            "HOST": "127.0.0.1",
            "CHATAPP_DATA_DIR": str(folder / "data"),
            "CHATAPP_MODEL_DIR": str(MODEL_DIR),
            "CHATAPP_DEMO": "0",
            "CHATAPP_ADMIN_EMAIL": ADMIN_EMAIL,
            "CHATAPP_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "CHATAPP_ALLOW_PRIVATE_PROVIDERS": "1",
            "CHATAPP_ALLOW_PRIVATE_SIGN_IN": "1",
            "OLLAMA_HOST": "http://127.0.0.1:9",
        }
        if model:
            upstream_url = stack.enter_context(_scripted_provider(folder))
            own |= {"OPENAI_API_KEY": "sk-scripted", "OPENAI_BASE_URL": upstream_url, "OPENAI_MODEL": model}
        own |= environment
        log_path = folder / "log"
        process = stack.enter_context(
            server(
                (sys.executable, "-m", "chatapp", "serve"),
                is_ready=lambda: "Ready: " in log_path.read_text(errors="replace"),
                log_path=log_path,
                environment=own,
                start_seconds=180.0,
                cwd=PROJECT,
            )
        )
        url = f"http://127.0.0.1:{port}"
        yield Product(url, folder / "data", own, process.pid, upstream_url=upstream_url, log_path=log_path)


@contextlib.contextmanager
def _scripted_provider(folder: Path) -> Iterator[str]:
    log_path = folder / "upstream-log"
    command = (sys.executable, "-m", "tests.upstream")
    with server(command, is_ready=lambda: "http" in log_path.read_text(), log_path=log_path, cwd=PROJECT):
        yield log_path.read_text().split()[0]
