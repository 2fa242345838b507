from __future__ import annotations

from pathlib import Path

import pytest

from chatapp.errors import UnsupportedMediaType
from ingest.media_types import detect_media_type
from ingest.parsers import PARSERS
from ingest.parsers.base import PasswordProtected
from tests.ingest import samples


def _detect(tmp_path: Path, filename: str, data: bytes) -> str:
    path = tmp_path / "content"
    path.write_bytes(data)
    return detect_media_type(path, filename)


@pytest.mark.parametrize(
    ("filename", "data", "ending"),
    [
        ("a.bin", samples.pdf(["x"]), "pdf"),
        ("a.txt", b"\n\njunk before it\n" + samples.pdf(["x"]), "pdf"),
        ("a.zip", samples.docx(), "wordprocessingml.document"),
        ("a.docx", samples.pptx(), "presentationml.presentation"),
        ("a", samples.xlsx(), "spreadsheetml.sheet"),
        ("a.txt", samples.eml(), "message/rfc822"),
        ("a.txt", b"<!DOCTYPE html><html><body>Hi</body></html>", "text/html"),
        ("notes.md", b"# Title\n\nText", "text/markdown"),
        ("notes", b"# Title\n\n**bold** text\n\n```\ncode\n```\n", "text/markdown"),
        ("a.csv", b"a;b\n1;2\n", "text/csv"),
        ("data", b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "text/csv"),
        ("readme.txt", b"Just text, with commas, in it.\n", "text/plain"),
        ("readme.txt", "UTF-16 text".encode("utf-16"), "text/plain"),
        ("log", b"\x1b[31merror\x1b[0m in line 4\n" * 20, "text/plain"),
        ("log.txt", b"a text with one \x00 zero in it, as logs have" * 3, "text/plain"),
    ],
)
def test_the_content_decides_what_a_file_is(tmp_path: Path, filename: str, data: bytes, ending: str) -> None:
    assert _detect(tmp_path, filename, data).endswith(ending)


@pytest.mark.parametrize(
    ("filename", "data", "hint"),
    [
        ("report.pdf", b"\x7fELF\x02\x01\x01" + bytes(200), "cannot be read"),
        ("report.txt", b"MZ\x90\x00\x03" + bytes(200), "cannot be read"),
        ("photo.docx", b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be read"),
        ("stuff.docx", samples.archive({"a.txt": "hello"}), "archive"),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "DOCX"),
        ("letter.rtf", b"{\\rtf1 hello}", "DOCX or PDF"),
        ("noise.txt", bytes(range(256)) * 20, "cannot be read"),
    ],
)
def test_what_nothing_reads_is_refused_with_what_to_do(tmp_path: Path, filename: str, data: bytes, hint: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=hint):
        _detect(tmp_path, filename, data)


def test_an_encrypted_office_file_is_named_so(tmp_path: Path) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(PasswordProtected, match="password"):
        _detect(tmp_path, "plan.xlsx", data)


def test_every_parser_module_is_registered() -> None:
    folder = Path(__file__).parents[2] / "ingest" / "parsers"
    on_disk = {path.stem for path in folder.glob("*_parser.py")}
    registered = {type(parser).__module__.rpartition(".")[2] for parser in PARSERS}
    assert registered == on_disk


def test_media_types_and_names_are_different() -> None:
    assert len({parser.media_type for parser in PARSERS}) == len({parser.kind for parser in PARSERS}) == len(PARSERS)
