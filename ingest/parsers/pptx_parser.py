"""Presentations, through python-pptx: a slide is a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ingest.parsers.base import Damaged, ParsedDocument, Progress, Sample, Source, TextBuilder
from ingest.parsers.office_archive import check_archive

if TYPE_CHECKING:
    from pptx.presentation import Presentation


class PptxParser:
    """Title as heading, text, tables and the speaker's notes of each slide."""

    media_type: ClassVar[str] = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    kind: ClassVar[str] = "presentation"

    def recognises(self, sample: Sample) -> bool:
        """By the main part's name."""
        return "ppt/presentation.xml" in sample.zip_names

    def parse(self, source: Source, progress: Progress) -> ParsedDocument:
        """Read every slide.

        Raises:
            ParseFailed: damaged, too large or with XML entities.
        """
        from lxml.etree import LxmlError

        check_archive(source)
        presentation = _open(source)
        builder = TextBuilder()
        try:
            slides = list(presentation.slides)
            for number, slide in enumerate(slides):
                if number:
                    builder.start_page()
                _add_slide(builder, slide)
                progress(number / len(slides))
        except (KeyError, ValueError, AttributeError, IndexError, LxmlError) as error:
            raise Damaged from error
        return builder.build(presentation.core_properties.title or "")


def _open(source: Source) -> Presentation:
    import pptx
    from lxml.etree import LxmlError
    from pptx.exc import PythonPptxError

    try:
        with source.open() as file:
            return pptx.Presentation(file)
    except (PythonPptxError, LxmlError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise Damaged from error


def _add_slide(builder: TextBuilder, slide: Any) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.add(" ".join(title.text_frame.text.split()), kind="heading", level=1)
    waiting = list(reversed(list(slide.shapes)))
    while waiting:
        shape = waiting.pop()
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if hasattr(shape, "shapes"):
            waiting.extend(reversed(list(shape.shapes)))  # a group
        elif getattr(shape, "has_table", False):
            builder.add_table([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif shape.has_text_frame:
            # The library writes a vertical tab for a line break inside a paragraph.
            builder.add("\n".join(_paragraph(paragraph) for paragraph in shape.text_frame.paragraphs))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.replace("\v", "\n").strip()
        builder.add(f"Notes: {notes}" if notes else "")


def _paragraph(paragraph: Any) -> str:
    text = paragraph.text.replace("\v", "\n").strip()
    return f"- {text}" if paragraph.level and text else text
