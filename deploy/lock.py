"""Write the lock files from pyproject.toml: `make lock` after a dependency changed.

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
    everything = _compile(["pyproject.toml"])
    installed = [block for block in everything if not _LEFT_OUT.match(block)]
    _write("requirements.lock", installed)
    constraint = PROJECT / "requirements.lock"
    test = _compile(["--group", "test", "--constraint", str(constraint)])
    _write("requirements-test.lock", [block for block in test if block not in installed and not _LEFT_OUT.match(block)])
    installer = _compile(["-"], stdin=f"uv=={_uv_version()}\n")
    _write("requirements-installer.lock", installer)


def _compile(arguments: list[str], stdin: str | None = None) -> list[str]:
    """The resolved requirements, one block of text each: name, version, hashes."""
    uv = Path(sys.executable).parent / "uv"
    options = ["--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate", "-q"]
    command = [str(uv), "pip", "compile", *arguments, *options]
    output = subprocess.run(command, cwd=PROJECT, input=stdin, capture_output=True, text=True, check=False)
    if output.returncode:
        sys.exit(output.stderr)
    return re.findall(r"^\S.*(?:\n[ \t].*)*", output.stdout, re.MULTILINE)


def _write(name: str, blocks: list[str]) -> None:
    (PROJECT / name).write_text(_HEAD + "\n".join(blocks) + "\n")
    print(f"{name}: {len(blocks)} packages")


def _uv_version() -> str:
    uv = Path(sys.executable).parent / "uv"
    return subprocess.run([str(uv), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


if __name__ == "__main__":
    main()
