"""Step 4: history and question to a question that stands alone, for the search."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import replace

from chatapp.domain import PromptMessage, Usage
from chatapp.errors import UpstreamError
from chatapp.pipeline.history import fit_history
from chatapp.pipeline.tokens import clip_to_tokens, estimate_tokens
from chatapp.pipeline.turn import Turn
from chatapp.providers.base import ProviderRequest

_SECONDS = 8.0
"""A model that takes longer is not worth the wait: the search then runs with the words at hand."""
_MAX_TOKENS = 120
_HISTORY_TOKENS = 1_200
_PROMPT = (
    "Rewrite the last question of this conversation so that it can be understood without the conversation. Replace "
    "pronouns and references by what they stand for; keep names, figures and dates exact; keep the language. Do not "
    "answer it. If it stands alone already, repeat it unchanged. Reply with the question only."
)

_FOLLOW_UP = re.compile(
    r"^\s*(?:and|but|or|also|then|so|why|how come|what about|how about|what else|tell me more|more|same|und|et|y)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|these|those|he|him|his|she|her|hers|there|former|latter|"
    r"the same|that (?:one|year|quarter|company|figure|number|document))\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^\s*(?:and|but|or|also|then|so)?\s*(?:what about|how about|for|in|during|with|of)?\s*(?:the\s+)?", re.IGNORECASE
)
_SHORT_WORDS = 3
_KINDS = (
    re.compile(r"\bQ[1-4]\s+(?:19|20)\d\d\b", re.IGNORECASE),
    re.compile(r"\b(?:19|20)\d\d\s+Q[1-4]\b", re.IGNORECASE),
    re.compile(r"\bQ[1-4]\b", re.IGNORECASE),
    re.compile(r"\b(?:first|second|third|fourth) quarter\b", re.IGNORECASE),
    re.compile(
        r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b", re.IGNORECASE
    ),
    re.compile(r"\b(?:19|20)\d\d\b"),
    re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w&.-]*[\w&](?:\s+[A-Z][\w&.-]*[\w&])*(?=['’]s\b|\b)"),
)
"""Things of one kind, of which a follow-up names another: quarters, months, years, then names."""


async def rewrite(turn: Turn) -> Turn:
    """Make the question stand alone; without a history, or when nothing is searched, it already does.

    A provider that quotes has no model to ask: the earlier question is carried over by rule. The same happens when
    the model fails or takes too long, since a worse search is better than no answer.
    """
    questions = [message.content for message in turn.history if message.role == "user"]
    if not questions or not turn.is_searching:
        return replace(turn, standalone_question=turn.question)
    if turn.route.provider.quotes:
        return replace(turn, standalone_question=carry_over(questions, turn.question))
    await turn.writer.emit("status", {"stage": "rewrite", "text": "Reading the conversation"})
    request = _request(turn)
    try:
        async with asyncio.timeout(_SECONDS):
            text, usage = await turn.stop.watch(_ask(turn, request))
    except (TimeoutError, UpstreamError):
        return replace(turn, standalone_question=carry_over(questions, turn.question))
    standalone = clip_to_tokens(" ".join(text.split()), _MAX_TOKENS) or turn.question
    return replace(turn.with_usage(usage), standalone_question=standalone)


def _request(turn: Turn) -> ProviderRequest:
    history = fit_history([m for m in turn.history if m.role != "system"], _HISTORY_TOKENS)
    said = "\n".join(f"{message.role}: {message.content}" for message in history)
    asked = f"{said}\n\nLast question: {turn.question}"
    messages = (PromptMessage("system", _PROMPT), PromptMessage("user", asked))
    return ProviderRequest(turn.route.provider_model, messages, {"max_tokens": _MAX_TOKENS, "temperature": 0})


async def _ask(turn: Turn, request: ProviderRequest) -> tuple[str, Usage]:
    pieces: list[str] = []
    usage: Usage | None = None
    async with aclosing(turn.route.provider.stream(request)) as stream:
        async for delta in stream:
            pieces.append(delta.text)
            usage = delta.usage or usage
    text = "".join(pieces)
    sent = sum(estimate_tokens(message.content) for message in request.messages)
    return text, usage or Usage(sent, estimate_tokens(text), is_estimated=True)


def carry_over(questions: list[str], question: str) -> str:
    """A follow-up with what it leaves unsaid taken from the question before it, by rule.

    "And what about 2023?" behind "What were the sales of Apple in 2022?" becomes "What were the sales of Apple in
    2023?": what is of the same kind is replaced, and what has no counterpart is put behind.

    Args:
        questions: earlier questions of the branch, oldest first, at least one.
        question: the new one; given back unchanged when it does not look like a follow-up.
    """
    if not _is_follow_up(question):
        return question
    before = questions[-1]
    if len(questions) > 1 and _is_follow_up(before):
        before = carry_over(questions[:-1], before)
    if _REFERENCE.search(question) and len(question.split()) > _SHORT_WORDS + 2:
        return f"{before} {question}"
    return _substituted(before, question)


def _is_follow_up(question: str) -> bool:
    return bool(_FOLLOW_UP.match(question) or _REFERENCE.search(question) or len(question.split()) <= _SHORT_WORDS)


def _substituted(before: str, question: str) -> str:
    new = _LEAD.sub("", question, count=1).rstrip(" ?!.")
    result, rest = before, new
    for kind in _KINDS:
        # The kinds that look behind a word need one: a name may well begin what is left of the follow-up.
        found = [match.group() for match in kind.finditer(f"- {rest}")]
        old = [match.group() for match in kind.finditer(result)]
        if len(found) == 1 and old:
            result = result.replace(old[-1], found[0])
            rest = rest.replace(found[0], " ")
    left_over = " ".join(rest.split())
    return f"{result} {left_over}" if re.search(r"\w{3,}", left_over) else result
