"""Running other programs at set-up: quiet while they work, everything they said when they fail."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

_SHOWN_LINES = 40
"""Of the end of what a failed program said."""
_SIGN_OF_LIFE_SECONDS = 20.0


class SetupFailed(SystemExit):
    """Ends the program with one sentence that says what to do."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence; the interpreter prints it and exits with 1."""
        super().__init__(f"\n{sentence}")


def run(
    command: Sequence[str], sentence: str, *, shown: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end.

    Args:
        command: program and arguments.
        sentence: what to say when it fails, below the end of what it said itself.
        shown: beginnings of lines worth showing while it works.
        environment: the program's; None: ours.

    Raises:
        SetupFailed: it ended with an error.
    """
    ending = attempt(command, shown=shown, environment=environment)
    if ending is not None:
        raise SetupFailed(f"{ending}\n{sentence}" if ending else sentence)


def attempt(
    command: Sequence[str], *, shown: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> str | None:
    """Run a program that may fail; returns None when it did not, otherwise the end of what it said."""
    lines: list[str] = []
    try:
        with _signs_of_life(), _started(command, environment) as process:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                if shown and line.lstrip().startswith(shown):
                    print(f"  {line.strip()}", flush=True)
    except OSError as error:
        return f"  {command[0]}: {error.strerror}"
    return "\n".join(f"  {line}" for line in lines[-_SHOWN_LINES:]) if process.returncode else None


def _started(command: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        list(command),
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


@contextlib.contextmanager
def _signs_of_life() -> Iterator[None]:
    """Say now and then that the work goes on."""
    is_over, began = threading.Event(), time.monotonic()

    def speak() -> None:
        while not is_over.wait(_SIGN_OF_LIFE_SECONDS):
            print(f"  still at it after {time.monotonic() - began:.0f} s", flush=True)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        is_over.set()
        speaker.join()
