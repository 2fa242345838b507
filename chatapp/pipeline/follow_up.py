"""Making a follow-up stand alone by rule, where no model is at hand to do it.

"And what about 2023?" behind "What were Apple's sales in 2022?" becomes "What were Apple's sales in 2023?".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chatapp.retrieval.embedder import embed_texts

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_OPENING = re.compile(
    r"^\s*(?:and|but|or|also|then|so|why|how come|what about|how about|what else|tell me more|more|same)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|these|those|he|him|his|she|her|hers|there|former|latter|the same|"
    r"that (?:one|year|quarter|company|figure|number|document))\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^\s*(?:(?:and|but|or|also|then|so)\b\s*)?(?:(?:what|how) about\b\s*)?(?:(?:for|in|during|with|of|at)\b\s*)?"
    r"(?:the\b\s*)?",
    re.IGNORECASE,
)
_SHORT_WORDS = 3
_MAX_CHARACTERS = 2_000
"""Of what is carried over, and of what counts as a follow-up: who writes more than this has said it all."""
_MAX_QUESTIONS = 12
"""Earlier questions looked at."""
_PERIODS = (
    re.compile(rf"\b{_MONTH}\s+\d{{1,2}},\s+(?:19|20)\d\d\b", re.IGNORECASE),
    re.compile(r"\bQ[1-4]\s+(?:of\s+)?(?:19|20)\d\d\b|\b(?:19|20)\d\d\s+Q[1-4]\b", re.IGNORECASE),
    re.compile(r"\bQ[1-4]\b|\b(?:first|second|third|fourth|last|next) quarter\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\b", re.IGNORECASE),
    re.compile(r"\b(?:19|20)\d\d\b"),
)
"""Kinds of period, the longest first: a follow-up that names one means it instead of the one named before."""
_NAME = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w&-]*(?:\s+[A-Z][\w&-]*)*")
_CALENDAR = re.compile(rf"{_MONTH}|Q[1-4]|[A-Z][a-z]+day|I")


def is_follow_up(question: str) -> bool:
    """Whether a question looks as if it leaned on the one before."""
    return bool(_OPENING.match(question) or _REFERENCE.search(question) or len(question.split()) <= _SHORT_WORDS)


async def carry_over(questions: Sequence[str], question: str) -> str:
    """A follow-up with what it leaves unsaid taken from the questions before it.

    A period or a name takes the place of the one of its kind, of several names the one nearest in meaning; what has
    no counterpart is put behind. A question that refers to something by "it" or "that year" gets the earlier question
    put before it.

    Args:
        questions: earlier questions of the branch, oldest first.
        question: the new one; given back unchanged when it does not look like a follow-up.
    """
    return await _carry_over([earlier[-_MAX_CHARACTERS:] for earlier in questions[-_MAX_QUESTIONS:]], question)


async def _carry_over(questions: Sequence[str], question: str) -> str:
    if not questions or len(question) > _MAX_CHARACTERS or not is_follow_up(question):
        return question
    before = (await _carry_over(questions[:-1], questions[-1]))[-_MAX_CHARACTERS:]
    if _REFERENCE.search(question) and len(question.split()) > _SHORT_WORDS:
        return f"{before} {question}"
    rest = _LEAD.sub("", question, count=1).rstrip(" ?!.")
    before, rest = _with_period(before, rest)
    before, rest = await _with_name(before, rest)
    left_over = " ".join(rest.split())
    if not re.search(r"\w{3,}", left_over):
        return before
    return f"{before.rstrip(' ?!.')} {left_over}?"


def _with_period(before: str, rest: str) -> tuple[str, str]:
    for kind in _PERIODS:
        new, old = kind.search(rest), kind.search(before)
        if new and old:
            before = before[: old.start()] + new.group() + before[old.end() :]
            rest = rest[: new.start()] + rest[new.end() :]
    return before, rest


async def _with_name(before: str, rest: str) -> tuple[str, str]:
    # The pattern leaves out a sentence's first word; in what is left of a follow-up it may well be the name.
    new = _names(f"- {rest}")
    old = _names(before)
    if len(new) != 1 or not old:
        return before, rest
    vectors = await embed_texts([new[0], *old]) if len(old) > 1 else None
    nearest = old[0] if vectors is None else old[int((vectors[1:] @ vectors[0]).argmax())]
    return before.replace(nearest, new[0]), rest.replace(new[0], " ").removesuffix("'s").removesuffix("’s")


def _names(text: str) -> list[str]:
    return [match.group() for match in _NAME.finditer(text) if not _CALENDAR.fullmatch(match.group())]
