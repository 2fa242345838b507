"""Parsing in a child process: with limits, without secrets, unable to write a file.

What a hostile file can do ends with the child: it is killed after so many seconds of processor or clock, cannot
hold more than so much memory, and a crash of a library in it is a sentence for the person. The child sends its result
over a socket and may not create files at all, so no temporary file can be left behind. `ingest.child` runs there.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import EmptyDocument, IngestError, ParseFailed, UnsupportedMediaType
from chatapp.settings import Settings
from ingest.parsers.base import Block, Damaged, ParsedDocument, TooLargeUnfolded

_ROOT = Path(__file__).parent.parent
_START = "import sys; sys.path.insert(0, sys.argv[1]); from ingest.child import main; main()"
_FRAME = struct.Struct("<cI")
_MAX_FRAME_BYTES = 256 * 1024 * 1024
_BASE_CPU_SECONDS = 5
_CPU_SECONDS_A_MIB = 3
_END_SECONDS = 5.0
_ERRORS: dict[str, type[IngestError]] = {
    cls.code: cls for cls in (ParseFailed, EmptyDocument, UnsupportedMediaType, IngestError)
}


class TooSlow(ParseFailed):
    """Reading the file takes too long. Divide it into smaller files, or save it again in its program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use up."""

    cpu_seconds: int
    wall_seconds: float
    memory_bytes: int
    """Of address space."""

    @classmethod
    def for_file(cls, settings: Settings, size_bytes: int) -> Limits:
        """Five seconds of processor, and three for each MiB, up to the setting: a small file is never slow honestly.

        Measured: PDFium takes 1.5 ms a page, openpyxl 1.9 s for a MiB of a packed sheet.
        """
        allowed = _BASE_CPU_SECONDS + _CPU_SECONDS_A_MIB * size_bytes // (1024 * 1024)
        return cls(
            min(settings.parse_cpu_seconds, allowed), settings.parse_timeout_seconds, settings.parse_memory_bytes
        )


async def parse(
    path: Path,
    *,
    filename: str,
    media_type: str,
    limits: Limits,
    on_progress: Callable[[float], None] = lambda _: None,
) -> ParsedDocument:
    """Parse a file in a child.

    Args:
        path: where the bytes are.
        filename: what the person calls it, for formats that look at it.
        media_type: as detected earlier.
        limits: what the child may use up.
        on_progress: called with the part done, 0 to 1, now and then.

    Raises:
        IngestError: damaged, protected, too large, too slow; the sentence says what to do.
    """
    request = {"action": "parse", "path": str(path), "filename": filename, "media_type": media_type}
    result = await _run(request, limits, on_progress)
    blocks = [Block(*block) for block in result["blocks"]]
    return ParsedDocument(result["title"], result["text"], result["page_starts"], blocks)


async def locate(path: Path, *, ranges: list[tuple[int, int, int]], limits: Limits) -> list[dict[str, Any]]:
    """Find where characters are on the pages of a PDF, in a child.

    Args:
        path: where the bytes are.
        ranges: `(page, first character on the page, number of characters)`, pages 0-based.
        limits: what the child may use up.

    Returns:
        for each range `page` (1-based), `page_width`, `page_height` in points as displayed, and `rects` as
        `[left, top, right, bottom]` from the upper left corner.

    Raises:
        IngestError: damaged, protected, too slow.
    """
    return await _run({"action": "locate", "path": str(path), "ranges": ranges}, limits, lambda _: None)


class _Forker:
    """The process that makes children, started when the first file comes and ended by `close_sandbox`."""

    lock = threading.Lock()
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None


def close_sandbox() -> None:
    """End the forker and with it every child. Blocking, some milliseconds."""
    with _Forker.lock:
        process, control = _Forker.process, _Forker.control
        _Forker.process = _Forker.control = None
    if control is not None:
        control.close()
    if process is not None:
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start_forker() -> socket.socket:
    if _Forker.control is not None:
        _Forker.control.close()  # of one that died
    control, theirs = socket.socketpair()
    # No environment: keys of providers and the database's address are not for a process that reads strangers' files.
    # A session of its own: Ctrl-C is for the parent, which ends it in order.
    _Forker.process = subprocess.Popen(  # noqa: S603  # our own code
        [sys.executable, "-I", "-c", _START, str(_ROOT)],
        stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"}, cwd="/", start_new_session=True,
    )  # fmt: skip
    theirs.close()
    _Forker.control = control
    return control


def _call_child() -> socket.socket:
    """A socket with a fresh child at its other end. Blocking, some milliseconds unless the forker must start."""
    ours, theirs = socket.socketpair()
    with theirs, _Forker.lock:
        is_alive = _Forker.process is not None and _Forker.process.poll() is None
        control = _Forker.control if is_alive and _Forker.control is not None else _start_forker()
        socket.send_fds(control, [b"c"], [theirs.fileno()])
    return ours


async def _run(request: dict[str, Any], limits: Limits, on_progress: Callable[[float], None]) -> Any:
    whole = {
        **request,
        "cpu_seconds": limits.cpu_seconds,
        "wall_seconds": math.ceil(limits.wall_seconds) + 1,
        "memory_bytes": limits.memory_bytes,
    }
    talk = await asyncio.to_thread(_call_child)
    reader, writer = await asyncio.open_unix_connection(sock=talk)
    try:
        async with asyncio.timeout(limits.wall_seconds):
            writer.write(json.dumps(whole).encode() + b"\n")
            return await _listen(reader, on_progress)
    except TimeoutError as error:
        raise TooSlow from error
    finally:
        # Hanging up ends the child, if it has not ended by itself.
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _listen(reader: asyncio.StreamReader, on_progress: Callable[[float], None]) -> Any:
    try:
        while True:
            kind, size = _FRAME.unpack(await reader.readexactly(_FRAME.size))
            if size > _MAX_FRAME_BYTES:
                raise TooLargeUnfolded
            body = await reader.readexactly(size)
            if kind == b"P":
                on_progress(float(body))
            else:
                return await asyncio.to_thread(_result, kind, body)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Damaged from error


def _result(kind: bytes, body: bytes) -> Any:
    content = json.loads(body)
    if kind == b"E":
        raise _ERRORS.get(content["code"], ParseFailed)(content["message"])
    if kind == b"X":
        raise _cause_of_death(content["status"])
    return content


def _cause_of_death(returncode: int) -> IngestError:
    if -returncode in {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL}:
        return TooSlow()
    if -returncode in {signal.SIGABRT, signal.SIGTRAP, signal.SIGILL}:
        return TooLargeUnfolded()  # how libraries in C and C++ end when memory is refused to them
    return Damaged()
