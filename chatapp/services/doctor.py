"""Whether everything an installation depends on is there: for `doctor`, `/readyz` and the admin's overview."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from chatapp.errors import AppError, Misconfigured, UpstreamError
from chatapp.retrieval import embedder, vector_index
from chatapp.services.installation import SET_UP_MODEL_DIR
from chatapp.settings import Settings
from chatapp.store import redis, schema
from chatapp.store.database import engine

_ANSWER_SECONDS = 5.0
_AWAY = "cannot be reached"
_LOW_DISK_BYTES = 1024**3

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    subject: str
    level: Level
    """`wrong` keeps the product from working; `warning` does not."""
    text: str
    advice: str = ""
    """What to do; empty when there is nothing."""


async def readiness(settings: Settings) -> dict[str, str]:
    """The state of each dependency of an open process: `ok`, or why not.

    A missing vector index is told but does not stop the product: answers then come from keywords alone.
    """
    return {**await readiness_of_store(settings), "vector_index": await _state(vector_index.heartbeat)}


async def readiness_of_store(settings: Settings) -> dict[str, str]:
    """The states of what nothing works without."""
    states = {"database": await _state(schema.ping)}
    if settings.redis_url.get_secret_value():
        states["redis"] = await _state(redis.ping)
    return states


def can_serve(states: dict[str, str]) -> bool:
    """Whether a process whose dependencies are in these states can answer questions."""
    return all(states.get(name, "ok") == "ok" for name in ("database", "redis"))


async def _state(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await ping()
    except TimeoutError:
        return f"no answer within {_ANSWER_SECONDS:.0f} seconds"
    except UpstreamError as error:
        return error.message
    return "ok"


async def examine(settings: Settings) -> list[Finding]:
    """Check settings, data folder, model and every server. Runs inside the lifespan of a command.

    Args:
        settings: the installation's.
    """
    findings = [*_settings(settings), _data_folder(settings), _model(settings), await _database()]
    findings += await _servers(settings)
    if not settings.chroma_url:
        findings.append(Finding("Chroma", "ok", "`serve` starts a server of its own on loopback"))
    return findings


async def require_servers(settings: Settings) -> None:
    """Refuse to start without a server that the settings name. Runs inside the lifespan of a command.

    Args:
        settings: the installation's.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
        Misconfigured: Redis or Chroma cannot.
    """
    await schema.ping()
    for finding in await _servers(settings):
        if finding.level != "ok":
            raise Misconfigured(f"{finding.subject} {finding.text}. {finding.advice}")


async def _servers(settings: Settings) -> list[Finding]:
    findings = []
    if settings.redis_url.get_secret_value():
        state = await _state(redis.ping)
        findings.append(_server("Redis", state, "Start it, or correct REDIS_URL."))
    if settings.chroma_url:
        await vector_index.open_vector_index(settings.chroma_url)
        state = await _state(vector_index.heartbeat)
        await vector_index.close_vector_index()
        findings.append(_server("The Chroma server", state, "Start it, or correct CHROMA_URL."))
    return findings


def _settings(settings: Settings) -> list[Finding]:
    findings = []
    if settings.host in {"0.0.0.0", "::"} and not settings.public_url:  # noqa: S104  # compared with, not bound to
        findings.append(
            Finding(
                "settings",
                "warning",
                f"HOST is {settings.host}, but the address people use is not known",
                "Set CHATAPP_PUBLIC_URL to it: links and the check of a request's origin need it.",
            )
        )
    if settings.public_url and not settings.is_https and settings.host not in {"127.0.0.1", "localhost"}:
        findings.append(
            Finding(
                "settings",
                "warning",
                "people sign in over plain http",
                "Put a proxy with TLS in front and set CHATAPP_PUBLIC_URL to its https address.",
            )
        )
    if settings.web_workers > 1 and not settings.redis_url.get_secret_value():
        findings.append(
            Finding(
                "settings",
                "wrong",
                f"{settings.web_workers} web workers have nothing to share their streams and limits over",
                "Set REDIS_URL, or set CHATAPP_WEB_WORKERS to 1.",
            )
        )
    return findings or [Finding("settings", "ok", "every setting can be used")]


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    try:
        with tempfile.TemporaryFile(dir=folder):
            free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        advice = "Make it writable for this user, or set CHATAPP_DATA_DIR to another folder."
        return Finding("data folder", "wrong", f"{folder}: {error.strerror}", advice)
    text = f"{folder}, {free_bytes / 1024**3:.0f} GB free"
    if free_bytes < _LOW_DISK_BYTES:
        return Finding("data folder", "warning", text, "Make room: documents and the database grow here.")
    return Finding("data folder", "ok", text)


def _model(settings: Settings) -> Finding:
    if embedder.is_prepared(settings.effective_model_dir):
        return Finding("embedding model", "ok", f"prepared in {settings.effective_model_dir}")
    folder = settings.effective_model_dir.absolute()
    if settings.model_dir is None and embedder.is_prepared(SET_UP_MODEL_DIR):
        text = f"`make run` uses the one in {SET_UP_MODEL_DIR}; there is none in {folder}"
        advice = (
            f"Set CHATAPP_MODEL_DIR to {SET_UP_MODEL_DIR} for commands without `make`, or run "
            "`python -m chatapp prepare`; `serve` does it too."
        )
        return Finding("embedding model", "warning", text, advice)
    advice = "Run `python -m chatapp prepare`; `serve` does it too."
    return Finding("embedding model", "wrong", f"not prepared in {folder}", advice)


async def _database() -> Finding:
    state = await _state(schema.ping)
    name = engine().dialect.name
    if state != "ok":
        return Finding("database", "wrong", state)
    try:
        if await schema.is_current():
            return Finding("database", "ok", f"{name}, schema up to date")
    except AppError as error:
        return Finding("database", "wrong", error.message)
    advice = "Run `python -m chatapp migrate`; `serve` does it too."
    return Finding("database", "warning", f"{name}, schema not up to date", advice)


def _server(subject: str, state: str, advice: str) -> Finding:
    return Finding(subject, "ok", "answers") if state == "ok" else Finding(subject, "wrong", _AWAY, advice)
