"""Write the lock files from pyproject.toml: `make lock` after a dependency changed.

What is locked stays at its version where that still fits; `deploy/lock.py --upgrade` takes the newest of everything.
torch and what its GPU build names are left out: `deploy/setup.py` installs torch by itself, as the build at hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_LEFT_OUT = re.compile(r"^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")
_HEAD = "# Written by deploy/lock.py from pyproject.toml; do not edit.\n"


def main() -> None:
    """Write every lock file."""
    installed = _compile("requirements.lock", ["pyproject.toml"])
    constraint = ["--constraint", str(PROJECT / "requirements.lock")]
    _compile("requirements-test.lock", ["--group", "test", *constraint], leave_out=installed)
    _compile("requirements-installer.lock", ["-"], stdin=f"uv=={_uv_version()}\n")


def _compile(name: str, arguments: list[str], *, stdin: str = "", leave_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Resolve and write one lock file.

    Args:
        name: the file.
        arguments: what to resolve, as uv takes it.
        stdin: requirements, when `arguments` says `-`.
        leave_out: blocks that stand in another lock file.

    Returns:
        What was written, one block of text a package: name, version, hashes.
    """
    uv = str(Path(sys.executable).parent / "uv")
    options = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate", "-q"]
    command = [uv, "pip", "compile", *arguments, *options, *sys.argv[1:], "-o", name]
    done = subprocess.run(command, cwd=PROJECT, input=stdin, stdout=subprocess.DEVNULL, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} could not be written; the lines above say why.")
    blocks = re.findall(r"^[a-zA-Z]\S*.*(?:\n[ \t].*)*", (PROJECT / name).read_text(), re.MULTILINE)
    kept = tuple(block for block in blocks if block not in leave_out and not _LEFT_OUT.match(block))
    (PROJECT / name).write_text(_HEAD + "\n".join(kept) + "\n")
    print(f"{name}: {len(kept)} packages")
    return kept


def _uv_version() -> str:
    uv = Path(sys.executable).parent / "uv"
    return subprocess.run([str(uv), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


if __name__ == "__main__":
    main()
