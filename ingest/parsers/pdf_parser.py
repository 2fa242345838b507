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
_DEVICE_SCALE = 100
"""PDFium's device coordinates are whole numbers: hundredths of a point."""
_NO_TITLE = re.compile(r"^(untitled|microsoft word|microsoft powerpoint|document\d*$)|\.\w{2,5}$", re.IGNORECASE)


class PdfParser:
    """Text by page, headings from the outline."""

    media_type: ClassVar[str] = "application/pdf"
    kind: ClassVar[str] = "PDF"

    def recognises(self, sample: Sample) -> bool:
        """By the header, which may have rubbish in front of it, or by what a PDF without one ends with."""
        if sample.head.lstrip().startswith(b"%PDF-"):
            return True
        if b"%PDF-" in sample.head[:1024] and b" obj" in sample.head:
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
        page.close()
        # Form fields are drawn only where the form was set up before the page was loaded.
        document.init_forms()
        page = document[index]
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


def page_rects(document: PdfDocument, index: int, start: int, count: int) -> dict[str, Any]:
    """Where characters are on a page as displayed: rotated and cropped as the page says.

    Args:
        document: an open PDF.
        index: the page, 0-based.
        start: first character on the page.
        count: number of characters.

    Raises:
        Damaged: the page cannot be read.
    """
    import pypdfium2

    try:
        page, found = open_page(document, index)
        width, height = page.get_size()
        glyphs = [_displayed(page, found.get_rect(n)) for n in range(found.count_rects(start, count))]
    except pypdfium2.PdfiumError as error:
        raise Damaged from error
    return {"page": index + 1, "page_width": width, "page_height": height, "rects": _lines(glyphs)}


Rect = tuple[float, float, float, float]


def _lines(glyphs: list[Rect]) -> list[Rect]:
    """One rectangle for what stands on one line without a wide gap: PDFium gives one for each run of a font."""
    lines: list[Rect] = []
    for rect in glyphs:
        previous = lines[-1] if lines else None
        if previous is not None and _is_continued(previous, rect):
            lines[-1] = (
                min(previous[0], rect[0]),
                min(previous[1], rect[1]),
                max(previous[2], rect[2]),
                max(previous[3], rect[3]),
            )
        else:
            lines.append(rect)
    return lines


def _is_continued(previous: Rect, rect: Rect) -> bool:
    height = max(previous[3] - previous[1], rect[3] - rect[1])
    overlap = min(previous[3], rect[3]) - max(previous[1], rect[1])
    lower = min(previous[3] - previous[1], rect[3] - rect[1])
    return overlap >= lower / 2 and -height <= rect[0] - previous[2] <= 2 * height


def _displayed(page: PdfPage, rect: Rect) -> Rect:
    left, bottom, right, top = rect
    corners = [_to_device(page, x, y) for x, y in ((left, bottom), (right, top))]
    xs, ys = sorted(x for x, _ in corners), sorted(y for _, y in corners)
    return xs[0], ys[0], xs[1], ys[1]


def _to_device(page: PdfPage, x: float, y: float) -> tuple[float, float]:
    from ctypes import byref, c_int

    from pypdfium2 import raw

    width, height = (round(side * _DEVICE_SCALE) for side in page.get_size())
    device_x, device_y = c_int(), c_int()
    raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, byref(device_x), byref(device_y))
    return device_x.value / _DEVICE_SCALE, device_y.value / _DEVICE_SCALE


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
