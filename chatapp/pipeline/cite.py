"""Match each mark in the answer to a passage of its source, and say how far the passage carries the claim."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from chatapp.domain import Citation, Source, Support
from chatapp.pipeline.marks import Mark, find_marks
from chatapp.pipeline.passages import Unit, coverage, features, is_telling, numbers, statements, units
from chatapp.pipeline.turn import Turn
from chatapp.retrieval.embedder import embed_texts

_MAX_CITATIONS = 60
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]*_]*(?=\s|\[|$)")
_MARKUP = re.compile(r"\[\d{1,3}\]|[*_`>#|]+|^\s*(?:[-+•]|\d+[.)])\s+", re.MULTILINE)
_MIN_CLAIM_WORDS = 3
_LONGER_GAIN = 0.15
"""A second sentence joins the passage when it covers this much more of the claim."""
_SUPPORTED = 0.58
_SUPPORTED_BY_FIGURES = 0.42
"""Enough where the passage has every figure of a claim, and one that tells passages apart: a row of a table says a
whole sentence in three words."""
_WEAK = 0.40
_IN_ITS_WORDS = 0.9
"""Who says nine tenths of a claim in the passage's words means what it says: no need to compare meanings."""
_SOURCE_SHARE = 0.9
"""What the source says around the passage carries a claim nearly as far as the passage."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one mark says of one source."""

    mark: Mark
    start: int
    text: str
    source: Source
    passage: tuple[int, int]
    """Place in the chunk's text."""


async def cite(turn: Turn) -> Turn:
    """Give every mark its passage; a mark without a source was dropped while the answer streamed."""
    if turn.citations or not turn.sources:
        # Judged while the answer was held, or there is nothing to judge.
        return turn
    claims = await asyncio.to_thread(match_claims, turn.answer, turn.sources)
    supports = await judge_claims(claims)
    citations = tuple(_citation(claim, support) for claim, support in zip(claims, supports, strict=True))
    return replace(turn, citations=citations)


def match_claims(answer: str, sources: Sequence[Source]) -> list[Claim]:
    """What each mark in an answer says of its source, and the passage that is behind it. Blocking, some 10 ms.

    Args:
        answer: with uniform marks.
        sources: those the marks may name; other numbers are passed over.
    """
    by_number = {source.number: source for source in sources}
    marks = [mark for mark in find_marks(answer) if mark.number in by_number][:_MAX_CITATIONS]
    return [_claim(answer, marks, position, by_number) for position in range(len(marks))]


def _claim(answer: str, marks: Sequence[Mark], position: int, by_number: dict[int, Source]) -> Claim:
    mark = marks[position]
    source = by_number[mark.number]
    start = _claim_start(answer, marks, position)
    text = " ".join(_MARKUP.sub(" ", answer[start : mark.end]).split())
    return Claim(mark, start, text, source, best_passage(text, source.retrieved.chunk.text))


def _claim_start(answer: str, marks: Sequence[Mark], position: int) -> int:
    """Where the statement begins that a mark is put behind.

    It is what stands between the mark and the end of the sentence, the line or the mark before; marks that touch
    share one statement, and a mark behind a full stop belongs to the sentence before it.
    """
    while position and not answer[marks[position - 1].end : marks[position].start].strip():
        position -= 1
    end = marks[position].start
    line_start = answer.rfind("\n", 0, end) + 1
    floor = marks[position - 1].end if position and marks[position - 1].end > line_start else line_start
    start = floor
    for match in _SENTENCE_END.finditer(answer, floor, end):
        if answer[match.end() : end].strip(" \t*_"):
            start = match.end()
    if len(answer[start:end].split()) < _MIN_CLAIM_WORDS:
        # A table's cell or a word says too little alone; its line says what it is about.
        start = line_start
    while start < end and answer[start].isspace():
        start += 1
    return start


def best_passage(claim: str, text: str) -> tuple[int, int]:
    """The sentence or two of a chunk that a claim rests on most likely.

    Args:
        claim: the statement.
        text: the chunk's text, not blank.

    Returns:
        inclusive start and exclusive end in `text`; the whole text where it has no sentences.
    """
    wanted = features(claim)
    pieces = [unit for unit in units(text) if not unit.is_heading]
    if not pieces:
        return 0, len(text)
    scores = [_window_score(wanted, claim, text[unit.start : unit.end]) for unit in pieces]
    best = max(range(len(pieces)), key=lambda position: (scores[position], -position))
    span, score = pieces[best], scores[best]
    for neighbour in (best - 1, best + 1):
        if 0 <= neighbour < len(pieces):
            window = Unit(min(span.start, pieces[neighbour].start), max(span.end, pieces[neighbour].end))
            longer = _window_score(wanted, claim, text[window.start : window.end])
            if longer >= score + _LONGER_GAIN:
                span, score = window, longer
    return span.start, span.end


def _window_score(wanted: Set[str], claim: str, window: str) -> float:
    offered = features(window)
    exact = 0.2 if _squeezed(claim) in _squeezed(window) else 0.0
    # Of two windows that cover the same, the one that says less else is meant.
    return coverage(wanted, offered) + exact + 0.05 * len(wanted & offered) / max(1, len(offered))


def _squeezed(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


async def judge_claims(claims: Sequence[Claim]) -> list[Support]:
    """How far the passage of each claim carries it."""
    return await judge_support([(claim.text, _passage_text(claim), _source_text(claim)) for claim in claims])


async def judge_support(cases: Sequence[tuple[str, str, str]]) -> list[Support]:
    """How far each passage carries its claim.

    Half is the share of the claim's terms and figures that the passage has, half the likeness of meaning. A figure
    that the whole source does not have makes it weak at best: a wrong number in a cited sentence is the error that
    matters.

    Args:
        cases: claim, passage and whole source, the latter two with their title and headings.
    """
    compared = await asyncio.to_thread(lambda: [_Compared.of(*case) for case in cases])
    open_cases = [at for at, each in enumerate(compared) if each.by_words < _IN_ITS_WORDS]
    likeness = dict.fromkeys(range(len(cases)), 1.0)
    if open_cases:
        vectors = await embed_texts([text for at in open_cases for text in cases[at][:2]])
        cosines = np.einsum("ij,ij->i", vectors[::2], vectors[1::2])
        likeness.update(zip(open_cases, map(float, cosines), strict=True))
    return [each.support(likeness[at]) for at, each in enumerate(compared)]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A claim beside what is to carry it, by their words."""

    by_words: float
    """The share of the claim's terms and figures in the passage, or a little less of them in the source, 0 to 1."""
    has_all_figures: bool
    """Whether every figure of the claim is in the source."""
    rests_on_figures: bool
    """Whether they are all in the passage, and tell passages apart."""

    @classmethod
    def of(cls, claim: str, passage: str, source: str) -> _Compared:
        wanted = features(claim)
        in_source = _SOURCE_SHARE * coverage(wanted, features(source))
        stated = statements(claim)
        rests_on_figures = any(map(is_telling, stated)) and stated <= numbers(passage)
        return cls(max(coverage(wanted, features(passage)), in_source), stated <= numbers(source), rests_on_figures)

    def support(self, cosine: float) -> Support:
        """The judgement, with the likeness of meaning of claim and passage from -1 to 1."""
        measure = 0.5 * self.by_words + 0.5 * max(0.0, cosine)
        if measure < _WEAK:
            return Support.NONE
        enough = _SUPPORTED_BY_FIGURES if self.rests_on_figures else _SUPPORTED
        return Support.SUPPORTED if measure >= enough and self.has_all_figures else Support.WEAK


def _passage_text(claim: Claim) -> str:
    chunk = claim.source.retrieved.chunk
    return f"{_context(claim)}. {chunk.text[claim.passage[0] : claim.passage[1]]}"


def _source_text(claim: Claim) -> str:
    return f"{_context(claim)}. {claim.source.retrieved.chunk.text}"


def _context(claim: Claim) -> str:
    # What the document's name and headings say about a passage belongs to what it states.
    found = claim.source.retrieved
    return " ".join((found.filename, found.title, found.chunk.heading))


def _citation(claim: Claim, support: Support) -> Citation:
    found = claim.source.retrieved
    start, end = claim.passage
    return Citation(
        number=claim.mark.number,
        file_id=found.chunk.document_id,
        filename=found.filename,
        page=found.chunk.page,
        quote=found.chunk.text[start:end],
        passage_start=found.chunk.start + start,
        passage_end=found.chunk.start + end,
        start_index=claim.start,
        end_index=claim.mark.end,
        chunk_id=found.chunk.id,
        version=found.version,
        support=support,
    )
