"""Files of every format, made here so that each test says what is in them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence


def pdf(pages: Sequence[str], *, title: str = "", extra: bytes = b"") -> bytes:
    """A PDF with one line of Helvetica text for each line of each page."""
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    catalog, tree, font = add(b""), add(b""), add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    kids = []
    for text in pages:
        lines = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.split("\n")]
        drawn = " T* ".join(f"({line}) Tj" for line in lines).encode("latin-1")
        stream = b"BT /F1 11 Tf 14 TL 60 740 Td " + drawn + b" ET"
        content = add(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
        kids.append(
            add(
                b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>>>>>"
                % (tree, content, font)
            )
        )
    objects[catalog - 1] = b"<</Type/Catalog/Pages %d 0 R%s>>" % (tree, extra)
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[tree - 1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), references)
    info = add(b"<</Title(%s)>>" % title.encode("latin-1")) if title else 0
    return _pdf_file(objects, catalog, info)


def _pdf_file(objects: Sequence[bytes], catalog: int, info: int) -> bytes:
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.7\n")
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj" % number + body + b"endobj\n")
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    about = b"/Info %d 0 R" % info if info else b""
    out.write(b"trailer<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, catalog, about, start))
    return out.getvalue()


def pdf_bomb(megabytes: int = 600) -> bytes:
    """A page whose content unfolds twice: some kilobytes of file, hundreds of megabytes of drawing."""
    inner = zlib.compress(b"\n" * (megabytes * 1024 * 1024), 9)
    stream = zlib.compress(inner, 9)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>"
    content = b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n%s\nendstream" % (len(stream), stream)
    return _pdf_file([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page, content], 1, 0)


def archive(parts: dict[str, bytes | str]) -> bytes:
    """A ZIP archive of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def docx() -> bytes:
    """A Word document with headings, a list, a table and a tracked change."""
    import docx as library
    from docx.oxml import parse_xml

    document = library.Document()
    document.core_properties.title = "Travel policy"
    document.add_heading("Hotels", 1)
    document.add_paragraph("A night may cost 180 euros.")
    document.add_heading("Exceptions", 2)
    document.add_paragraph("Ask the office first.", style="List Bullet")
    table = document.add_table(2, 2)
    for row, values in zip(table.rows, (("City", "Limit"), ("Paris", "220")), strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    paragraph = document.add_paragraph("Trains are ")
    namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    paragraph._p.append(parse_xml(f"<w:ins {namespace}><w:r><w:t>preferred</w:t></w:r></w:ins>"))
    paragraph._p.append(parse_xml(f"<w:del {namespace}><w:r><w:delText>forbidden</w:delText></w:r></w:del>"))
    return _saved(document)


def pptx() -> bytes:
    """Two slides: a title with bullets, and a table with notes."""
    import pptx as library
    from pptx.util import Inches

    presentation = library.Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "Strategy"
    first.placeholders[1].text_frame.text = "Grow in Asia"
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for (row, column), value in {(0, 0): "Year", (0, 1): "Revenue", (1, 0): "2023", (1, 1): "12"}.items():
        table.cell(row, column).text = value
    second.notes_slide.notes_text_frame.text = "Say it slowly."
    return _saved(presentation)


def xlsx() -> bytes:
    """Two sheets: people with a title above the table, and a date."""
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    people = book.active
    people.title = "People"
    for row in (("Staff list",), ("Name", "City", "Age"), ("Ana", "Lisbon", 41), ("Bo", None, 3.5)):
        people.append(row)
    book.create_sheet("Dates").append((datetime.datetime(2023, 5, 1), True, None, 0.1))
    return _saved(book)


def eml() -> bytes:
    """A message with a plain and an HTML body, a text attachment and a picture."""
    from email.message import EmailMessage

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ana <ana@example.org>", "bo@example.org", "Größe of the order"
    message["Date"] = "Mon, 01 May 2023 10:00:00 +0000"
    message.set_content("We need forty chairs.\n\nRegards, Ana")
    message.add_alternative("<p>We need <b>forty</b> chairs.</p>", subtype="html")
    message.add_attachment(b"Chair,Price\nOak,80\n", maintype="text", subtype="csv", filename="prices.csv")
    message.add_attachment(b"\x89PNG\r\n\x1a\n" + bytes(40), maintype="image", subtype="png", filename="chair.png")
    return message.as_bytes()


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # pyright: ignore[reportAttributeAccessIssue]
    return out.getvalue()
