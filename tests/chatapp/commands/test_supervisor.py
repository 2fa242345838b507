from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatapp.commands.supervisor import Child, ChildSpec
from tests.fixtures.surroundings import PROJECT

_NOTE_AND_SLEEP = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
_FORK_AND_SLEEP = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_NOTE_AND_SLEEP!r}, sys.argv[1]]).wait()"
)


def _spec(code: str, notes: Path, **others: int) -> ChildSpec:
    return ChildSpec("sleeper", (sys.executable, "-c", code, str(notes)), **others)  # pyright: ignore[reportArgumentType]


def _pids(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def _until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


async def test_a_crashed_child_is_started_again(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    child = Child(_spec(_NOTE_AND_SLEEP, notes))
    child.start()
    await _until(lambda: len(_pids(notes)) == 1)
    os.kill(_pids(notes)[0], signal.SIGKILL)
    await _until(lambda: len(_pids(notes)) == 2)
    assert child.crashes == 1
    await child.stop()
    assert not any(map(_is_running, _pids(notes)))


async def test_a_child_that_was_asked_to_end_did_not_crash(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + _NOTE_AND_SLEEP
    child = Child(_spec(code, notes))
    with capture_logs() as lines:
        child.start()
        await _until(lambda: len(_pids(notes)) == 1)
        os.kill(_pids(notes)[0], signal.SIGTERM)
        await _until(lambda: len(_pids(notes)) == 2)
        child.let_go()
        os.kill(_pids(notes)[1], signal.SIGTERM)
        await _until(lambda: child.pid is None)
        await child.stop()
    assert [(line["event"], line["log_level"]) for line in lines] == [("child.ended", "info")]
    assert len(_pids(notes)) == 2


async def test_a_stop_ends_what_the_child_started_too(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    child = Child(_spec(_FORK_AND_SLEEP, notes))
    child.start()
    await _until(lambda: len(_pids(notes)) == 1)
    await child.stop()
    await _until(lambda: not _is_running(_pids(notes)[0]), seconds=3)


async def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + _NOTE_AND_SLEEP
    child = Child(ChildSpec("deaf", (sys.executable, "-c", code, str(notes)), stop_seconds=0.5))
    child.start()
    await _until(lambda: len(_pids(notes)) == 1)
    began = time.monotonic()
    await child.stop()
    assert time.monotonic() - began < 5
    assert not _is_running(_pids(notes)[0])


async def test_a_child_gives_way_when_told_to(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    child = Child(_spec(_NOTE_AND_SLEEP, notes, niceness=7))
    child.start()
    await _until(lambda: len(_pids(notes)) == 1)
    assert os.getpriority(os.PRIO_PROCESS, _pids(notes)[0]) - os.getpriority(os.PRIO_PROCESS, 0) == 7
    await child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot tie a child to its parent")
async def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    code = (
        "import asyncio, sys\n"
        "from chatapp.commands.supervisor import Child, ChildSpec\n"
        "async def main():\n"
        f"    Child(ChildSpec('sleeper', (sys.executable, '-c', {_NOTE_AND_SLEEP!r}, {str(notes)!r}))).start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=PROJECT)
    await _until(lambda: len(_pids(notes)) == 1)
    parent.kill()
    await parent.wait()
    await _until(lambda: not _is_running(_pids(notes)[0]), seconds=5)
