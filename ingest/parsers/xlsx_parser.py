"""Workbooks, through openpyxl in its streaming mode: a sheet is a page. Formulas give their last values."""

from __future__ import annotations

import sys
from datetime import date, datetime, time
from typing import Any, ClassVar

from ingest.parsers.base import (
    MAX_TEXT_CHARACTERS,
    Damaged,
    ParsedDocument,
    Progress,
    Sample,
    Source,
    TextBuilder,
    TooLargeUnfolded,
)
from ingest.parsers.csv_parser import row_blocks
from ingest.parsers.office_archive import check_archive

_MAX_COLUMNS = 500


class XlsxParser:
    """Rows as lines below the names of their columns, under the sheet's name."""

    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    kind: ClassVar[str] = "workbook"

    def recognises(self, sample: Sample) -> bool:
        """By the main part's name."""
        return "xl/workbook.xml" in sample.zip_names

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read every sheet.

        Raises:
            ParseFailed: damaged, too large or with XML entities.
        """
        check_archive(source)
        # openpyxl takes numpy along when it finds it: a quarter of a second and a good part of the memory allowed.
        sys.modules.setdefault("numpy", None)  # pyright: ignore[reportArgumentType]
        from lxml.etree import LxmlError
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException

        builder = TextBuilder()
        try:
            with source.open() as file:
                workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
                for number, sheet in enumerate(workbook.worksheets):
                    if number:
                        builder.start_page()
                    _add_sheet(builder, sheet)
                    progress((number + 1) / len(workbook.worksheets))
                return builder.build(workbook.properties.title or "")
        except (InvalidFileException, LxmlError, KeyError, ValueError, AttributeError, IndexError, TypeError) as error:
            raise Damaged from error


def _add_sheet(builder: TextBuilder, sheet: Any) -> None:
    # What the sheet claims of its size may be a lie in either direction.
    sheet.reset_dimensions()
    builder.add(sheet.title, kind="heading", level=1)
    rows: list[list[str]] = []
    length = 0
    for values in sheet.iter_rows(values_only=True, max_col=_MAX_COLUMNS):
        row = [cell_text(value) for value in values]
        if any(row):
            rows.append(row)
            length += sum(map(len, row))
        if length > MAX_TEXT_CHARACTERS:
            raise TooLargeUnfolded
    # Lines above the table (a title, a date) stand by themselves, so that they are not taken for column names.
    while rows and sum(map(bool, rows[0])) == 1 and len(rows) > 1:
        builder.add(" ".join(filter(None, rows.pop(0))))
    if rows:
        width = max(len(row) for row in rows)
        first = next((column for column in range(width) if any(row[column : column + 1] != [""] for row in rows)), 0)
        for block in row_blocks([_trimmed(row, first) for row in rows]):
            builder.add(block, kind="table")


def _trimmed(row: list[str], first: int) -> list[str]:
    cells = row[first:]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def cell_text(value: Any) -> str:
    """A cell as a person would read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return str(value)
