"""Fitting a conversation into a prompt: the last turns word for word, older ones in a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from chatapp.domain import PromptMessage
from chatapp.pipeline.tokens import clip_to_tokens, estimate_message_tokens

_SUMMARY_SHARE = 0.25
_LINE_TOKENS = 40


def fit_history(history: Sequence[PromptMessage], max_tokens: int) -> tuple[PromptMessage, ...]:
    """The part of a conversation that a prompt can afford.

    The summary of older turns is made without a model: each question with the beginning of its answer. It costs no
    call, and is the same on every turn, so a provider's prompt cache keeps working.

    Args:
        history: earlier messages, oldest first.
        max_tokens: for all of it, estimated; 0 or less gives nothing.

    Returns:
        at most one system message that summarises, then the last messages unchanged, oldest first; never beginning
        with an answer whose question was left out.
    """
    if sum(estimate_message_tokens(message.content) for message in history) <= max_tokens:
        return tuple(history)
    summary_tokens = int(max_tokens * _SUMMARY_SHARE)
    left = max_tokens - summary_tokens
    kept = len(history)
    while kept > 0 and (cost := estimate_message_tokens(history[kept - 1].content)) <= left:
        left -= cost
        kept -= 1
    while kept < len(history) and history[kept].role == "assistant":
        kept += 1
    summary = _summary(history[:kept], summary_tokens)
    return (*([summary] if summary else []), *history[kept:])


def _summary(older: Sequence[PromptMessage], max_tokens: int) -> PromptMessage | None:
    lines: list[str] = []
    left = max_tokens - estimate_message_tokens("Earlier in this conversation:")
    for message in reversed(older):
        speaker = "Asked" if message.role == "user" else "Answered"
        line = f"{speaker}: {clip_to_tokens(' '.join(message.content.split()), _LINE_TOKENS)}"
        left -= estimate_message_tokens(line)
        if left < 0:
            break
        lines.append(line)
    if not lines:
        return None
    return PromptMessage("system", "\n".join(["Earlier in this conversation:", *reversed(lines)]))
