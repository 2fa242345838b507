from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chatapp.errors import IngestError, ParseFailed
from ingest import sandbox
from ingest.media_types import parser_for
from ingest.parsers.base import ParsedDocument, PasswordProtected, Source
from ingest.parsers.office_archive import DeclaresEntities
from ingest.sandbox import Limits, TooSlow
from tests.ingest import samples

LIMITS = Limits(cpu_seconds=5, wall_seconds=30.0, memory_bytes=512 * 1024 * 1024)


@pytest.fixture(autouse=True)
def _own_forker() -> Iterator[None]:
    """Each test starts its children anew, from whatever it has patched."""
    sandbox.close_sandbox()
    yield
    sandbox.close_sandbox()


PROJECT = Path(__file__).parents[2]
CONTENT_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


async def _parse(tmp_path: Path, filename: str, data: bytes, limits: Limits = LIMITS) -> ParsedDocument:
    path = tmp_path / "content"
    path.write_bytes(data)
    media_type = parser_for(Source(filename, path=path)).media_type
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        return await sandbox.parse(path, filename=filename, media_type=media_type, limits=limits)
    finally:
        sandbox.close_sandbox()  # now the use of all children is known
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert cpu <= limits.cpu_seconds + 0.5


@pytest.mark.parametrize(
    ("filename", "data", "words"),
    [
        ("a.pdf", samples.pdf(["Hello from a page"]), "Hello from a page"),
        ("a.docx", samples.docx(), "Trains are preferred"),
        ("a.pptx", samples.pptx(), "Grow in Asia"),
        ("a.xlsx", samples.xlsx(), "Ana | Lisbon | 41"),
        ("a.eml", samples.eml(), "Oak | 80"),
        ("a.html", b"<html><body><p>Hello</p></body></html>", "Hello"),
        ("a.md", b"# Hello\n", "Hello"),
        ("a.csv", b"a,b\n1,2\n", "a | b\n1 | 2"),
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
    path = tmp_path / "content"
    path.write_bytes(b"some text")
    task = asyncio.create_task(sandbox.parse(path, filename="a.txt", media_type="text/plain", limits=LIMITS))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _children_left() == []


async def _children_left() -> list[psutil.Process]:
    assert sandbox._Forker.process is not None
    forker = psutil.Process(sandbox._Forker.process.pid)
    for _ in range(20):
        if not forker.children():
            break
        await asyncio.sleep(0.1)
    return forker.children()


async def test_a_parent_that_dies_takes_its_children_along(tmp_path: Path, endless: None) -> None:
    (tmp_path / "content").write_bytes(b"some text")
    code = (
        "import asyncio, sys; from pathlib import Path; from ingest import sandbox\n"
        f"sandbox._START = {sandbox._START!r}\n"
        f"path = Path({str(tmp_path / 'content')!r})\n"
        "limits = sandbox.Limits(30, 30.0, 1 << 29)\n"
        "asyncio.run(sandbox.parse(path, filename='a', media_type='text/plain', limits=limits))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=PROJECT)
    family: list[psutil.Process] = []
    for _ in range(100):
        family = psutil.Process(parent.pid).children(recursive=True)
        if len(family) == 2:
            break
        await asyncio.sleep(0.1)
    assert len(family) == 2
    parent.kill()
    await parent.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 5)
    assert alive == []


async def test_a_forker_that_died_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"some text")
    for _ in range(2):
        parsed = await sandbox.parse(path, filename="a.txt", media_type="text/plain", limits=LIMITS)
        assert parsed.text == "some text"
        assert sandbox._Forker.process is not None
        sandbox._Forker.process.kill()
        await asyncio.to_thread(sandbox._Forker.process.wait)


async def test_many_files_are_parsed_at_once(tmp_path: Path) -> None:
    async def one(number: int) -> str:
        path = tmp_path / str(number)
        path.write_bytes(b"text of %d" % number)
        return (await sandbox.parse(path, filename="a.txt", media_type="text/plain", limits=LIMITS)).text

    assert await asyncio.gather(*map(one, range(40))) == [f"text of {number}" for number in range(40)]
    assert await _children_left() == []


async def test_the_child_knows_no_secret_and_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import os; from ingest import child\n"
        "def look(request):\n"
        "    secrets = [name for name in os.environ if 'KEY' in name]\n"
        "    try:\n"
        f"        file = open({str(tmp_path / 'written')!r}, 'wb'); file.write(b'x'); file.flush()\n"
        "        could_write = True\n"
        "    except OSError:\n"
        "        could_write = False\n"
        "    return {'title': '', 'text': repr((secrets, could_write)), 'page_starts': [0], 'blocks': []}\n"
        "child._parse = look\n"
        "child.main()"
    )
    monkeypatch.setattr(sandbox, "_START", code)
    assert (await _parse(tmp_path, "a.txt", b"some text")).text == "([], False)"


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
