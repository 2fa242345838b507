"""The structured log: one line an event, never a message's text, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_SECRET_NAMES = re.compile(r"password|secret|token|api_?key|authorization|cookie", re.IGNORECASE)
_COUNTS = re.compile(r"_tokens$")
"""`input_tokens` is a count, not a secret."""
_MASK = "***"


def configure_logging(level: str) -> None:
    """Send the process's log to standard error: readable on a terminal, JSON lines elsewhere.

    Args:
        level: `debug`, `info`, `warning` or `error`; anything else counts as `info`. Empty: `warning` on a terminal,
            where a person waits for the address and not for each document, and `info` elsewhere.
    """
    is_terminal = sys.stderr.isatty()
    level = level or ("warning" if is_terminal else "info")
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    # Plain: the default shows every local variable of a crash, cookies and keys among them.
    renderer = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for chatty in ("httpx", "httpcore", "chromadb", "huey", "aiosqlite", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def mask_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of fields whose names speak of secrets."""
    for name in event:
        if _SECRET_NAMES.search(name) and not _COUNTS.search(name):
            event[name] = _MASK
    return event


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a module its logger; an event is named `noun.verb`, as in `log.info("turn.started", turn_id=...)`."""
    return structlog.stdlib.get_logger(name)
