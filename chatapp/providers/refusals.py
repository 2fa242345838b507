"""Reading what a provider says when it refuses: how long to leave it alone, and whether a prompt was too long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TOO_LONG = (
    *("context length", "context_length", "context window", "too many tokens", "prompt is too long"),
    *("input is too long", "maximum number of tokens", "available context size"),
)
_LIMIT = re.compile(
    r"(?:maximum context length (?:is|of)|maximum number of tokens allowed \(|n_ctx\D{0,3}|>)\s*(\d[\d,_]*)",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"(?:resulted in|requested|n_prompt_tokens\D{0,3}|input token count \(|too long:|prompt contains)"
    r"\s*(?:at least\s*)?(\d[\d,_]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SaidSizes:
    """What a provider says about a prompt that does not fit, in its own tokens."""

    limit_tokens: int | None
    """What the model reads at most; None: it does not say."""
    sent_tokens: int | None
    """What it counted."""


def sizes_said(reason: str) -> SaidSizes:
    """The numbers in a refusal for length.

    The words are those of OpenAI and vLLM ("maximum context length is 8192 tokens. However, your messages resulted in
    9000 tokens"), Anthropic ("prompt is too long: 213462 tokens > 200000 maximum"), Google ("The input token count
    (1200000) exceeds the maximum number of tokens allowed (1048576)") and llama.cpp ("n_prompt_tokens: 9, n_ctx: 5").
    """
    return SaidSizes(_number(_LIMIT, reason), _number(_SENT, reason))


def _number(pattern: re.Pattern[str], reason: str) -> int | None:
    found = pattern.search(reason)
    return int(re.sub(r"\D", "", found[1])) if found else None


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
