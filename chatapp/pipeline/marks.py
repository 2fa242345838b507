"""Citation marks in an answer: `[1]`.

Models write them in several ways, with the numbers the sources had in the prompt. While the answer streams the filter
makes them uniform, drops numbers no source has, and numbers the sources anew in the order in which they are mentioned,
so that the first mark one reads is [1] and what a person saw arriving and what is kept are the same text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"\[([1-9]\d{0,2})\]")
_NUMBERS = r"\d{1,3}(?: ?, ?\d{1,3}){0,11}"
_WRITTEN = re.compile(rf"( ?)(?:\[ ?({_NUMBERS}) ?\]|【 ?(\d{{1,3}})(?:[†:][^】\n]{{0,40}})?】)")
_MAYBE_BEGUN = re.compile(r" ?(?:\[[\d, ]{0,80}|【[^】\n]{0,48})$| $")
"""The end of a piece that a mark, or the blank before a mark to be dropped, may begin in."""
_IN_CODE = re.compile(r"`+|~+|\n")
_OUTSIDE = re.compile(r"`+|~+|\n|\$\$?|\\[\s\S]?")
"""What may open or close code or a formula; a backslash with what it takes the meaning from."""
_TELLING = re.compile(r"[\[【`~$\\]")
_FENCE_LENGTH = 3
_FORMULA = re.compile(r"\$(?![\s\d$])(?:\\[^\n]|[^$\\\n]){1,200}?(?<![\s\\])\$(?!\d)")
"""As the page draws them: "$5 and $6" is money."""
_FORMULA_BEGUN = re.compile(r"\$(?:(?![\s\d$])(?:\\[^\n]|[^$\\\n]){0,200}\\?(?:(?<![\s\\])\$)?)?")
_FORMULA_ENDS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_MAX_FORMULA_CHARACTERS = 1_000
"""What closes later than that closes no formula: the text up to there is not kept back for it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark in an answer: `answer[start:end]`."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Scan:
    """A text told apart into what a person reads, and code and formulas, in which brackets are no marks."""

    stretches: list[tuple[int, int, bool]]
    """Start, end, and whether brackets may be marks; in order, without gaps."""
    end: int
    """Where what is certain ends; the rest may change its meaning with what follows."""
    fence: str
    """What holds code open there: a run of backticks or tildes, or nothing."""


def find_marks(answer: str) -> list[Mark]:
    """The uniform marks in an answer, outside code and formulas, in order."""
    return [
        Mark(int(match.group(1)), match.start(), match.end())
        for start, end, is_read in _scan(answer, "", is_end=True).stretches
        if is_read
        for match in _MARK.finditer(answer, start, end)
    ]


def _scan(text: str, fence: str, *, is_end: bool) -> _Scan:
    """Tell a text apart.

    Args:
        text: what follows on what was scanned before.
        fence: what held code open there.
        is_end: nothing follows any more.
    """
    stretches: list[tuple[int, int, bool]] = []
    position = 0
    while token := (_IN_CODE if fence else _OUTSIDE).search(text, position):
        stretches.append((position, token.start(), not fence))
        end = _end_of(text, token, fence, is_end=is_end)
        if end is None:
            return _Scan(stretches, token.start(), fence)
        stretches.append((token.start(), end, False))
        fence = _next_fence(fence, token.group())
        position = end
    return _Scan([*stretches, (position, len(text), not fence)], len(text), fence)


def _end_of(text: str, token: re.Match[str], fence: str, *, is_end: bool) -> int | None:
    """Where the token ends, with the formula it opens; None: that is told by what follows."""
    seen, start, end = token.group(), token.start(), token.end()
    if seen == "\n" or (is_end and seen[0] in "`~"):
        return end
    if end == len(text) and not is_end and (seen[0] in "`~" or seen in {"$", "\\"}):
        return None
    if fence or seen[0] not in "$\\":
        return end
    if seen == "$":
        found = _FORMULA.match(text, start)
        begun = _FORMULA_BEGUN.match(text, start)
        is_open = begun is not None and begun.end() == len(text)
        return (None if is_open and not is_end else end) if found is None or (is_open and not is_end) else found.end()
    return _end_of_long(text, start, end, is_end=is_end) if seen in _FORMULA_ENDS else end


def _end_of_long(text: str, start: int, end: int, *, is_end: bool) -> int | None:
    """`_end_of` for a formula with an opening and a closing of two characters."""
    opening, limit = text[start:end], start + _MAX_FORMULA_CHARACTERS
    close = text.find(_FORMULA_ENDS[opening], end, limit)
    if close < 0 and (is_end or len(text) >= limit):
        return end
    body = text[end : len(text) if close < 0 else close]
    is_broken = "\n" in body if opening == "\\(" else bool(_BLANK_LINE.search(body))
    if is_broken or close == end:
        return end
    return None if close < 0 else close + 2


def _next_fence(fence: str, seen: str) -> str:
    """What holds code open behind what is seen: a run of backticks or tildes, or the end of a line."""
    if seen == "\n":
        return fence if len(fence) >= _FENCE_LENGTH else ""
    if not fence:
        return seen if seen[0] == "`" or (seen[0] == "~" and len(seen) >= _FENCE_LENGTH) else ""
    closes = seen.startswith(fence) if len(fence) >= _FENCE_LENGTH else seen == fence
    return "" if closes else fence


class MarkFilter:
    """Passes an answer on piece by piece with its marks made uniform and numbered in the order of their first mention.

    The output joined is the same however the input is cut. At most one mark's or one formula's length is held back.
    Code and formulas are passed as they are.
    """

    def __init__(self, known: int) -> None:
        """Begin an answer.

        Args:
            known: sources are numbered 1 to `known`; 0: there are none, and every text passes unchanged.
        """
        self._known = known
        self._held = ""
        self._numbers: dict[int, int] = {}
        """The number a source has in the answer by the one it had before."""
        self._fence = ""
        """What opened the code we are in; empty outside."""

    @property
    def mentioned(self) -> list[int]:
        """The sources mentioned so far by the numbers they had, in the order of their new ones from 1."""
        return list(self._numbers)

    def feed(self, piece: str) -> str:
        """Take a piece and give what is certain."""
        if not self._known:
            return piece
        if not self._held and not self._fence and not _TELLING.search(piece):
            # The common case, with no more than a blank at the end to wait for.
            if piece[-1:] != " ":
                return piece
            self._held = " "
            return piece[:-1]
        text, self._held = self._held + piece, ""
        return self._passed(text, is_end=False)

    def finish(self) -> str:
        """Give what is still held at the answer's end."""
        text, self._held = self._held, ""
        return self._passed(text, is_end=True) if self._known else text

    def _passed(self, text: str, *, is_end: bool) -> str:
        scan = _scan(text, self._fence, is_end=is_end)
        self._fence, self._held = scan.fence, text[scan.end :]
        out = [
            _WRITTEN.sub(self._rewritten, text[start:end]) if is_read else text[start:end]
            for start, end, is_read in scan.stretches[:-1]
        ]
        if scan.stretches:
            out.append(self._last(text, *scan.stretches[-1], is_end=is_end))
        return "".join(out)

    def _last(self, text: str, start: int, end: int, is_read: bool, *, is_end: bool) -> str:
        """The last stretch, without the mark it may end in the middle of."""
        if not is_read:
            return text[start:end]
        begun = None if is_end or end < len(text) else _MAYBE_BEGUN.search(text, start, end)
        if begun is not None:
            self._held, end = text[begun.start() : end], begun.start()
        return _WRITTEN.sub(self._rewritten, text[start:end])

    def _rewritten(self, match: re.Match[str]) -> str:
        listed = match.group(2) or match.group(3)
        numbers = [int(number) for number in listed.split(",")]
        if 0 in numbers:
            # Sources are counted from 1: this is an index or an interval, as in "between [0, 1]".
            return match.group()
        known = [number for number in numbers if number <= self._known]
        shown = [self._numbers.setdefault(number, len(self._numbers) + 1) for number in known]
        return match.group(1) + "".join(f"[{number}]" for number in shown) if shown else ""
