"""A document's text in pieces the embedding model reads whole.

Pieces never cross a heading or a page, end at sentences, rows or lines where they can, and are of about equal size
within a section. Size: recursive pieces of 200 to 250 tokens are near the best and semantic ones not reliably better,
https://research.trychroma.com/evaluating-chunking; no overlap, which buys recall at the cost of precision.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.parsers.base import CELL_SEPARATOR, Block, ParsedDocument
from ingest.parsers.csv_parser import has_header

TARGET_PIECES = 200
"""Word pieces of a chunk with its context, when there is enough text."""
MAX_PIECES = 254
"""What the model reads of a text, 256, less its two markers."""
_MAX_CONTEXT_PIECES = 100
_MAX_TITLE_CHARACTERS = 100
_MAX_HEADING_CHARACTERS = 160
_MAX_COLUMNS_CHARACTERS = 120
_MAX_UNIT_PIECES = 80
"""A sentence longer than that is cut at lines, then at words: it is a list, a table or no sentence at all."""
_SENTENCE_END = re.compile(r"(?<=[.!?:;])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9À-ÖØ-ÞА-Я•■▪●®™©])|(?<=[。！？])|\n\s*\n")
_LINE_END = re.compile(r"\n+")
_WORD_END = re.compile(r"\s+|(?<=[　-鿿가-힣])")
_HARD_CUT_CHARACTERS = 200

CountPieces = Callable[[Sequence[str]], list[int]]
"""Word pieces of each text; they add up over texts divided at white space."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk before it belongs to a document's version."""

    text: str
    start: int
    end: int
    page: int
    heading: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest stretch that stays together."""

    start: int
    end: int
    pieces: int


@dataclass(frozen=True, slots=True)
class _Section:
    """A stretch without a heading or page border inside."""

    start: int
    end: int
    path: tuple[str, ...]
    kind: str = ""
    columns: str = ""
    """Names of a table's columns, for the pieces behind its first."""


def embedding_title(title: str, filename_stem: str) -> str:
    """What stands in front of each piece: the title, and the file's name where it says something else.

    Args:
        title: what the document calls itself.
        filename_stem: what people call it, without the ending.
    """
    title = title or filename_stem
    shown = title if filename_stem.lower() in title.lower() else f"{filename_stem}: {title}"
    return shown[:_MAX_TITLE_CHARACTERS].rstrip()


def chunk(document: ParsedDocument, *, title: str, count_pieces: CountPieces) -> list[Piece]:
    """Cut a document into pieces; blocking, some 20 ms for 100 pages.

    Args:
        document: the parsed text.
        title: what `embedding_title` gives; its word pieces are part of every chunk's size.
        count_pieces: how long texts are for the model.

    Returns:
        pieces in order, not overlapping, `document.text[start:end] == text` for each, and none longer than
        `MAX_PIECES` with its context.
    """
    sections = list(_sections(document))
    spans = [_sentences(document.text, section) for section in sections]
    counts = iter(count_pieces([document.text[start:end] for units in spans for start, end in units]))
    contexts = _Contexts(title, count_pieces)
    pieces: list[Piece] = []
    for section, bounds in zip(sections, spans, strict=True):
        units = [_Unit(start, end, next(counts)) for start, end in bounds]
        small = _divide_long(document.text, units, count_pieces)
        pieces.extend(_pack(document, section, small, contexts))
    return pieces


class _Contexts:
    """What stands in front of pieces, fitted so that most of a piece's size is left for its text."""

    def __init__(self, title: str, count_pieces: CountPieces) -> None:
        self._title, self._count_pieces = title, count_pieces
        self._known: dict[str, tuple[str, int]] = {}

    def fit(self, heading: str) -> tuple[str, int]:
        """The heading, cut from its general end where it is too long, and the context's word pieces with the title."""
        if heading not in self._known:
            shown = heading
            while (size := self._size(shown)) > _MAX_CONTEXT_PIECES and shown:
                shown = shown[len(shown) // 2 + 1 :].lstrip()
            self._known[heading] = (shown, size)
        return self._known[heading]

    def _size(self, heading: str) -> int:
        return self._count_pieces([f"{self._title} > {heading}" if heading else self._title])[0]


def _sections(document: ParsedDocument) -> Iterator[_Section]:
    """The text between headings, blocks and page borders, with the headings above each."""
    path: list[tuple[int, str]] = []
    start = 0
    for position, block in enumerate(document.blocks):
        yield from _by_page(document, start, _end_before(document, start, block), path)
        start = block.end
        if block.kind != "heading":
            yield _section_of_block(document, block, path)
            continue
        while path and path[-1][0] >= block.level:
            path.pop()
        path.append((block.level, " ".join(document.text[block.start : block.end].split())))
        if not _has_text_below(document, position):
            yield _Section(block.start, block.end, tuple(text for _, text in path))
        else:
            start = block.start  # the first piece below a heading begins with it
            if document.blocks[position + 1 : position + 2] and _is_adjacent(document, position):
                start = block.end
    yield from _by_page(document, start, len(document.text), path)


def _end_before(document: ParsedDocument, start: int, block: Block) -> int:
    """Where the text before a block ends: Markdown's number signs in front of a heading are not text."""
    end = block.start
    while block.kind == "heading" and end > start and document.text[end - 1] in "# \t":
        end -= 1
    return end


def _has_text_below(document: ParsedDocument, position: int) -> bool:
    """Whether a heading heads something: text, a table, or a smaller heading."""
    block = document.blocks[position]
    following = document.blocks[position + 1] if position + 1 < len(document.blocks) else None
    end = following.start if following else len(document.text)
    if document.text[block.end : end].strip("# \t\n="):
        return True
    return following is not None and (following.kind != "heading" or following.level > block.level)


def _is_adjacent(document: ParsedDocument, position: int) -> bool:
    """Whether nothing but white space is between a block and the next."""
    block, following = document.blocks[position], document.blocks[position + 1]
    return not document.text[block.end : following.start].strip("# \t\n=")


def _section_of_block(document: ParsedDocument, block: Block, path: list[tuple[int, str]]) -> _Section:
    columns = ""
    if block.kind == "table":
        first, _, rest = document.text[block.start : block.end].partition("\n")
        cells = [cell.strip() for cell in first.strip("| ").split(CELL_SEPARATOR.strip())]
        if has_header([cells, cells]) and rest and ": " not in first:
            columns = CELL_SEPARATOR.join(cells)[:_MAX_COLUMNS_CHARACTERS]
    return _Section(block.start, block.end, tuple(text for _, text in path), block.kind, columns)


def _by_page(document: ParsedDocument, start: int, end: int, path: list[tuple[int, str]]) -> Iterator[_Section]:
    headings = tuple(text for _, text in path)
    borders = document.page_starts[bisect_right(document.page_starts, start) : bisect_right(document.page_starts, end)]
    for border in (*borders, end):
        if border > start and document.text[start:border].strip():
            yield _Section(start, border, headings)
        start = max(start, border)


def _heading(section: _Section) -> str:
    """The path, the headings nearest to the text kept when it is too long."""
    path = list(section.path)
    while len(path) > 1 and len(" > ".join(path)) > _MAX_HEADING_CHARACTERS:
        path.pop(0)
    return " > ".join(path)[:_MAX_HEADING_CHARACTERS]


def _sentences(text: str, section: _Section) -> list[tuple[int, int]]:
    if section.kind in {"table", "code"}:
        return _divide(text, section.start, section.end, _LINE_END)
    return _divide(text, section.start, section.end, _SENTENCE_END)


def _divide(text: str, start: int, end: int, border: re.Pattern[str]) -> list[tuple[int, int]]:
    """Stretches between borders, without white space at their ends; empty ones left out."""
    found = []
    position = start
    for match in border.finditer(text, start, end):
        found.append((position, match.start()))
        position = match.end()
    found.append((position, end))
    return [trimmed for low, high in found if (trimmed := _trim(text, low, high))[0] < trimmed[1]]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _divide_long(text: str, units: list[_Unit], count_pieces: CountPieces) -> list[_Unit]:
    for border in (_LINE_END, _WORD_END, None):
        if all(unit.pieces <= _MAX_UNIT_PIECES for unit in units):
            return units
        divided: list[_Unit] = []
        for unit in units:
            if unit.pieces <= _MAX_UNIT_PIECES:
                divided.append(unit)
                continue
            bounds = _divide(text, unit.start, unit.end, border) if border else _cut(unit)
            counts = count_pieces([text[start:end] for start, end in bounds])
            divided.extend(_Unit(start, end, count) for (start, end), count in zip(bounds, counts, strict=True))
        units = divided
    return units


def _cut(unit: _Unit) -> list[tuple[int, int]]:
    """A word without end, cut into lengths of which none can have too many pieces."""
    size = max(1, min(_HARD_CUT_CHARACTERS, (unit.end - unit.start) * _MAX_UNIT_PIECES // (2 * unit.pieces)))
    return [(low, min(unit.end, low + size)) for low in range(unit.start, unit.end, size)]


def _pack(document: ParsedDocument, section: _Section, units: list[_Unit], contexts: _Contexts) -> Iterator[Piece]:
    """Units into pieces of about equal size."""
    path = _heading(section)
    heading, context = contexts.fit(path)
    if section.columns:
        continued, larger = contexts.fit(" > ".join(part for part in (path, section.columns) if part))
        context = max(context, larger)
    else:
        continued = heading
    room = MAX_PIECES - context
    total = sum(unit.pieces for unit in units)
    wanted = total / max(1, math.ceil(total / (TARGET_PIECES - context)))
    first, size = 0, 0
    for position, unit in enumerate(units):
        is_full = size + unit.pieces > room or size + unit.pieces / 2 > wanted
        if position > first and is_full:
            yield _piece(document, continued if first else heading, units[first].start, units[position - 1].end)
            first, size = position, 0
        size += unit.pieces
    if units:
        yield _piece(document, continued if first else heading, units[first].start, units[-1].end)


def _piece(document: ParsedDocument, heading: str, start: int, end: int) -> Piece:
    page = max(1, bisect_right(document.page_starts, start))
    return Piece(document.text[start:end], start, end, page, heading)
