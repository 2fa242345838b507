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
_TICKS_OR_LINE = re.compile(r"`+|\n")
_BLOCK_TICKS = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark in an answer: `answer[start:end]`."""

    number: int
    start: int
    end: int


def find_marks(answer: str) -> list[Mark]:
    """The uniform marks in an answer, outside code, in order."""
    code = _code_spans(answer)
    return [
        Mark(int(match.group(1)), match.start(), match.end())
        for match in _MARK.finditer(answer)
        if not any(start <= match.start() < end for start, end in code)
    ]


def _code_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    fence, begun = "", 0
    for token in _TICKS_OR_LINE.finditer(text):
        after = _next_fence(fence, token.group())
        if not fence and after:
            begun = token.start()
        elif fence and not after:
            spans.append((begun, token.end()))
        fence = after
    return [*spans, (begun, len(text))] if fence else spans


def _next_fence(fence: str, seen: str) -> str:
    """The backticks that hold code open behind what is seen: a run of backticks or the end of a line."""
    if seen == "\n":
        return fence if len(fence) >= _BLOCK_TICKS else ""
    if not fence:
        return seen
    return "" if seen == fence else fence


class MarkFilter:
    """Passes an answer on piece by piece with its marks made uniform and numbered in the order of their first mention.

    The output joined is the same however the input is cut. At most one mark's length is held back. Code between
    backticks is passed as it is.
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
        """The backticks that opened the code we are in; empty outside."""

    @property
    def mentioned(self) -> list[int]:
        """The sources mentioned so far by the numbers they had, in the order of their new ones from 1."""
        return list(self._numbers)

    def feed(self, piece: str) -> str:
        """Take a piece and give what is certain."""
        if not self._known:
            return piece
        if not self._held and not self._fence and not any(character in piece for character in "[【`"):
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
        out: list[str] = []
        position = 0
        for token in _TICKS_OR_LINE.finditer(text):
            if token.end() == len(text) and token.group() != "\n" and not is_end:
                # More backticks may follow and change what these mean.
                self._held = token.group()
                return "".join((*out, self._uniform(text[position : token.start()])))
            out += (self._uniform(text[position : token.start()]), token.group())
            self._fence = _next_fence(self._fence, token.group())
            position = token.end()
        rest = text[position:]
        return "".join((*out, self._uniform(rest if is_end else self._hold_back(rest))))

    def _uniform(self, segment: str) -> str:
        if self._fence or not ("[" in segment or "【" in segment):
            return segment
        return _WRITTEN.sub(self._rewritten, segment)

    def _hold_back(self, segment: str) -> str:
        begun = None if self._fence else _MAYBE_BEGUN.search(segment)
        if begun is None:
            return segment
        self._held = segment[begun.start() :]
        return segment[: begun.start()]

    def _rewritten(self, match: re.Match[str]) -> str:
        listed = match.group(2) or match.group(3)
        numbers = [int(number) for number in listed.split(",")]
        if 0 in numbers:
            # Sources are counted from 1: this is an index or an interval, as in "between [0, 1]".
            return match.group()
        known = [number for number in numbers if number <= self._known]
        shown = [self._numbers.setdefault(number, len(self._numbers) + 1) for number in known]
        return match.group(1) + "".join(f"[{number}]" for number in shown) if shown else ""
