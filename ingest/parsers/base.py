"""What every parser takes and gives."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from chatapp.errors import ParseFailed

MAX_TEXT_CHARACTERS = 10_000_000
"""Text of one document, about 5,000 dense pages. More is not a document but a data set, or a bomb."""
MAX_DEPTH = 3
"""How far documents inside documents are read: a message, its attachment, the message in that."""

CELL_SEPARATOR = " | "

Progress = Callable[[float], None]
"""Called with the part done, 0 to 1."""


class PasswordProtected(ParseFailed):
    """The file is protected by a password. Remove the password and upload it again."""


class Damaged(ParseFailed):
    """The file is damaged. Open it in its program, save it again and upload that."""


class TooLargeUnfolded(ParseFailed):
    """The file unfolds to more than can be read here. Divide it into smaller files."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to parse: on disk, or inside another one."""

    filename: str
    path: Path | None = None
    data: bytes = b""
    """The bytes when there is no path."""
    depth: int = 0
    """How many files are around this one."""

    def open(self) -> BinaryIO:
        """The bytes as a file to read from."""
        return self.path.open("rb") if self.path else io.BytesIO(self.data)

    def read(self) -> bytes:
        """All the bytes."""
        return self.path.read_bytes() if self.path else self.data


@dataclass(frozen=True, slots=True)
class Sample:
    """What is looked at to tell a file's kind."""

    filename: str
    head: bytes
    """Up to 64 KiB from the beginning."""
    tail: bytes
    """Up to 2 KiB from the end."""
    zip_names: frozenset[str] = frozenset()
    """Names in the archive, when it is one."""
    text: str = ""
    """The head decoded, when it is text."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text that is not a plain paragraph."""

    kind: str
    """`heading`, `table` (a row a line, cells divided by " | ") or `code`."""
    level: int
    """1 to 6 for a heading, otherwise 0."""
    start: int
    end: int
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document's text and how it is laid out."""

    title: str
    """What the document calls itself; empty where it does not."""
    text: str
    page_starts: Sequence[int]
    """Offset of each page's first character, ascending, the first 0; slides and sheets count as pages."""
    blocks: Sequence[Block] = ()
    """In order of `start`, not overlapping."""


class Parser(Protocol):
    """One format. Libraries are imported inside `parse`, which runs in the child process only."""

    media_type: ClassVar[str]
    kind: ClassVar[str]
    """The format's name as a person says it."""

    def recognises(self, sample: Sample) -> bool:
        """Whether the content is of this format."""
        ...

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read the text.

        Raises:
            ParseFailed: damaged, protected or too large; the sentence says what to do.
        """
        ...


@dataclass(slots=True)
class TextBuilder:
    """Puts a document's text together and keeps count of pages and blocks."""

    page_starts: list[int] = field(default_factory=lambda: [0])
    blocks: list[Block] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, *, kind: str = "", level: int = 0) -> None:
        """Append a paragraph, or a block of a kind, and an empty line.

        Raises:
            TooLargeUnfolded: the text has become longer than any document's.
        """
        text = clean(text).strip("\n")
        if not text.strip():
            return
        if kind:
            self.blocks.append(Block(kind, level, self.length, self.length + len(text)))
        self._append(text + "\n\n")

    def add_table(self, rows: Sequence[Sequence[str]]) -> None:
        """Append a table, a row a line."""
        lines = (CELL_SEPARATOR.join(" ".join(cell.split()) for cell in row) for row in rows)
        self.add("\n".join(line for line in lines if line.strip(" |")), kind="table")

    def start_page(self) -> None:
        """Begin the next page; the first one is there from the start."""
        self.page_starts.append(self.length)

    def add_document(self, inner: ParsedDocument) -> None:
        """Append a document found inside this one; its pages do not count."""
        start = self.length
        self._append(inner.text.rstrip("\n") + "\n\n")
        self.blocks.extend(
            Block(b.kind, min(6, b.level + 1) if b.level else 0, b.start + start, b.end + start) for b in inner.blocks
        )

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self.length += len(text)
        if self.length > MAX_TEXT_CHARACTERS:
            raise TooLargeUnfolded

    def build(self, title: str = "") -> ParsedDocument:
        """The finished document."""
        return ParsedDocument(" ".join(clean(title).split()), "".join(self._parts), self.page_starts, self.blocks)


_REPLACED = {code: " " for code in (*range(9), 11, 12, *range(13, 32), 127)}
_REPLACED |= {0xFFFE: "-", 0xFFFF: " ", 2: "-"}
# PDFium writes U+FFFE, older versions U+0002, for a hyphen at the end of a line.
_SURROGATES = {code: "\ufffd" for code in range(0xD800, 0xE000)}
_REPLACED |= _SURROGATES


def clean(text: str) -> str:
    """Replace what no database keeps or no person sees, each character by exactly one, so that offsets stay.

    Control characters other than tab and line feed become spaces; halves of surrogate pairs become U+FFFD.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_REPLACED)
