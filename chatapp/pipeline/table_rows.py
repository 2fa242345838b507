"""Reading a table's row aloud: each figure with the head of its column, where the chunk shows which that is.

A PDF gives a table as lines of text, its column heads as a few lines above the first row. What cannot be matched for
certain stays as it stands in the document.
"""

from __future__ import annotations

import re

_FIGURE = re.compile(r"\$?\s?\(?\$?\s?\d[\d,]*(?:\.\d+)?\s?\)?\s?%?\)?|(?<=\s)[—–](?=\s|$)")
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_PERIOD = re.compile(
    r"(?:(?:Three|Six|Nine|Twelve|Thirteen|Twenty-Six|Thirty-Nine|Quarter|Fiscal)\s+)?(?:Months?|Weeks?|Quarters?|Years?)"
    rf"\s+Ended(?P<day>\s+{_MONTH}\s+\d{{1,2}})?",
    re.IGNORECASE,
)
_DATE = re.compile(rf"{_MONTH}\s+\d{{1,2}},\s+(?:19|20)\d\d", re.IGNORECASE)
_YEAR = re.compile(r"(?:Q[1-4]\s+)?(?:19|20)\d\d", re.IGNORECASE)
_GROUP = re.compile(r"^[^\d:|]{2,60}:$")
_CELL_GAP = re.compile(r"\s*\|\s*|\t+")
_RULING = set("-:= ")
_LINES_ABOVE = 30
_MAX_HEAD_CHARACTERS = 400
_MAX_COLUMNS = 12


def read_row(text: str, start: int, end: int, *, heading: str = "") -> str:
    """A row as one would read it aloud.

    Args:
        text: the chunk's text.
        start: where the row begins in it, inclusive.
        end: where it ends, exclusive.
        heading: the chunk's; of a table's later chunks it ends with the names of the columns.

    Returns:
        `Total net sales: 82,959 (Three Months Ended June 25, 2022); 81,434 (...)`, or the row with its cells told
        apart when its columns cannot be named for certain.
    """
    row = " ".join(text[start:end].split()) if "\t" not in text[start:end] else text[start:end].strip()
    columns = heading.rpartition(" > ")[2]
    lines = [*([columns] if "|" in columns else []), *text[:start].splitlines()]
    above = [line.strip() for line in lines if line.strip()]
    above = [*above[:1], *above[1:][-_LINES_ABOVE:]] if "|" in columns else above[-_LINES_ABOVE:]
    if "|" in row or "\t" in row:
        return _read_cells(row, above)
    first = _FIGURE.search(row)
    if first is None:
        return row
    label = row[: first.start()].strip(" :")
    figures = [" ".join(match.group().split()).strip() for match in _FIGURE.finditer(row, first.start())]
    group = _group_above(above)
    name = f"{group} {label}".strip() if group else label
    heads = _column_heads(above, len(figures))
    if not name or not heads:
        return f"{group} {row}".strip()
    pairs = "; ".join(f"{figure} ({head})" for figure, head in zip(figures, heads, strict=True))
    return f"{name}: {pairs}"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in _CELL_GAP.split(row.strip().strip("|"))]


def _read_cells(row: str, above: list[str]) -> str:
    cells = _cells(row)
    head = _head_row(above, len(cells))
    if head and not any(": " in cell for cell in cells):
        named = [
            f"{name}: {cell}" if name and at else cell for at, (name, cell) in enumerate(zip(head, cells, strict=True))
        ]
        return "; ".join(cell for cell in named if cell)
    return " · ".join(cell for cell in cells if cell and not set(cell) <= _RULING)


def _head_row(above: list[str], columns: int) -> list[str] | None:
    """The first of the rows of the same width that lead up to this one."""
    head: list[str] | None = None
    for line in reversed(above):
        cells = _cells(line)
        if len(cells) != columns or len(cells) < 2:
            break
        head = cells
    return head if head and not any(re.search(r"\d{3}", cell) or _FIGURE.fullmatch(cell) for cell in head[1:]) else None


def _group_above(above: list[str]) -> str:
    """The line over some rows that says what they belong to: `Japan:`."""
    for line in reversed(above):
        if _GROUP.match(line):
            return line
        if not _FIGURE.search(line):
            return ""
    return ""


def _column_heads(above: list[str], columns: int) -> list[str] | None:
    """What each column stands for: one date or year a column, under as many periods as share them evenly."""
    if not 1 <= columns <= _MAX_COLUMNS:
        return None
    head = _head_text(above)
    dates = [" ".join(date.split()) for date in _DATE.findall(head)]
    years = [" ".join(year.split()) for year in _YEAR.findall(head)]
    periods = [" ".join(match.group().split()) for match in _PERIOD.finditer(head)]
    if len(years) != columns:
        return None
    if len(dates) == columns:
        periods = [_without_day(match) for match in _PERIOD.finditer(head)]
    heads = dates if len(dates) == columns else years
    if periods and columns % len(periods) == 0:
        width = columns // len(periods)
        heads = [f"{periods[at // width]} {date}" for at, date in enumerate(heads)]
    # Columns that cannot be told apart are not named at all.
    return heads if len(set(heads)) == columns else None


def _without_day(match: re.Match[str]) -> str:
    """A period whose day belongs to the first column's date."""
    return " ".join(match.group().removesuffix(match.group("day") or "").split())


def _head_text(above: list[str]) -> str:
    """The lines over the first row that hold periods, dates and years and little else."""
    lines: list[str] = []
    for line in reversed(above):
        rest = _YEAR.sub("", _DATE.sub("", _PERIOD.sub("", line)))
        rest = re.sub(rf"{_MONTH}|\d{{1,2}},?|[,\s]", "", rest, flags=re.IGNORECASE)
        if not rest:
            lines.append(line)
        elif lines:
            break
        if sum(map(len, lines)) > _MAX_HEAD_CHARACTERS:
            return ""
    return " ".join(reversed(lines))
