"""What was said before, as far as a prompt can afford it: the last turns word for word, older ones in short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import PromptMessage
from chatapp.pipeline.tokens import MARGIN, clip_to_tokens, estimate_message_tokens

_DIGEST_SHARE = 0.25
_LINE_TOKENS = 40
_LINE_CHARACTERS = 1_000
"""Of a message, looked at for its line."""
_INSTRUCTING = frozenset({"system", "developer"})
_OPENING = "<earlier_conversation>\n"
_CLOSING = "\n</earlier_conversation>\n\n"


@dataclass(frozen=True, slots=True)
class FittedHistory:
    """A conversation as a prompt can afford it."""

    digest: str
    """What was said before `messages`, in short; empty when nothing was left out."""
    messages: tuple[PromptMessage, ...]
    """The last messages, unchanged, oldest first; never beginning with an answer whose question was left out."""
    cut_messages: int = 0
    """Messages of which the digest has the beginning at most."""


def instructions_of(history: Sequence[PromptMessage]) -> tuple[PromptMessage, ...]:
    """The messages a program begins its conversation with to say how to answer: they are never cut."""
    count = next((at for at, message in enumerate(history) if message.role not in _INSTRUCTING), len(history))
    return tuple(history[:count])


def fit_history(
    history: Sequence[PromptMessage], max_tokens: int, *, sizes: Sequence[int] | None = None, summary: str = ""
) -> FittedHistory:
    """The part of a conversation that a prompt can afford.

    What has to be left out of it is cut without asking a model: each question with the beginning of its answer. That
    costs no call, and is the same on every turn, so a provider's prompt cache keeps working.

    Args:
        history: earlier messages, oldest first.
        max_tokens: for all of it; 0 or less gives nothing.
        sizes: tokens of each message as the model counts them, with its frame; None: they are estimated.
        summary: of what was said before `history`.
    """
    if sizes is None:
        sizes = [estimate_message_tokens(message.content) for message in history]
    left = max_tokens - (_safe_tokens(summary) if summary else 0)
    if sum(sizes) <= left:
        return FittedHistory(summary, tuple(history))
    digest_tokens = max(0, int(max_tokens * _DIGEST_SHARE))
    left = min(left, max_tokens - digest_tokens)
    kept = len(history)
    while kept > 0 and sizes[kept - 1] <= left:
        left -= sizes[kept - 1]
        kept -= 1
    while kept < len(history) and history[kept].role == "assistant":
        kept += 1
    digest = _digest(history[:kept], summary, digest_tokens + max(0, left))
    return FittedHistory(digest, tuple(history[kept:]), cut_messages=kept)


def with_digest(messages: Sequence[PromptMessage], digest: str) -> tuple[PromptMessage, ...]:
    """Messages with what was said before them put in front of the first question.

    In a question and not among the instructions: what people and documents have said is to be read, not obeyed. And
    in no message of its own, since some models take questions and answers in turn only.

    Args:
        messages: at least one of them a user's.
        digest: nothing is put in front when it is empty.
    """
    if not digest:
        return tuple(messages)
    at = next(place for place, message in enumerate(messages) if message.role == "user")
    text = digest.replace("<earlier_conversation>", "").replace("</earlier_conversation>", "")
    first = PromptMessage("user", f"{_OPENING}{text}{_CLOSING}{messages[at].content}")
    return (*messages[:at], first, *messages[at + 1 :])


def _digest(older: Sequence[PromptMessage], summary: str, max_tokens: int) -> str:
    clipped = clip_to_tokens(summary, int(max_tokens / MARGIN)) if summary else ""
    left = max_tokens - _safe_tokens(clipped)
    lines: list[str] = []
    for message in reversed(older):
        speaker = "Asked" if message.role == "user" else "Answered"
        beginning = " ".join(message.content[:_LINE_CHARACTERS].split())
        line = f"{speaker}: {clip_to_tokens(beginning, _LINE_TOKENS)}"
        left -= _safe_tokens(line)
        if left < 0:
            break
        lines.append(line)
    return "\n".join(part for part in (clipped, *reversed(lines)) if part)


def _safe_tokens(text: str) -> int:
    return int(estimate_message_tokens(text) * MARGIN) + 1
