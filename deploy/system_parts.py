"""What the tests need of the system: a browser, Redis and PostgreSQL. The product itself needs none of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from programs import SetupFailed, attempt

_PARTS = {
    "chromium": ("a Chromium browser", ("chromium", "chromium-browser", "google-chrome")),
    "redis-server": ("Redis", ("redis-server",)),
    "postgresql": ("PostgreSQL", ("initdb",)),
}
"""Package: what it is, and the programs of which any one will do."""
_BROWSER = "chromium"
_ELSEWHERE = Path("/usr/lib/postgresql")
"""Debian keeps PostgreSQL's programs out of the path, in a folder for each version."""


def provide() -> bool:
    """Have what the tests need, from the system's packages where they may be installed.

    Returns:
        whether a browser is still missing, which Playwright may yet bring.

    Raises:
        SetupFailed: something is missing that only the system can bring; the sentence names it.
    """
    missing, reason = _missing(_PARTS), ""
    if missing and _may_install():
        reason = _install(missing)
        missing = _missing(missing)
    if set(missing) - {_BROWSER}:
        raise _wanted(missing, reason)
    return bool(missing)


def refuse_without_browser(reason: str) -> None:
    """End the set-up because there is no browser.

    Raises:
        SetupFailed: always.
    """
    raise _wanted([_BROWSER], reason)


def _missing(packages: Iterable[str]) -> list[str]:
    return [package for package in packages if not any(map(_is_there, _PARTS[package][1]))]


def _is_there(program: str) -> bool:
    return shutil.which(program) is not None or any(_ELSEWHERE.glob(f"*/bin/{program}"))


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(packages: list[str]) -> str:
    """Install packages; returns why they could not be, or an empty string."""
    print(f"- Installing {', '.join(packages)} for the tests ...", flush=True)
    environment: Mapping[str, str] = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A list of packages that cannot be brought up to date may still do.
    reasons = [attempt(["apt-get", "update", "-q"], environment=environment)]
    command = ["apt-get", "install", "-yq", "--no-install-recommends", *packages]
    reasons.append(attempt(command, environment=environment))
    return "\n".join(reason for reason in reasons if reason) if reasons[-1] is not None else ""


def _wanted(packages: list[str], reason: str) -> SetupFailed:
    names = ", ".join(f"{_PARTS[package][0]} (package `{package}`)" for package in packages)
    has_apt = shutil.which("apt-get") is not None
    how = f"As root, run `apt-get install {' '.join(packages)}`" if has_apt else "Install from your system's packages"
    sentence = f"The tests need {names}. {how}, then run the command again; `make run` needs none of it."
    return SetupFailed(f"{reason}\n{sentence}" if reason else sentence)
