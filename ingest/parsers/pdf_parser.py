"""PDF, through PDFium.

The text of a page is PDFium's, character for character, so an offset in the page is PDFium's character index and
the place of a passage on the page can be asked for later.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from ingest.parsers.base import (
    MAX_TEXT_CHARACTERS,
    Block,
    Damaged,
    ParsedDocument,
    PasswordProtected,
    Progress,
    Sample,
    Source,
    TooLargeUnfolded,
    clean,
)

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

_PROGRESS_PAGES = 20
_MAX_OUTLINE_ITEMS = 2_000
_NO_TITLE = re.compile(r"^(untitled|microsoft word|microsoft powerpoint|document\d*$)|\.\w{2,5}$", re.IGNORECASE)


class PdfParser:
    """Text by page, headings from the outline."""

    media_type: ClassVar[str] = "application/pdf"
    kind: ClassVar[str] = "PDF"

    def recognises(self, sample: Sample) -> bool:
        """By the header, which may stand anywhere in the first 1,024 bytes, or by what a PDF without one ends with."""
        if b"%PDF-" in sample.head[:1024]:
            return True
        return b" obj" in sample.head and (b"startxref" in sample.tail or b"%%EOF" in sample.tail)

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read every page; one that cannot be read counts as empty as long as others can.

        Raises:
            ParseFailed: damaged, protected or too large.
        """
        document = open_pdf(source)
        count = len(document)
        texts: list[str] = []
        length = unreadable = 0
        for index in range(count):
            text = _page_text(document, index)
            unreadable += text is None
            texts.append(text or "")
            length += len(texts[-1]) + 1
            if length > MAX_TEXT_CHARACTERS:
                raise TooLargeUnfolded
            if index % _PROGRESS_PAGES == 0:
                progress(index / count)
        if unreadable == count:
            raise Damaged
        starts = [0]
        for text in texts[:-1]:
            starts.append(starts[-1] + len(text) + 1)
        return ParsedDocument(_title(document), "\n".join(texts), starts, _headings(document, texts, starts))


def open_pdf(source: Source) -> PdfDocument:
    """Open a PDF.

    Raises:
        PasswordProtected: it asks for a password.
        Damaged: it is not a PDF any more.
    """
    import pypdfium2
    from pypdfium2 import raw

    try:
        document = pypdfium2.PdfDocument(source.path or source.data)
        if len(document) == 0:
            raise Damaged
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            raise PasswordProtected from error
        raise Damaged from error
    return document


def open_page(document: PdfDocument, index: int) -> tuple[PdfPage, PdfTextPage]:
    """A page and its text; where it has none of its own, that of its notes and form fields.

    Always the same for the same page, so that character indices found once hold later.

    Args:
        document: an open PDF.
        index: 0-based.
    """
    from pypdfium2 import raw

    page = document[index]
    found = page.get_textpage()
    if found.count_chars() <= 0:
        found.close()
        raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
        found = page.get_textpage()
    return page, found


def _page_text(document: PdfDocument, index: int) -> str | None:
    import pypdfium2

    try:
        page, found = open_page(document, index)
        text = exact_text(found)
    except pypdfium2.PdfiumError:
        return None
    found.close()
    page.close()
    return text


def exact_text(found: PdfTextPage) -> str:
    """The page's characters, one for each of PDFium's indices."""
    count = found.count_chars()
    text = found.get_text_range(0, count) if count > 0 else ""
    if len(text) != count:
        # PDFium leaves characters without Unicode out of the range, and pairs surrogates; one by one is exact.
        from pypdfium2 import raw

        text = "".join(chr(raw.FPDFText_GetUnicode(found, index)) for index in range(count))
    return clean(text)


def _title(document: PdfDocument) -> str:
    title = " ".join(clean(document.get_metadata_value("Title")).split())
    has_words = " " in title and 4 <= len(title) <= 200
    return title if has_words and not _NO_TITLE.search(title) else ""


def _headings(document: PdfDocument, texts: list[str], starts: list[int]) -> list[Block]:
    import pypdfium2

    found: list[Block] = []
    try:
        for number, item in enumerate(document.get_toc(max_depth=6)):
            if number >= _MAX_OUTLINE_ITEMS:
                break
            found.extend(_heading(item, texts, starts))
    except pypdfium2.PdfiumError:
        return []  # a damaged outline costs the headings, not the document
    found.sort(key=lambda block: (block.start, block.level))
    return [block for previous, block in zip([None, *found], found, strict=False) if not _overlaps(previous, block)]


def _heading(item: Any, texts: list[str], starts: list[int]) -> list[Block]:
    target = item.get_dest()
    index = target.get_index() if target else None
    words = [re.escape(word) for word in clean(item.get_title()).split()]
    if index is None or not 0 <= index < len(texts) or not words or len(words) > 40:
        return []
    match = re.search(r"\s+".join(words), texts[index], re.IGNORECASE)
    if match is None:
        return []
    start = starts[index] + match.start()
    return [Block("heading", min(6, item.level + 1), start, start + len(match[0]))]


def _overlaps(previous: Block | None, block: Block) -> bool:
    return previous is not None and block.start < previous.end
