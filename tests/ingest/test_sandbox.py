from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp.errors import IngestError, ParseFailed
from ingest import sandbox
from ingest.media_types import parser_for
from ingest.parsers.base import ParsedDocument, PasswordProtected, Source
from ingest.parsers.office_archive import DeclaresEntities
from ingest.sandbox import Limits, TooSlow
from tests.ingest import samples

LIMITS = Limits(cpu_seconds=5, wall_seconds=30.0, memory_bytes=512 * 1024 * 1024)
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CONTENT_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


async def _parse(tmp_path: Path, filename: str, data: bytes, limits: Limits = LIMITS) -> ParsedDocument:
    path = tmp_path / "content"
    path.write_bytes(data)
    media_type = parser_for(Source(filename, path=path)).media_type
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        return await sandbox.parse(path, filename=filename, media_type=media_type, limits=limits)
    finally:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert cpu <= limits.cpu_seconds + 0.5


@pytest.mark.parametrize(
    ("filename", "data", "words"),
    [
        ("a.pdf", samples.pdf(["Hello from a page"]), "Hello from a page"),
        ("a.docx", samples.docx(), "Trains are preferred"),
        ("a.pptx", samples.pptx(), "Grow in Asia"),
        ("a.xlsx", samples.xlsx(), "City: Lisbon"),
        ("a.eml", samples.eml(), "Price: 80"),
        ("a.html", b"<html><body><p>Hello</p></body></html>", "Hello"),
        ("a.md", b"# Hello\n", "Hello"),
        ("a.csv", b"a,b\n1,2\n", "a: 1 | b: 2"),
        ("a.txt", "Grüße, schöne Tage und viele Füße.".encode("cp1252"), "Grüße"),
    ],
)
async def test_every_format_is_read_within_the_limits(tmp_path: Path, filename: str, data: bytes, words: str) -> None:
    assert words in (await _parse(tmp_path, filename, data)).text


async def test_progress_comes_from_the_child(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(samples.pdf([f"page {number}" for number in range(100)]))
    seen: list[float] = []
    parsed = await sandbox.parse(
        path, filename="a.pdf", media_type="application/pdf", limits=LIMITS, on_progress=seen.append
    )
    assert len(parsed.page_starts) == 100
    assert seen == sorted(seen)
    assert len(seen) >= 4


async def test_a_pdf_bomb_is_refused_or_read_within_the_limits(tmp_path: Path) -> None:
    with pytest.raises(ParseFailed):
        await _parse(tmp_path, "bomb.pdf", samples.pdf_bomb())


BOMBS: dict[str, Callable[[], dict[str, bytes | str]]] = {
    "text.docx": lambda: {"[Content_Types].xml": CONTENT_TYPES, "word/document.xml": b"<a>" + b" " * 400_000_000},
    "media.docx": lambda: {"word/document.xml": b"<a/>", "word/media/a.png": bytes(200_000_000)},
    "strings.xlsx": lambda: {"xl/workbook.xml": b"<a/>", "xl/sharedStrings.xml": b"<a>" + b"x" * 200_000_000},
    "slides.pptx": lambda: {"ppt/presentation.xml": b"<a>" + b"x" * 130_000_000},
}


@pytest.mark.parametrize("filename", BOMBS)
async def test_an_office_bomb_is_refused_before_it_unfolds(tmp_path: Path, filename: str) -> None:
    with pytest.raises(ParseFailed, match="Divide it"):
        await _parse(tmp_path, filename, samples.archive(BOMBS[filename]()))


async def test_xml_that_grows_when_parsed_is_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "' + f"&l{n - 1};" * 10 + '">' for n in range(1, 12))
    laughs = f'<!DOCTYPE a [<!ENTITY l0 "ha">{entities}'
    document = f'<?xml version="1.0"?>{laughs}]><a>&l11;</a>'
    parts: dict[str, bytes | str] = {"[Content_Types].xml": CONTENT_TYPES, "word/document.xml": document}
    with pytest.raises(ParseFailed, match=DeclaresEntities.sentence()[:30]):
        await _parse(tmp_path, "a.docx", samples.archive(parts))


async def test_a_file_named_by_an_entity_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    document = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><a>&x;</a>'
    parts: dict[str, bytes | str] = {"[Content_Types].xml": CONTENT_TYPES, "xl/workbook.xml": document}
    with pytest.raises(ParseFailed):
        await _parse(tmp_path, "a.xlsx", samples.archive(parts))


@pytest.mark.parametrize(
    ("filename", "data"),
    [
        ("a.pdf", b"%PDF-1.7\nnothing else"),
        ("a.pdf", samples.pdf(["x"])[:150]),
        ("a.docx", samples.archive({"word/document.xml": "<not closed"})),
        ("a.xlsx", samples.archive({"xl/workbook.xml": "<a/>"})),
        ("a.pptx", samples.archive({"ppt/presentation.xml": "<a/>"})),
        ("a.docx", samples.docx()[:-2000] + samples.docx()[-1500:]),
    ],
)
async def test_a_damaged_file_is_named_so(tmp_path: Path, filename: str, data: bytes) -> None:
    with pytest.raises(IngestError, match=r"save it|Save it|cannot be read"):
        await _parse(tmp_path, filename, data)


async def test_a_protected_pdf_is_named_so(tmp_path: Path) -> None:
    encrypted = samples.pdf(["x"]).replace(
        b"trailer<<",
        b"trailer<</Encrypt<</Filter/Standard/V 1/R 2/P -4/O(" + b"o" * 32 + b")/U(" + b"u" * 32 + b")>>"
        b"/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]",
    )
    with pytest.raises(ParseFailed, match=PasswordProtected.sentence()[:20]):
        await _parse(tmp_path, "a.pdf", encrypted)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child whose parser never comes back, as a library caught in a loop."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ingest import child\n"
        "def spin(request):\n"
        "    while True: pass\n"
        "child._parse = spin\n"
        "child.main()"
    )
    monkeypatch.setattr(sandbox, "_START", code)


@pytest.mark.parametrize("limits", [Limits(1, 30.0, LIMITS.memory_bytes), Limits(30, 1.0, LIMITS.memory_bytes)])
async def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path, endless: None, limits: Limits) -> None:
    started = time.monotonic()
    with pytest.raises(TooSlow, match="takes too long"):
        await _parse(tmp_path, "a.txt", b"some text", limits)
    assert time.monotonic() - started < 10


async def test_a_child_without_memory_says_so(tmp_path: Path) -> None:
    small = Limits(cpu_seconds=20, wall_seconds=60.0, memory_bytes=120 * 1024 * 1024)
    with pytest.raises(ParseFailed, match="unfolds"):
        await _parse(tmp_path, "a.txt", b"a line of text\n" * 5_000_000, small)


async def test_cancelling_ends_the_child(tmp_path: Path, endless: None) -> None:
    task = asyncio.create_task(_parse(tmp_path, "a.txt", b"some text"))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # noqa: ASYNC222  # there is none to wait for


async def test_the_child_knows_no_secret_and_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import os; from ingest import child; "
        "child._limit({'cpu_seconds': 5, 'memory_bytes': 1 << 29, 'wall_seconds': 9}); "
        "kept = [name for name in os.environ if 'KEY' in name]; "
        f"file = open({str(tmp_path / 'written')!r}, 'wb'); "
        "failed = False\n"
        "try:\n    file.write(b'x'); file.flush()\n"
        "except OSError:\n    failed = True\n"
        "child._send(b'R', repr((kept, failed)).encode()); os._exit(0)"
    )
    monkeypatch.setattr(sandbox, "_START", code)
    child = await sandbox._start()
    assert child.stdout is not None
    out = await child.stdout.read()
    await child.wait()
    assert out.endswith(b"([], True)")


async def test_a_passage_is_found_on_its_page(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(samples.pdf(["First line\nSecond line here", "Other page"]))
    parsed = await sandbox.parse(path, filename="a.pdf", media_type="application/pdf", limits=LIMITS)
    start = parsed.text.index("Second")
    (page,) = await sandbox.locate(path, ranges=[(0, start, len("Second line"))], limits=LIMITS)
    assert (page["page"], page["page_width"], page["page_height"]) == (1, 612.0, 792.0)
    ((left, top, right, bottom),) = page["rects"]
    # The second line is drawn 14 points below 740, from the left edge at 60, in 11 point Helvetica.
    assert 59 <= left <= 62
    assert 100 <= right <= 130
    assert 792 - 740 + 14 - 10 <= top <= bottom <= 792 - 740 + 14 + 4
