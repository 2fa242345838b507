"""Markdown, kept as written: the parser only finds headings, tables and code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from ingest.filenames import extension
from ingest.parsers.base import Block, ParsedDocument, Progress, Sample, Source
from ingest.parsers.text_parser import decode

if TYPE_CHECKING:
    from markdown_it.token import Token

_SIGNS = (
    re.compile(r"^#{1,6} \S", re.MULTILINE),
    re.compile(r"^(```|~~~)", re.MULTILINE),
    re.compile(r"\[[^\]\n]+\]\([^)\s]+\)"),
    re.compile(r"^\|?(\s*:?-{3,}:?\s*\|)+", re.MULTILINE),
    re.compile(r"\*\*[^*\n]+\*\*"),
)


class MarkdownParser:
    """Headings give the path, the text stays."""

    media_type: ClassVar[str] = "text/markdown"
    kind: ClassVar[str] = "Markdown"

    def recognises(self, sample: Sample) -> bool:
        """By its name, or by a heading and one more sign: the format has no mark of its own."""
        if not sample.text:
            return False
        if extension(sample.filename) in {"md", "markdown", "mdx"}:
            return True
        signs = [bool(sign.search(sample.text)) for sign in _SIGNS]
        return extension(sample.filename) not in {"csv", "tsv", "py", "sh"} and signs[0] and sum(signs) >= 2

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Find the blocks."""
        from markdown_it import MarkdownIt

        text = decode(source.read())
        line_starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        progress(0.8)
        blocks: list[Block] = []
        for position, token in enumerate(tokens):
            block = _block(tokens, position, token, text, line_starts)
            if block is not None and (not blocks or block.start >= blocks[-1].end):
                blocks.append(block)
        titles = (text[b.start : b.end] for b in blocks if b.kind == "heading" and b.level == 1)
        return ParsedDocument(next(titles, ""), text, [0], blocks)


def _block(tokens: list[Token], position: int, token: Token, text: str, line_starts: list[int]) -> Block | None:
    if token.map is None:
        return None
    start, end = line_starts[token.map[0]], line_starts[min(token.map[1], len(line_starts) - 1)]
    if token.type == "heading_open":
        content = tokens[position + 1].content.strip()
        found = text.find(content, start, end)
        if not content or found < 0:
            return None
        return Block("heading", int(token.tag[1]), found, found + len(content))
    kind = {"fence": "code", "code_block": "code", "table_open": "table"}.get(token.type)
    end = start + len(text[start:end].rstrip("\n"))
    return Block(kind, 0, start, end) if kind and end > start else None
