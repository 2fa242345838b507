"""Starts a program that ends when the process that started it does, however that one ends.

Run as a script by the supervisor, before anything is imported: `tether.py PARENT NICENESS PROGRAM [ARGUMENT ...]`.
On systems without `prctl` (not Linux) the program is started all the same; there a killed parent leaves it running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h. The kernel keeps the setting across the exec that follows."""


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent, niceness, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            # It ended before the setting was made.
            sys.exit(1)
    if int(niceness):
        os.nice(int(niceness))
    os.execvp(program, [program, *arguments])  # noqa: S606  # no shell: the supervisor names a program of ours


if __name__ == "__main__":
    main()
