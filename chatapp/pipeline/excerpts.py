"""Choosing the sentences and table rows of the sources that answer a question, for providers that quote."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from chatapp.domain import Source
from chatapp.pipeline.passages import Unit, coverage, features, numbers, statements, units, weights
from chatapp.pipeline.table_rows import read_row
from chatapp.providers.base import Excerpt
from chatapp.retrieval.embedder import embed_texts

MAX_EXCERPTS = 5
_EMBEDDED_UNITS = 8
"""Units compared by meaning; the best by terms. More, and longer ones, cost time and changed no answer measured."""
_EMBEDDED_CHARACTERS = 160
_MIN_CHARACTERS = 12
_MAX_CHARACTERS = 600
_MIN_WORDS = 4
_CONTEXT_SHARE = 0.6
"""How much a term counts that stands in the title or heading, or for a row anywhere in its chunk, not in itself."""
_ENOUGH_OF_ITS_OWN = 0.3
"""From this coverage of its own a unit profits fully from what stands around it."""
_COVERAGE_SHARE = 0.55
"""Terms against meaning: about equal parts, as neither wins alone on questions with names and figures."""
_RANK_BONUS = 0.12
"""For a unit of the first source; falls with the source's number."""
_FIGURE_BONUS = 0.12
"""For a unit with a figure when the question asks for one."""
_LEAD_IN_SHARE = 0.6
"""What is left of the score of a sentence that only announces what follows it, or is cut off in front."""
_OTHER_QUARTER_SHARE = 0.6
"""What is left of the score where the question names a quarter and the document is named after another one."""
_OTHER_YEAR_SHARE = 0.85
"""The same for years; a report tells of the year before as well."""
_KEEP_SHARE = 0.72
"""A further excerpt must score at least this share of the best."""
_SAME_SHARE = 0.75
"""Two units with this share of common features say the same."""

_ASKS_FOR_COUNT = re.compile(r"\bhow (?:many|much)\b|\bwhat (?:percentage|share|number|amount)\b", re.IGNORECASE)
_ASKS_FOR_FIGURE = re.compile(
    r"\bwhat (?:was|were|is|are) (?:\S+ ){0,6}?(?:total|net|sales|revenues?|income|cost|price|rate|margin|profit|loss|"
    r"assets|debt|cash|earnings|expenses?|spending|number|amount|value|size|length|weight|date|age)\b",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(
    r"\bas follows\b|\bfollowing (?:table|chart|figure|list)|\btable (?:below|above)", re.IGNORECASE
)
_REFERS = re.compile(r"(?:See|Refer to) (?:the )?(?:accompanying|also|items?|notes?|parts?|pages?)\b", re.IGNORECASE)
_ENDED = re.compile(r"[.!?…。！？;][\"'”’)\]]*$")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_CAPITALISED_SHARE = 0.7
_NEXT_NUMBER = re.compile(r"\s*\n\s*\(?(?:\d{1,2}|[a-z])[.)]$")
"""The number of the list's next item, cut off from it."""
_PAGE_NUMBER = re.compile(r"(?:^(\d{1,4})(?!\S)|(?<!\S)(\d{1,4})(?:\s*(?:/|of)\s*\d{1,4})?$)")
_CUT_OFF_CHARACTERS = 100
"""What ends a chunk without an end of its own, and is longer than a heading or an item of a list, goes on elsewhere."""
_MAX_FURNITURE_CHARACTERS = 120
_MAX_UNNUMBERED_PAGES = 20
"""Pages in front of the one a document counts as its first."""
_BULLET = re.compile(r"^[•▪◦‣●*+-]\s+")
_STRONG = re.compile(r"\*\*(?=\S)(.+?)\*\*", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\((?:https?:|/|#|\.)[^)\s]*\)")
_QUARTER = re.compile(r"(?:19|20)\d\dq[1-4]")
_YEAR = re.compile(r"#(?:19|20)\d\d")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(slots=True)
class _Candidate:
    """A unit on its way to being quoted."""

    source: Source
    unit: Unit
    text: str
    own: Set[str]
    context: Set[str]
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
    candidates = await asyncio.to_thread(_best_by_terms, question, sources)
    if not candidates:
        return ()
    await _add_meaning(question, candidates)
    candidates.sort(key=lambda candidate: -candidate.score)
    return _in_reading_order(_distinct(candidates))


def _best_by_terms(question: str, sources: Sequence[Source]) -> list[_Candidate]:
    """Blocking, some 30 ms."""
    candidates = [candidate for candidate in _candidates(sources) if _can_answer(question, candidate)]
    _score_by_terms(question, candidates)
    candidates.sort(key=lambda candidate: -candidate.score)
    return candidates[:_EMBEDDED_UNITS]


def _candidates(sources: Sequence[Source]) -> list[_Candidate]:
    found: list[_Candidate] = []
    for source in sources:
        chunk = source.retrieved.chunk
        around = features(f"{source.retrieved.title} {source.retrieved.filename} {chunk.heading}")
        everywhere = around | features(chunk.text)
        for unit in units(chunk.text):
            raw = _without_furniture(chunk.text[unit.start : unit.end], chunk.page)
            if not _is_quotable(unit, raw):
                continue
            own = features(raw)
            if unit.is_row:
                # A row leaves to its table what the table is about.
                text = read_row(chunk.text, unit.start, unit.end, heading=chunk.heading)
                found.append(_Candidate(source, unit, text, own, everywhere))
            elif not own <= around:
                # What repeats its title or heading announces an answer and is none.
                found.append(_Candidate(source, unit, _plain(raw), own, around))
    return found


def _without_furniture(text: str, page: int) -> str:
    """A unit without the foot or head of its page at its ends: lines that end or begin with the page's number.

    Chunks keep them: whose report a page is of is said nowhere else on many pages, and searching profits from it.
    """
    lines = text.split("\n")
    while lines and _is_furniture(lines[-1], page):
        lines.pop()
    while lines and _is_furniture(lines[0], page):
        lines.pop(0)
    return "\n".join(lines)


def _is_furniture(line: str, page: int) -> bool:
    words = " ".join(line.split())
    found = _PAGE_NUMBER.search(words)
    if found is None or len(words) > _MAX_FURNITURE_CHARACTERS:
        return False
    # A page's number may count from behind a cover and contents; a figure of the text it stands with it is not.
    is_page = 0 <= page - int(found[1] or found[2]) <= _MAX_UNNUMBERED_PAGES
    rest = f"{words[: found.start()]} {words[found.end() :]}"
    return is_page and not statements(rest) and not words.endswith((".", ",", ";"))


def _plain(text: str) -> str:
    """A sentence without the marks of its list and of Markdown."""
    text = _LINK.sub(r"\1", _BULLET.sub("", _NEXT_NUMBER.sub("", text)))
    return _CODE.sub(r"\1", _STRONG.sub(r"\1", text))


def _is_quotable(unit: Unit, raw: str) -> bool:
    if unit.is_heading or not _MIN_CHARACTERS <= len(raw) <= _MAX_CHARACTERS:
        return False
    return len(_WORD.findall(raw)) >= (1 if unit.is_row else _MIN_WORDS)


def _can_answer(question: str, candidate: _Candidate) -> bool:
    return not _ASKS_FOR_COUNT.search(question) or _has_figure(candidate)


def _has_figure(candidate: _Candidate) -> bool:
    return any(feature.startswith("#") and not _YEAR.fullmatch(feature) for feature in candidate.own)


def _says_little(candidate: _Candidate) -> bool:
    """Whether a unit only names or announces what follows, refers elsewhere, is cut off, or a row without a figure."""
    text = candidate.text
    if candidate.unit.is_row:
        has_label = _WORD.match(text.lstrip("$(#*· ")) is not None
        return not has_label or not any(len(feature) > 3 and not _YEAR.fullmatch(feature) for feature in numbers(text))
    if text.endswith((":", ",")) or _ANNOUNCES.search(text) or _REFERS.match(text) or _is_title(text):
        return True
    if _is_cut_off(candidate):
        return True
    return text[:1].islower() and not text[1:2].isupper()


def _is_cut_off(candidate: _Candidate) -> bool:
    rest = candidate.source.retrieved.chunk.text[candidate.unit.end :]
    return not rest.strip() and len(candidate.text) > _CUT_OFF_CHARACTERS and not _ENDED.search(candidate.text)


def _is_title(text: str) -> bool:
    """Whether a unit is a heading in all but its marks: no full stop, and capitals where a sentence has none."""
    words = _LONG_WORD.findall(text)
    if _ENDED.search(text) or not words:
        return False
    return sum(word[0].isupper() for word in words) >= _CAPITALISED_SHARE * len(words)


def _score_by_terms(question: str, candidates: Sequence[_Candidate]) -> None:
    wanted = features(question)
    wants_figure = bool(_ASKS_FOR_FIGURE.search(question))
    weight = weights([candidate.own for candidate in candidates])
    fits = {candidate.source.number: _period_share(wanted, candidate.source) for candidate in candidates}
    for candidate in candidates:
        own = coverage(wanted, candidate.own, weight)
        with_context = coverage(wanted, candidate.own | candidate.context, weight)
        # Around a unit that says nothing of the question itself, everything may be about it and the unit not.
        share = _CONTEXT_SHARE * min(1.0, own / _ENOUGH_OF_ITS_OWN)
        covered = own + share * (with_context - own)
        candidate.score = _COVERAGE_SHARE * covered + _RANK_BONUS / candidate.source.number
        if wants_figure and _has_figure(candidate):
            candidate.score += _FIGURE_BONUS
        if _says_little(candidate):
            candidate.score *= _LEAD_IN_SHARE
        candidate.score *= fits[candidate.source.number]


def _period_share(wanted: Set[str], source: Source) -> float:
    """What a source's score is worth by the period its document is named after: 1 unless the question names another."""
    named = features(f"{source.retrieved.title} {source.retrieved.filename}")
    for pattern, share in ((_QUARTER, _OTHER_QUARTER_SHARE), (_YEAR, _OTHER_YEAR_SHARE)):
        asked, offered = _matching(pattern, wanted), _matching(pattern, named)
        if asked and offered:
            return 1.0 if asked & offered else share
    return 1.0


def _matching(pattern: re.Pattern[str], of: Set[str]) -> set[str]:
    return {feature for feature in of if pattern.fullmatch(feature)}


async def _add_meaning(question: str, candidates: Sequence[_Candidate]) -> None:
    texts = [question]
    texts += [
        f"{candidate.source.retrieved.title}. {candidate.text}"[:_EMBEDDED_CHARACTERS] for candidate in candidates
    ]
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
