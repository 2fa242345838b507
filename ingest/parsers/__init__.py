"""One module a format. Adding one is a module here and a line in `PARSERS`.

What is here turns bytes into a `ParsedDocument`; which bytes, in which process and under which limits is
`ingest.sandbox`'s business.
"""

from __future__ import annotations

from ingest.parsers.base import Parser
from ingest.parsers.csv_parser import CsvParser
from ingest.parsers.docx_parser import DocxParser
from ingest.parsers.eml_parser import EmlParser
from ingest.parsers.html_parser import HtmlParser
from ingest.parsers.markdown_parser import MarkdownParser
from ingest.parsers.pdf_parser import PdfParser
from ingest.parsers.pptx_parser import PptxParser
from ingest.parsers.text_parser import TextParser
from ingest.parsers.xlsx_parser import XlsxParser

PARSERS: tuple[Parser, ...] = (
    PdfParser(),
    DocxParser(),
    PptxParser(),
    XlsxParser(),
    EmlParser(),
    HtmlParser(),
    MarkdownParser(),
    CsvParser(),
    TextParser(),
)
"""In the order they are asked; `TextParser` takes whatever text the others leave."""
