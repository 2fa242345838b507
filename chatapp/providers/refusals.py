"""Reading what a provider says when it refuses: how long to leave it alone, and whether a prompt was too long."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TOO_LONG = (
    *("context length", "context_length", "context window", "too many tokens", "prompt is too long"),
    *("input is too long", "maximum number of tokens"),
)


def says_too_long(reason: str) -> bool:
    """Whether a refusal's words mean that the prompt does not fit: there is no code that all servers share."""
    return any(sign in reason.lower() for sign in _TOO_LONG)


def retry_after_seconds(value: str) -> float | None:
    """Seconds from now that a `Retry-After` asks for, 0 or more; None where it says nothing.

    Source: RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
