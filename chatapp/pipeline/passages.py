"""Cutting a chunk into the units a person reads, sentences and table rows, and comparing them with a text.

Used to choose what the built-in model quotes (`excerpts`) and to find the passage behind a citation (`cite`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from chatapp.retrieval.terms import terms

_NUMBER = re.compile(r"(?<![^\W\d_])\d[\d,]*(?:\.\d+)?")
_DATE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+\d{1,2}\b"
    r"|\b(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b\d{1,3}-[A-Z]\b|\b(?:notes?|items?|pages?|p\.|sections?|tables?|figures?|chapters?|parts?|steps?|forms?|exhibits?"
    r"|articles?)\s+\d+(?:\.\d+)*[A-Z]?\b",
    re.IGNORECASE,
)
"""Numbers that name something: `10-Q`, `Note 9`, `page 51`."""
_YEAR = re.compile(r"#(?:19|20)\d\d")
_PLAIN_NUMBER = re.compile(r"[\d.,]+")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•▪◦‣–]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s+[\"'“‘(\[]*[A-Z0-9•]|\s*\n)|[。！？]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|Inc|Corp|Ltd|Co|Jr|Sr|etc|e\.g|i\.e|approx|Fig|Sec|Art|pp?|cf|al)"
    r"|\b[A-Z](?:\.[A-Z])*)\.$"
)
_MIN_ROW_NUMBERS = 2
_NUMBER_WEIGHT = 3.0
"""A figure says more about whether two texts state the same thing than a word does."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence or a table row of a chunk: `chunk_text[start:end]`."""

    start: int
    end: int
    is_row: bool = False
    is_heading: bool = False


@lru_cache(maxsize=512)
def units(text: str) -> tuple[Unit, ...]:
    """Cut a text into sentences, list items, table rows and headings; kept for the chunks asked about last.

    Lines broken only to fit a page are put together again. Blanks around units belong to none; units do not overlap
    and are in order.
    """
    found: list[Unit] = []
    for start, end in _blocks(text):
        block = text[start:end]
        # A row stands alone: figures in several lines are a paragraph's.
        if "\n" not in block and _is_row(block):
            found.append(Unit(start, end, is_row=True))
        elif block.startswith("#"):
            found.append(Unit(start, end, is_heading=True))
        else:
            found += [Unit(*span) for span in _sentences(text, start, end)]
    return tuple(found)


def _blocks(text: str) -> list[tuple[int, int]]:
    """Spans of text that hold whole sentences: paragraphs, single rows, single list items."""
    blocks: list[tuple[int, int]] = []
    open_start: int | None = None
    previous_end = 0
    for start, end in _lines(text):
        line = text[start:end]
        stands_alone = _is_row(line) or line.startswith("#")
        begins = (
            open_start is None
            or stands_alone
            or _LIST_ITEM.match(line)
            or _BLANK_LINE.search(text, previous_end, start + 1)
            or _ends_short(text, open_start, previous_end, line)
        )
        if begins and open_start is not None:
            blocks.append((open_start, previous_end))
        if begins:
            open_start = start
        previous_end = end
        if stands_alone:
            blocks.append((start, end))
            open_start = None
    if open_start is not None:
        blocks.append((open_start, previous_end))
    return blocks


def _lines(text: str) -> Iterable[tuple[int, int]]:
    for match in re.finditer(r"[^\r\n]+", text):
        line = match.group()
        stripped = line.strip()
        if stripped:
            start = match.start() + line.index(stripped[0])
            yield start, start + len(stripped)


def _is_row(line: str) -> bool:
    if " | " in line or "\t" in line:
        return True
    numbers = _NUMBER.findall(line)
    words = re.findall(r"[^\W\d_]{2,}", line)
    # A line of a table in a PDF: a label and figures, no sentence.
    return len(numbers) >= _MIN_ROW_NUMBERS and len(numbers) >= len(words) - 3 and not line.endswith((".", ":"))


def _ends_short(text: str, start: int, end: int, next_line: str) -> bool:
    """Whether a line ends a heading or label rather than being broken by the width of the page."""
    last_line = text[max(start, text.rfind("\n", start, end) + 1) : end]
    return len(last_line) < 40 and last_line[-1:] not in {",", "-"} and next_line[:2] != next_line[:2].lower()


def _sentences(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    begin = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if _ABBREVIATION.search(text, max(begin, match.end() - 12), match.end()):
            continue
        yield begin, match.end()
        begin = match.end()
        while begin < end and text[begin].isspace():
            begin += 1
    if begin < end:
        yield begin, end


@lru_cache(maxsize=8_192)
def features(text: str) -> frozenset[str]:
    """What a text is about: stemmed terms, and its figures without separators (`82,959` and `82959` are one).

    Kept for the texts met last: questions that come together are mostly about the same documents.
    """
    return frozenset({*(term for term in terms(text) if not _PLAIN_NUMBER.fullmatch(term)), *numbers(text)})


def numbers(text: str) -> set[str]:
    """The figures in a text, without thousands separators and trailing zeros behind the point."""
    return {_normal(number) for number in _NUMBER.findall(text)}


def statements(text: str) -> set[str]:
    """The figures in a text that state something: all but those of days and years, and those that name a thing."""
    return numbers(_NAME.sub(" ", _DATE.sub(" ", text)))


def _normal(number: str) -> str:
    number = number.replace(",", "")
    return "#" + (number.rstrip("0").rstrip(".") if "." in number else number)


def weights(texts: Sequence[Set[str]]) -> dict[str, float]:
    """How much each feature tells the texts apart: rare ones more.

    Source: inverse document frequency as in BM25, log(1 + (N - n + 0.5) / (n + 0.5)).
    """
    counts = Counter(feature for text in texts for feature in text)
    total = len(texts)
    return {feature: math.log(1 + (total - n + 0.5) / (n + 0.5)) for feature, n in counts.items()}


def coverage(wanted: Set[str], offered: Set[str], weight: Mapping[str, float] | None = None) -> float:
    """The share of what is wanted that a text offers, in [0, 1]; figures but days and years count three times.

    Args:
        wanted: features of the question or claim.
        offered: features of the passage.
        weight: weight of each feature; every one 1 when left out, a missing one as much as the heaviest.
    """
    if not wanted:
        return 0.0
    heaviest = max(weight.values(), default=1.0) if weight else 1.0

    def worth(feature: str) -> float:
        base = weight.get(feature, heaviest) if weight else 1.0
        return base * (_NUMBER_WEIGHT if is_telling(feature) else 1.0)

    total = sum(worth(feature) for feature in wanted)
    return sum(worth(feature) for feature in wanted & offered) / total if total else 0.0


def is_telling(feature: str) -> bool:
    """Whether a feature is a figure that tells one passage from others: no day and no year, which stand everywhere."""
    return feature.startswith("#") and len(feature) > 3 and not _YEAR.fullmatch(feature)
