"""Choosing the sentences and table rows of the sources that answer a question, for providers that quote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chatapp.domain import Source
from chatapp.pipeline.passages import Unit, coverage, features, numbers, readable_row, units, weights
from chatapp.providers.base import Excerpt
from chatapp.retrieval.embedder import embed_texts

MAX_EXCERPTS = 5
_EMBEDDED_UNITS = 32
"""Units compared by meaning; the best by terms. Some 100 ms on one core."""
_MIN_CHARACTERS = 12
_MAX_CHARACTERS = 600
_CONTEXT_SHARE = 0.6
"""How much a term counts that stands in the title or heading instead of the unit itself."""
_COVERAGE_SHARE = 0.5
"""Terms against meaning: equal parts, as neither wins alone on questions with names and figures."""
_RANK_BONUS = 0.12
"""For a unit of the first source; falls with the source's number."""
_KEEP_SHARE = 0.72
"""A further excerpt must score at least this share of the best."""
_SAME_SHARE = 0.75
"""Two units with this share of common features say the same."""


@dataclass(slots=True)
class _Candidate:
    """A unit on its way to being quoted."""

    source: Source
    unit: Unit
    text: str
    own: set[str]
    context: set[str]
    score: float = 0.0


async def choose_excerpts(question: str, sources: Sequence[Source]) -> tuple[Excerpt, ...]:
    """The units that answer a question best, in reading order.

    Args:
        question: standing alone.
        sources: best first, all of them bearing on the question.

    Returns:
        at most `MAX_EXCERPTS`, grouped by document; documents in the order of their best source, units in the order
        of the document. Empty only when the sources hold no unit to quote.
    """
    candidates = _candidates(sources)
    if not candidates:
        return ()
    wanted = features(question)
    _score_by_terms(wanted, candidates)
    candidates.sort(key=lambda candidate: -candidate.score)
    candidates = candidates[:_EMBEDDED_UNITS]
    await _add_meaning(question, candidates)
    candidates.sort(key=lambda candidate: -candidate.score)
    return _in_reading_order(_distinct(candidates))


def _candidates(sources: Sequence[Source]) -> list[_Candidate]:
    found: list[_Candidate] = []
    for source in sources:
        chunk = source.retrieved.chunk
        context = features(f"{source.retrieved.title} {source.retrieved.filename} {chunk.heading}")
        for unit in units(chunk.text):
            raw = chunk.text[unit.start : unit.end]
            text = readable_row(raw) if unit.is_row else raw
            if unit.is_heading or not _MIN_CHARACTERS <= len(text) <= _MAX_CHARACTERS:
                continue
            found.append(_Candidate(source, unit, text, features(text), context))
    return found


def _score_by_terms(wanted: set[str], candidates: Sequence[_Candidate]) -> None:
    weight = weights([candidate.own for candidate in candidates])
    for candidate in candidates:
        own = coverage(wanted, candidate.own, weight)
        with_context = coverage(wanted, candidate.own | candidate.context, weight)
        covered = own + _CONTEXT_SHARE * (with_context - own)
        candidate.score = _COVERAGE_SHARE * covered + _RANK_BONUS / candidate.source.number


async def _add_meaning(question: str, candidates: Sequence[_Candidate]) -> None:
    texts = [question, *(f"{candidate.source.retrieved.title}. {candidate.text}" for candidate in candidates)]
    vectors = await embed_texts(texts)
    similarity = vectors[1:] @ vectors[0]
    for candidate, cosine in zip(candidates, np.clip(similarity, 0.0, 1.0), strict=True):
        candidate.score += (1 - _COVERAGE_SHARE) * float(cosine)


def _distinct(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    chosen: list[_Candidate] = []
    for candidate in candidates:
        if len(chosen) == MAX_EXCERPTS or (chosen and candidate.score < _KEEP_SHARE * chosen[0].score):
            break
        if not any(_says_the_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


def _says_the_same(one: _Candidate, other: _Candidate) -> bool:
    common = len(one.own & other.own) / max(1, min(len(one.own), len(other.own)))
    same_figures = numbers(one.text) == numbers(other.text)
    same_document = one.source.retrieved.chunk.document_id == other.source.retrieved.chunk.document_id
    # The same row of two reports is two answers, not a repetition.
    return common >= _SAME_SHARE and same_figures and (same_document or not numbers(one.text))


def _in_reading_order(chosen: Sequence[_Candidate]) -> tuple[Excerpt, ...]:
    first_of_document: dict[object, int] = {}
    for position, candidate in enumerate(chosen):
        first_of_document.setdefault(candidate.source.retrieved.chunk.document_id, position)

    def place(candidate: _Candidate) -> tuple[int, int]:
        chunk = candidate.source.retrieved.chunk
        return first_of_document[chunk.document_id], chunk.start + candidate.unit.start

    return tuple(
        Excerpt(
            number=candidate.source.number,
            text=candidate.text,
            filename=candidate.source.retrieved.filename,
            page=candidate.source.retrieved.chunk.page,
        )
        for candidate in sorted(chosen, key=place)
    )
