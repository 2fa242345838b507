"""The processes that parse: one that only forks, and a child of it for each file.

The forker starts with the libraries loaded, reads no file itself, and makes a child in some milliseconds where a new
interpreter would take a tenth of a second. Each child takes one request, gives one result and ends. The forker sends
the parent word of how the child ended, and kills it as soon as the parent hangs up, which the parent's death does too.

Nothing here may be imported by the rest: it changes the limits of the process it runs in.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
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
    """Be the forker: each byte on standard input, a socket, comes with the socket to talk to one child on."""
    _load_libraries()
    control = socket.socket(fileno=0)
    wake_in, wake_out = socket.socketpair()
    wake_out.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_out.fileno(), warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake_in, select.POLLIN)
    talks = _Talks(poll)
    while True:
        for number, _ in poll.poll():
            if number == control.fileno():
                _, received, _, _ = socket.recv_fds(control, 1, 1)
                if not received:
                    talks.kill_all()
                    os._exit(0)
                talk = socket.socket(fileno=received[0])
                child = os.fork()
                if child == 0:
                    _become_child(talk, [control, wake_in, wake_out, *talks.sockets()])
                talks.add(child, talk)
            elif number == wake_in.fileno():
                wake_in.recv(4096)
                talks.reap()
            else:
                talks.hang_up(number)


def _load_libraries() -> None:
    import pypdfium2  # noqa: F401

    import ingest.media_types  # noqa: F401

    gc.freeze()


class _Talks:
    """The children at work, and on which socket each talks to the parent."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._sockets: dict[int, socket.socket] = {}
        """By process id."""
        self._watched: dict[int, int] = {}
        """Process id by file number, of those that have not been hung up."""

    def add(self, child: int, talk: socket.socket) -> None:
        """Watch a new child's socket: the parent's hanging up is told without being asked for."""
        self._sockets[child] = talk
        self._watched[talk.fileno()] = child
        self._poll.register(talk, 0)

    def sockets(self) -> list[socket.socket]:
        """The parent's ends, which a new child must not keep open."""
        return list(self._sockets.values())

    def hang_up(self, number: int) -> None:
        """The parent does not listen any more: end the child, unless it has been reaped in the same moment."""
        child = self._watched.pop(number, None)
        if child is not None:
            self._poll.unregister(number)
            os.kill(child, signal.SIGKILL)

    def kill_all(self) -> None:
        """End every child."""
        for child in self._sockets:
            os.kill(child, signal.SIGKILL)

    def reap(self) -> None:
        """Take leave of the children that ended, and tell the parent how, if it still listens."""
        while self._sockets:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            talk = self._sockets.pop(child)
            if self._watched.pop(talk.fileno(), None) is not None:
                self._poll.unregister(talk)
            body = json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode()
            try:
                # Not waiting: a parent that is slow to read has the result before it already, or asks no more.
                talk.send(_FRAME.pack(b"X", len(body)) + body, socket.MSG_DONTWAIT)
            except OSError:
                pass
            talk.close()


def _become_child(talk: socket.socket, others: list[socket.socket]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(talk.fileno(), 0)
    os.dup2(talk.fileno(), 1)
    for other in (talk, *others):
        if other.fileno() > 2:
            other.close()
    _serve_one()


def _serve_one() -> None:
    """Read a request from standard input, do it within its limits, write frames to standard output, end."""
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
