"""HTML: what a reader sees, without scripts, styles and navigation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ingest.filenames import extension
from ingest.parsers.base import ParsedDocument, Progress, Sample, Source, TextBuilder
from ingest.parsers.text_parser import decode, guess_encoding

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_SIGN = re.compile(r"<(!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:-]+)", re.IGNORECASE)
_WHITE_SPACE = re.compile(r"\s+")
_DROPPED = frozenset(
    "script style noscript template nav svg math iframe object embed select button input textarea head".split()
)
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form "
    "header hr html li main ol p section summary ul caption td th tr tbody thead tfoot table".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MAX_CELL_CHARACTERS = 1_000
"""A cell longer than that is part of a page's layout, not of a table."""
_MAX_TABLE_CELLS = 200_000


class HtmlParser:
    """Headings, paragraphs, lists, tables, code."""

    media_type: ClassVar[str] = "text/html"
    kind: ClassVar[str] = "HTML"

    def recognises(self, sample: Sample) -> bool:
        """By a document type or one of the outer elements near the beginning, or by its name and any tag."""
        if not sample.text:
            return False
        if extension(sample.filename) in {"html", "htm", "xhtml"}:
            return "<" in sample.text
        is_other = extension(sample.filename) in {"md", "markdown", "csv", "tsv", "eml", "py", "js"}
        return not is_other and bool(_SIGN.search(sample.text[:2_000]))

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Walk the tree once."""
        parsed = parse_html(_decode_html(source.read()))
        progress(1.0)
        return parsed


def _decode_html(data: bytes) -> str:
    declared = _META_CHARSET.search(data[:4096])
    if declared and guess_encoding(data) not in {"utf-8", "utf-8-sig", "utf-16", "utf-32"}:
        try:
            return data.decode(declared[1].decode("ascii"), errors="replace")
        except LookupError:
            pass  # a character set nobody knows: guess instead
    return decode(data)


def parse_html(html: str) -> ParsedDocument:
    """The visible text of a page."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    walk = _Walk()
    if tree.body is not None:
        walk.run(tree.body)
    named = title.text() if title else ""
    return walk.builder.build(named or walk.first_heading)


@dataclass(slots=True)
class _Walk:
    """One pass over the tree, without recursion: pages nested ten thousand deep exist."""

    builder: TextBuilder = field(default_factory=TextBuilder)
    first_heading: str = ""
    _inline: list[str] = field(default_factory=list)
    _prefix: str = ""

    def run(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        while node is not None:
            is_done = self._enter(node)
            if not is_done and node.child is not None:
                node = node.child
                continue
            while node is not None and node.mem_id != root.mem_id and node.next is None:
                node = node.parent
                self._leave(node)
            node = None if node is None or node.mem_id == root.mem_id else node.next
        self._flush()

    def _enter(self, node: LexborNode) -> bool:
        """Take a node in; True when its children need no visit."""
        tag = node.tag or ""
        if tag == "-text":
            self._inline.append(_WHITE_SPACE.sub(" ", node.text_content or ""))
            return True
        if tag in _DROPPED or tag.startswith("-") or tag == "!doctype":
            return True
        if tag == "br":
            self._inline.append("\n")
            return True
        if tag in _BLOCKS or tag in _HEADINGS or tag in {"pre", "table"}:
            self._flush()
        return self._enter_block(node, tag)

    def _enter_block(self, node: LexborNode, tag: str) -> bool:
        if tag in _HEADINGS:
            heading = " ".join(node.text(separator="").split())
            self.first_heading = self.first_heading or heading
            self.builder.add(heading, kind="heading", level=_HEADINGS[tag])
            return True
        if tag == "pre":
            self.builder.add(node.text(separator=""), kind="code")
            return True
        if tag == "table":
            rows = _table_rows(node)
            self.builder.add_table(rows)
            return bool(rows)
        if tag == "li":
            self._prefix = "- "
        return False

    def _leave(self, node: LexborNode | None) -> None:
        if node is not None and (node.tag or "") in _BLOCKS:
            self._flush()

    def _flush(self) -> None:
        lines = (" ".join(line.split()) for line in "".join(self._inline).split("\n"))
        text = "\n".join(line for line in lines if line)
        self._inline.clear()
        if text:
            self.builder.add(self._prefix + text)
            self._prefix = ""


def _table_rows(table: LexborNode) -> list[list[str]]:
    """The cells of a table of data; empty when the table only lays out a page."""
    if table.css_first("table table, h1, h2, h3, ul, ol, pre") is not None:
        return []
    rows: list[list[str]] = []
    count = 0
    for row in table.css("tr"):
        cells = [" ".join(cell.text(separator=" ").split()) for cell in row.css("td, th")]
        count += len(cells)
        if any(len(cell) > _MAX_CELL_CHARACTERS for cell in cells) or count > _MAX_TABLE_CELLS:
            return []
        rows.append(cells)
    is_single_column = all(len(row) <= 1 for row in rows)
    return [] if is_single_column else rows
