"""CSV and its relatives: a table as it is written, or a record a line where most cells are empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import ClassVar

from ingest.filenames import extension
from ingest.parsers.base import CELL_SEPARATOR, ParsedDocument, Progress, Sample, Source, TextBuilder
from ingest.parsers.text_parser import decode

_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 50
_ROWS_A_BLOCK = 200
"""Rows in one block of text, so that a preview need not show a hundred thousand rows as one table."""
_MAX_FIELD_CHARACTERS = 1_000_000
_MIN_FILLED_SHARE = 0.5
"""Below it a table would be mostly empty cells, and a line far from its columns' names says little."""
_EMPTY = "–"
"""Stands for an empty cell, so that the ones behind it stay under their names."""


class CsvParser:
    """Rows as lines below the names of their columns."""

    media_type: ClassVar[str] = "text/csv"
    kind: ClassVar[str] = "CSV"

    def recognises(self, sample: Sample) -> bool:
        """By its name, or by three lines or more that all divide into as many fields, three or more."""
        if not sample.text:
            return False
        if extension(sample.filename) in {"csv", "tsv"}:
            return True
        if extension(sample.filename) in {"txt", "log", "md", "json", "py", "js"}:
            return False
        lines = [line for line in sample.text.splitlines()[:_SNIFFED_LINES] if line.strip()]
        counts = {line.count(delimiter) for delimiter in [best_delimiter(lines)] for line in lines[:20]}
        return len(lines) >= 3 and len(counts) == 1 and min(counts) >= 2

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read the rows; the first one names the columns when it looks like names."""
        text = decode(source.read())
        csv.field_size_limit(_MAX_FIELD_CHARACTERS)
        lines = text.splitlines()[:_SNIFFED_LINES]
        try:
            rows = [row for row in csv.reader(io.StringIO(text), delimiter=best_delimiter(lines)) if any(row)]
        except csv.Error:
            return ParsedDocument("", text, [0])  # not regular enough for a table, still readable as text
        progress(0.5)
        builder = TextBuilder()
        for block in row_blocks(rows):
            builder.add(block, kind="table")
        return builder.build()


def best_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that divides most lines into the same number of fields; a comma when none does."""

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(usual) if usual else 0, usual)

    return max(_DELIMITERS, key=evenness)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: all cells filled, different, none a number, and rows below it."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    return all(first) and len(set(first)) == len(first) and not any(_is_number(cell) for cell in first)


def _is_number(cell: str) -> bool:
    return cell.strip("+-$€£% ").replace(",", "").replace(".", "", 1).isdigit()


def row_blocks(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as blocks of lines, each block a table that can be read by itself.

    A block begins with the names of the columns, where the table has them. Where most cells are empty, each line says
    its columns' names instead: `column: value | column: value`.

    Args:
        rows: the cells; ragged rows are allowed.
    """
    names = [_tidy(cell) for cell in rows[0]] if has_header(rows) else []
    body = rows[1:] if names else rows
    is_sparse = not names or _filled_share(body) < _MIN_FILLED_SHARE
    width = max((len(row) for row in rows), default=0)
    head = [*names, *(f"Column {number + 1}" for number in range(len(names), width))]
    for first in range(0, len(body), _ROWS_A_BLOCK):
        part = body[first : first + _ROWS_A_BLOCK]
        lines = (
            [_record(names, row) for row in part] if is_sparse else [_line(head), *(_line(row, width) for row in part)]
        )
        yield "\n".join(filter(None, lines))


def _filled_share(rows: Sequence[Sequence[str]]) -> float:
    """Cells that hold something, by all of a table as wide as its widest row."""
    width = max(map(len, rows))
    return sum(bool(cell.strip()) for row in rows for cell in row) / (width * len(rows))


def _line(row: Sequence[str], width: int = 0) -> str:
    """One row as `value | value`, as many cells as the table has columns."""
    cells = [_tidy(cell) for cell in row]
    return CELL_SEPARATOR.join(cell or _EMPTY for cell in [*cells, *[""] * (width - len(cells))])


def _record(names: Sequence[str], row: Sequence[str]) -> str:
    """One row as `column: value | column: value`, empty cells left out; only values where there are no names."""
    cells = []
    for position, cell in enumerate(row):
        value = _tidy(cell)
        if value:
            cells.append(f"{names[position]}: {value}" if position < len(names) else value)
    return CELL_SEPARATOR.join(cells)


def _tidy(cell: str) -> str:
    # A bar inside a cell would be taken for the border of two.
    return " ".join(cell.split()).replace("|", "¦")
