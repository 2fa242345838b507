"""History and question to a question that stands alone, for the search."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chatapp.domain import PromptMessage
from chatapp.errors import UpstreamError
from chatapp.pipeline.follow_up import carry_over
from chatapp.pipeline.history import fit_history
from chatapp.pipeline.tokens import clip_to_tokens
from chatapp.pipeline.turn import Turn
from chatapp.pipeline.upstream import whole_text
from chatapp.providers.base import ProviderRequest

_SECONDS = 8.0
"""A model that takes longer is not worth the wait: the search then runs with the words at hand."""
_MAX_TOKENS = 120
_HISTORY_TOKENS = 1_200
_HISTORY_MESSAGES = 24
_PROMPT = (
    "Rewrite the last question of this conversation so that it can be understood without the conversation. Replace "
    "pronouns and references by what they stand for; keep names, figures and dates exact; keep the language. Do not "
    "answer it. If it stands alone already, repeat it unchanged. Reply with the question only."
)


async def rewrite(turn: Turn) -> Turn:
    """Make the question stand alone; without a history, or when nothing is searched, it already does.

    A provider that quotes has no model to ask: the earlier question is carried over by rule. The same happens when
    the model fails or takes too long, since a worse search is better than no answer.
    """
    questions = [message.content for message in turn.history if message.role == "user"]
    if not questions or not turn.is_searching:
        return replace(turn, standalone_question=turn.question)
    if turn.deployment.provider.quotes:
        return replace(turn, standalone_question=await carry_over(questions, turn.question))
    await turn.writer.emit("status", {"stage": "rewrite", "text": "Reading the conversation"})
    request = _request(turn)
    try:
        async with asyncio.timeout(_SECONDS):
            text, usage = await turn.stop.watch(whole_text(turn, request))
    except (TimeoutError, UpstreamError):
        return replace(turn, standalone_question=await carry_over(questions, turn.question))
    standalone = clip_to_tokens(" ".join(text.split()), _MAX_TOKENS) or turn.question
    return replace(turn.with_usage(usage, turn.deployment.cost_micro_usd(usage)), standalone_question=standalone)


def _request(turn: Turn) -> ProviderRequest:
    said = [message for message in turn.history if message.role in {"user", "assistant"}][-_HISTORY_MESSAGES:]
    fitted = fit_history(said, _HISTORY_TOKENS, summary=turn.summary)
    lines = [fitted.digest, *(f"{message.role}: {message.content}" for message in fitted.messages)]
    asked = "\n".join(filter(None, lines)) + f"\n\nLast question: {turn.question}"
    messages = (PromptMessage("system", _PROMPT), PromptMessage("user", asked))
    return ProviderRequest(turn.deployment.provider_model, messages, {"max_tokens": _MAX_TOKENS, "temperature": 0})
