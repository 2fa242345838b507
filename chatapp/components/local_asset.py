"""The files that stand beside a component's module: its JSX and the parts that load."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from uuid import uuid4


def local_asset(filename: str) -> str:
    """Have a file beside the calling module among the pages' assets; call it while the module is imported.

    Reflex's own `asset` finds out who calls by reading the source of every module under way, 70 ms a file. The link
    is made where pages are built; a server of what is built needs the address alone.

    Args:
        filename: the file's name; it is in the calling module's folder.

    Returns:
        where the built pages import it from: `$/public/external/chatapp/components/answer/answer.jsx`.

    Raises:
        FileNotFoundError: pages are built, and there is no such file.
    """
    caller = sys._getframe(1).f_globals
    place = Path("external", *caller["__name__"].split("."), filename)
    if os.environ.get("REFLEX_BACKEND_ONLY", "").lower() not in {"1", "true", "yes", "y"}:
        _link(Path.cwd() / "assets" / place, Path(caller["__file__"]).with_name(filename))
    return f"$/public/{place.as_posix()}"


def _link(link: Path, file: Path) -> None:
    if link.resolve() == file.resolve(strict=True):
        return  # A reloading server looks at what is made anew.
    link.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be at it too: whoever is last replaces the same by the same.
    own = link.with_name(f".{uuid4().hex}.tmp")
    own.symlink_to(file.resolve())
    own.replace(link)
