"""The child process of `ingest.sandbox`: takes one request, gives one result, ends.

Nothing here may be imported by the rest: it changes the limits of the process it runs in.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from chatapp.errors import IngestError, ParseFailed
from ingest.parsers.base import Source, TooLargeUnfolded

_FRAME = struct.Struct("<cI")
_MAX_OPEN_FILES = 64


def main() -> None:
    """Read a request from standard input, do it within its limits, write frames to standard output."""
    sys.excepthook = _report_unexpected
    request = json.loads(sys.stdin.readline())
    _limit(request)
    try:
        result = _parse(request) if request["action"] == "parse" else _locate(request)
    except IngestError as error:
        _send_error(error)
    except MemoryError:
        _send_error(TooLargeUnfolded())
    except RecursionError:
        _send_error(ParseFailed("The file is nested too deeply to be read. Save it again in its program."))
    else:
        _send(b"R", json.dumps(result).encode())
    # Libraries may crash or take long while they tidy up; everything is said already.
    os._exit(0)


def _limit(request: dict[str, Any]) -> None:
    cpu, memory = request["cpu_seconds"], request["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
    # The parent watches the clock; should it be killed, the child must end by itself.
    signal.alarm(request["wall_seconds"])


def _parse(request: dict[str, Any]) -> dict[str, Any]:
    from ingest.media_types import parser_of

    source = Source(request["filename"], path=Path(request["path"]))
    parsed = parser_of(request["media_type"]).parse(source, lambda part: _send(b"P", b"%.3f" % part))
    return {
        "title": parsed.title,
        "text": parsed.text,
        "page_starts": list(parsed.page_starts),
        "blocks": [(block.kind, block.level, block.start, block.end) for block in parsed.blocks],
    }


def _locate(request: dict[str, Any]) -> list[dict[str, Any]]:
    from ingest.parsers.pdf_parser import open_pdf, page_rects

    document = open_pdf(Source("", path=Path(request["path"])))
    return [page_rects(document, *wanted) for wanted in request["ranges"]]


def _send(kind: bytes, body: bytes) -> None:
    out = sys.stdout.buffer
    out.write(_FRAME.pack(kind, len(body)))
    out.write(body)
    out.flush()


def _send_error(error: IngestError) -> None:
    _send(b"E", json.dumps({"code": error.code, "message": error.message}).encode())


def _report_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    del error, trace
    # A library stumbled over the file in a way its parser does not know: the file is at fault all the same.
    _send_error(
        ParseFailed(f"The file could not be read ({kind.__name__}). Save it again in its program and upload that.")
    )
