"""Word documents, through python-docx. Macros are never looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from ingest.parsers.base import Damaged, ParsedDocument, Progress, Sample, Source, TextBuilder
from ingest.parsers.office_archive import check_archive

if TYPE_CHECKING:
    from docx.document import Document

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SKIPPED = {
    _WORD + "del",  # text someone deleted with changes tracked
    _WORD + "moveFrom",
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # the same text for old programs
    _WORD + "instrText",
}
_HEADING = re.compile(r"^heading\s*([1-9])", re.IGNORECASE)
_PROGRESS_BLOCKS = 500


class DocxParser:
    """Headings by style, paragraphs, lists, tables, foot and end notes."""

    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    kind: ClassVar[str] = "Word document"

    def recognises(self, sample: Sample) -> bool:
        """By the main part's name."""
        return "word/document.xml" in sample.zip_names

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read the body in order.

        Raises:
            ParseFailed: damaged, too large or with XML entities.
        """
        check_archive(source)
        document = _open(source)
        builder = TextBuilder()
        levels = _heading_levels(document)
        body = document.element.body
        blocks = list(_body_blocks(body))
        for number, element in enumerate(blocks):
            _add_block(builder, element, levels)
            if number % _PROGRESS_BLOCKS == 0:
                progress(number / len(blocks))
        _add_notes(builder, document)
        return builder.build(document.core_properties.title or "")


def _open(source: Source) -> Document:
    import docx
    from docx.opc.exceptions import OpcError
    from lxml.etree import LxmlError

    try:
        with source.open() as file:
            return docx.Document(file)
    except (OpcError, LxmlError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise Damaged from error


def _body_blocks(body: Any) -> Any:
    """Paragraphs and tables in order, also those inside content controls, without recursion."""
    waiting = list(reversed(body))
    while waiting:
        element = waiting.pop()
        if element.tag in {_WORD + "p", _WORD + "tbl"}:
            yield element
        elif element.tag in {_WORD + "sdt", _WORD + "sdtContent", _WORD + "ins", _WORD + "moveTo", _WORD + "customXml"}:
            waiting.extend(reversed(element))


def _heading_levels(document: Document) -> dict[str, int]:
    """Level by style id: built-in names are English in the file whatever the program's language."""
    levels: dict[str, int] = {}
    for style in document.styles.element.iterchildren(_WORD + "style"):
        name = style.find(_WORD + "name")
        value = name.get(_WORD + "val", "") if name is not None else ""
        match = _HEADING.match(value)
        if match or value.lower() == "title":
            levels[style.get(_WORD + "styleId", "")] = min(6, int(match[1])) if match else 1
    return levels


def _add_block(builder: TextBuilder, element: Any, levels: dict[str, int]) -> None:
    if element.tag == _WORD + "tbl":
        builder.add_table([[_text(cell) for cell in row.iter(_WORD + "tc")] for row in _rows(element)])
        return
    text = _text(element)
    style = element.find(f"{_WORD}pPr/{_WORD}pStyle")
    level = levels.get(style.get(_WORD + "val", ""), 0) if style is not None else 0
    if level:
        builder.add(" ".join(text.split()), kind="heading", level=level)
    else:
        is_item = element.find(f"{_WORD}pPr/{_WORD}numPr") is not None
        builder.add(f"- {text}" if is_item and text.strip() else text)


def _rows(table: Any) -> Any:
    """Rows of a table; those of tables inside its cells belong to the cells' text."""
    for row in table.iter(_WORD + "tr"):
        parent = row.getparent()
        while parent is not None and parent.tag != _WORD + "tbl":
            parent = parent.getparent()
        if parent is table:
            yield row


def _text(element: Any) -> str:
    """The visible text inside an element; paragraphs and breaks become lines."""
    parts: list[str] = []
    waiting = [element]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
            continue
        if node.tag in _SKIPPED:
            continue
        if node.tag == _WORD + "t":
            parts.append(node.text or "")
        elif node.tag == _WORD + "tab":
            parts.append("\t")
        elif node.tag in {_WORD + "br", _WORD + "cr"}:
            parts.append("\n")
        if node.tag == _WORD + "p" and parts:
            waiting.append("\n")
        waiting.extend(reversed(node))
    return "".join(parts).strip()


def _add_notes(builder: TextBuilder, document: Document) -> None:
    from docx.oxml import parse_xml
    from lxml.etree import XMLSyntaxError

    for relation in document.part.rels.values():
        if relation.is_external:
            continue
        part = relation.target_part
        kind = str(part.partname)
        if kind not in {"/word/footnotes.xml", "/word/endnotes.xml"}:
            continue
        try:
            root = parse_xml(part.blob)
        except XMLSyntaxError:
            continue  # damaged notes cost the notes, not the document
        for note in root:
            builder.add(_text(note))
