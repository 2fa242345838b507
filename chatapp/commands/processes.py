"""The processes of an installation: how each is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from chatapp import front_end
from chatapp.commands.supervisor import ChildSpec
from chatapp.errors import Misconfigured
from chatapp.settings import Settings

MakeSpec = Callable[[Settings, str], ChildSpec]
"""Makes a specification from the settings and the Chroma server's address."""

_WORKER_NICENESS = 10
"""An answer never waits for a document."""


def check_workers(settings: Settings) -> None:
    """Refuse several web workers that could not share anything.

    Raises:
        Misconfigured: there are several and no Redis.
    """
    if settings.web_workers > 1 and not settings.redis_url.get_secret_value():
        raise Misconfigured(
            f"CHATAPP_WEB_WORKERS is {settings.web_workers}, but several web workers share their streams and limits "
            "over Redis: set REDIS_URL, or set CHATAPP_WEB_WORKERS to 1."
        )


def command(*arguments: str) -> tuple[str, ...]:
    """One of our own commands, as a program and its arguments."""
    return (sys.executable, "-m", "chatapp", *arguments)


def chroma(settings: Settings, port: int) -> ChildSpec:
    """A Chroma server on loopback, with its data in the data folder."""
    folder = settings.data_dir.absolute() / "chroma"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = str(Path(sys.executable).with_name("chroma"))
    return ChildSpec(
        "chroma",
        (program, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)),
        environment={"ANONYMIZED_TELEMETRY": "False"},
        log_path=settings.data_dir / "chroma.log",
    )


def worker(settings: Settings, chroma_url: str) -> ChildSpec:
    """A worker."""
    environment = _environment(settings, chroma_url)
    return ChildSpec("worker", command("worker"), environment=environment, niceness=_WORKER_NICENESS)


def web(settings: Settings, chroma_url: str) -> ChildSpec:
    """The web process with what is built: nothing is compiled at the start."""
    program = (
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "chatapp.chatapp:app"),
        *("--host", settings.host, "--port", str(settings.port), "--workers", str(settings.web_workers)),
        *("--log-level", "warning", "--respawn-failed-workers", "--workers-kill-timeout", "5"),
    )
    environment = {**_environment(settings, chroma_url), **front_end.serving_environment()}
    return ChildSpec("web", program, environment=environment)


def reloading_web(settings: Settings, chroma_url: str) -> ChildSpec:
    """The web process for developers: it compiles and starts anew when a file changes."""
    port = str(settings.port)
    program = (sys.executable, "-m", "reflex", "run", "--env", "preview", "--backend-port", port, "--backend-host")
    environment = {
        **_environment(settings, chroma_url),
        **front_end.build_environment(),
        "REFLEX_HOT_RELOAD_EXCLUDE_PATHS": "tests:docs:deploy",
    }
    return ChildSpec("web", (*program, settings.host), environment=environment)


def reloading_worker(settings: Settings, chroma_url: str) -> ChildSpec:
    """A worker that starts anew when a file changes."""
    program = (sys.executable, "-m", "watchfiles", "--filter", "python", " ".join(command("worker")))
    environment = _environment(settings, chroma_url)
    return ChildSpec("worker", (*program, "chatapp", "ingest"), environment=environment, niceness=_WORKER_NICENESS)


def memory_environment() -> dict[str, str]:
    """In how many places the C library keeps free memory, unless somebody has said so.

    Its own eight for each processor fill up one by one as threads come and go.
    """
    return {"MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2")}


def _environment(settings: Settings, chroma_url: str) -> dict[str, str]:
    return {
        **memory_environment(),
        "CHROMA_URL": chroma_url,
        "CHATAPP_DATA_DIR": str(settings.data_dir.absolute()),
        "CHATAPP_MODEL_DIR": str(settings.effective_model_dir.absolute()),
    }
