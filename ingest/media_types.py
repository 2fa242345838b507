"""What a file is, by its content; its name only helps to tell one text format from another."""

from __future__ import annotations

from pathlib import Path

from chatapp.errors import UnsupportedMediaType
from ingest.parsers import PARSERS
from ingest.parsers.base import Parser, PasswordProtected, Sample, Source
from ingest.parsers.office_archive import zip_names
from ingest.parsers.text_parser import text_sample

_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 2 * 1024
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")
_OLE_PIECE_BYTES = 1024 * 1024
_RTF = b"{\\rtf"
_READABLE = "PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown, text and e-mail files can be read."


def detect_media_type(path: Path, filename: str) -> str:
    """The media type of a file on disk; blocking, reads at most its ends and an archive's directory.

    Raises:
        UnsupportedMediaType: nothing here reads it; the sentence says what it is and what to do.
        PasswordProtected: an Office file encrypted as a whole.
    """
    return parser_for(Source(filename, path=path)).media_type


def parser_for(source: Source) -> Parser:
    """The parser that reads a file.

    Raises:
        UnsupportedMediaType: none does.
        PasswordProtected: an Office file encrypted as a whole.
    """
    sample = _sample(source)
    if sample.head.startswith(_OLE):
        _refuse_ole(source)
    if sample.head.startswith(_RTF):
        raise UnsupportedMediaType("This is an RTF file. Save it as DOCX or PDF and upload that.")
    for parser in PARSERS:
        if parser.recognises(sample):
            return parser
    raise UnsupportedMediaType(f"{_describe(sample)} {_READABLE}")


def parser_of(media_type: str) -> Parser:
    """The parser of a media type found earlier.

    Raises:
        UnsupportedMediaType: there is none any more.
    """
    for parser in PARSERS:
        if parser.media_type == media_type:
            return parser
    raise UnsupportedMediaType(_READABLE)


def _sample(source: Source) -> Sample:
    with source.open() as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
        names = zip_names(file) if head.startswith(_ZIP) else frozenset()
    text = "" if names or _has_binary_signature(head) else text_sample(head)
    return Sample(source.filename, head, tail, names, text)


def _has_binary_signature(head: bytes) -> bool:
    # Small pictures and programs can have few control bytes; their first bytes give them away.
    return head.startswith(
        (b"\x7fELF", b"MZ\x90", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\xca\xfe\xba\xbe", b"\x1f\x8b")
    )


def _refuse_ole(source: Source) -> None:
    with source.open() as file:
        while piece := file.read(_OLE_PIECE_BYTES):
            if _ENCRYPTED_OFFICE in piece:  # an entry of 128 bytes at a multiple of 128, so never divided
                raise PasswordProtected
    raise UnsupportedMediaType(
        "This is a file of an old Office program (DOC, XLS, PPT or MSG). "
        "Save it as DOCX, XLSX, PPTX or PDF and upload that."
    )


def _describe(sample: Sample) -> str:
    import puremagic

    if sample.zip_names:
        return "This is an archive or a format packed like one. Unpack it and upload the documents in it."
    try:
        name = puremagic.magic_string(sample.head)[0].name
    except (puremagic.PureError, ValueError, IndexError):
        name = ""
    return f"This kind of file ({name}) cannot be read." if name else "This kind of file cannot be read."
