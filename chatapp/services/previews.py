"""Use cases of reading a document: its bytes, its text around a passage, and where a passage is on a page."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound
from chatapp.services.document_views import ContentFile, PageRects, Passage, Preview, PreviewBlock
from chatapp.settings import get_settings
from chatapp.store import documents, files
from chatapp.store.database import transaction
from chatapp.store.tables import DocumentVersionTable
from ingest import sandbox

_WINDOW_CHARACTERS = 40_000
_MAX_PASSAGE_CHARACTERS = 20_000
_MAX_PARAGRAPH_CHARACTERS = 8_000
_PDF = "application/pdf"


async def content(actor: Actor, document_id: UUID, *, version: int | None = None) -> ContentFile:
    """Where a document's bytes are, for sending them.

    Args:
        actor: who asks.
        document_id: the document.
        version: which version; None: the one that answers, or the latest where none does yet.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document or version in this tenant.
    """
    row = (await _version(actor, document_id, version)).row
    path = files.content_path(actor, document_id, row.version)
    if not path.exists():
        raise NotFound("The file's bytes are gone. Upload it again.", param="file_id")
    return ContentFile(str(path), row.media_type, row.filename, row.size_bytes)


async def preview(
    actor: Actor, document_id: UUID, *, start: int = 0, end: int | None = None, version: int | None = None
) -> Preview:
    """The text around a passage as headings, paragraphs, tables and code.

    Args:
        actor: who asks.
        document_id: the document.
        start: first character that must be in the window.
        end: behind the last character that must be in it; None: as far as the window goes.
        version: which version; None: the one that answers, or the latest where none does yet.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document or version in this tenant.
        InvalidInput: the range is not inside the text.
    """
    found = await _version(actor, document_id, version)
    row = found.row
    _check_range(row, start, start if end is None else end)
    before = 0 if end is None else _WINDOW_CHARACTERS // 2
    low, high = start - before, max(start + _WINDOW_CHARACTERS - before, end or 0)
    blocks = await asyncio.to_thread(preview_blocks, row, low, high)
    return Preview(
        document_id=document_id,
        version=row.version,
        is_replaced=found.is_replaced,
        filename=row.filename,
        title=row.title,
        media_type=row.media_type,
        page_count=row.page_count,
        total_characters=len(row.text),
        start=blocks[0].start if blocks else start,
        end=blocks[-1].end if blocks and high < len(row.text) else len(row.text),
        blocks=blocks,
    )


async def passage_rects(
    actor: Actor, document_id: UUID, *, start: int, end: int, version: int | None = None
) -> Passage:
    """Where a passage stands on the pages of a PDF; without pages for other formats. Kept once found.

    Args:
        actor: who asks.
        document_id: the document.
        start: first character, in the document's text.
        end: behind the last character.
        version: which version; None: the one that answers, or the latest where none does yet.

    Raises:
        NotPermitted: the actor may not read documents.
        NotFound: no such document or version in this tenant.
        InvalidInput: the range is not inside the text.
        IngestError: the file cannot be read any more.
    """
    found = await _version(actor, document_id, version)
    row = found.row
    _check_range(row, start, end)
    if row.media_type != _PDF:
        return Passage(document_id, row.version, found.is_replaced, start, end, [])
    name = f"passage-{start}-{end}.json"
    kept = await files.read_derived(actor, document_id, row.version, name)
    if kept is None:
        located = await sandbox.locate(
            files.content_path(actor, document_id, row.version),
            ranges=page_ranges(row.page_starts, len(row.text), start, end),
            limits=sandbox.Limits.for_file(get_settings(), row.size_bytes),
        )
        kept = json.dumps(located).encode()
        await files.write_derived(actor, document_id, row.version, name, kept)
    pages = [
        PageRects(page["page"], page["page_width"], page["page_height"], [tuple(rect) for rect in page["rects"]])
        for page in json.loads(kept)
    ]
    return Passage(document_id, row.version, found.is_replaced, start, end, pages)


@dataclass(frozen=True, slots=True)
class _Version:
    row: DocumentVersionTable
    is_replaced: bool
    """Whether a newer version answers."""


async def _version(actor: Actor, document_id: UUID, version: int | None) -> _Version:
    actor.require(Permission.READ_DOCUMENTS)
    async with transaction(actor, readonly=True) as tx:
        row = await documents.get(tx, document_id)
        wanted = version or row.active_version or row.latest_version
        return _Version(await documents.get_version(tx, document_id, wanted), row.active_version > wanted)


def _check_range(row: DocumentVersionTable, start: int, end: int) -> None:
    if not 0 <= start <= end <= len(row.text) or end - start > _MAX_PASSAGE_CHARACTERS:
        raise InvalidInput("The passage is not inside the document's text, or too long.", param="start")


def page_ranges(page_starts: list[int], length: int, start: int, end: int) -> list[tuple[int, int, int]]:
    """A range of a document's text as `(page, first character on it, characters)`, pages 0-based.

    A page's text ends one character before the next page's: the line feed between them is no page's.
    """
    ends = [*(next_start - 1 for next_start in page_starts[1:]), length]
    ranges = []
    for page in range(max(0, bisect_right(page_starts, start) - 1), len(page_starts)):
        low, high = max(start, page_starts[page]), min(end, ends[page])
        if page_starts[page] >= end:
            break
        if low < high:
            ranges.append((page, low - page_starts[page], high - low))
    return ranges


def preview_blocks(row: DocumentVersionTable, low: int = 0, high: int | None = None) -> list[PreviewBlock]:
    """The blocks of a window of the text, in order. Blocking: some 10 ms for a window of a long text.

    Paragraphs are what is between the blocks kept, cut at empty lines.

    Args:
        row: the version.
        low: blocks that end at or before it are left out.
        high: blocks that begin at or behind it are left out; None: none are.
    """
    text, kept, page_starts = row.text, row.blocks, row.page_starts or [0]
    high = len(text) if high is None else high
    first = bisect_right(kept, low, key=lambda block: block[3])
    last = bisect_left(kept, high, lo=first, key=lambda block: block[2])
    blocks: list[PreviewBlock] = []
    begin = kept[first - 1][3] if first else 0
    for kind, level, start, end in kept[first:last]:
        blocks.extend(_paragraphs(text, begin, start, page_starts, low, high))
        blocks.append(_block(text, kind, level, start, end, page_starts))
        begin = end
    end = kept[last][2] if last < len(kept) else len(text)
    return [*blocks, *_paragraphs(text, begin, end, page_starts, low, high)]


def _paragraphs(text: str, start: int, end: int, page_starts: list[int], low: int, high: int) -> Iterator[PreviewBlock]:
    """Those between two blocks that reach into the window."""
    if start < low < end:
        # From the paragraph the window begins in: what lies before may be the whole of a long text.
        start = max(start, page_starts[bisect_right(page_starts, low) - 1])
        empty_line = text.rfind("\n\n", start, low)
        start = start if empty_line < 0 else empty_line + 2
    while start < min(end, high):
        page = bisect_right(page_starts, start)
        page_end = page_starts[page] if page < len(page_starts) else end
        limit = min(end, page_end, start + _MAX_PARAGRAPH_CHARACTERS)
        gap = text.find("\n\n", start, limit)
        stop = limit if gap < 0 else gap
        shown = text[start:stop]
        if shown.strip("# \n"):  # number signs before a heading of Markdown are not a paragraph
            first, last = start + len(shown) - len(shown.lstrip("\n")), start + len(shown.rstrip("\n"))
            if last > low and first < high:
                yield _block(text, "paragraph", 0, first, last, page_starts)
        start = limit if gap < 0 else gap + 2


def _block(text: str, kind: str, level: int, start: int, end: int, page_starts: list[int]) -> PreviewBlock:
    return PreviewBlock(kind, level, start, end, max(1, bisect_right(page_starts, start)), text[start:end])
