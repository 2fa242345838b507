"""The files that stand beside a component's module: its JSX and the parts that load."""

from __future__ import annotations

import os
import sys

import reflex as rx


def local_asset(filename: str) -> str:
    """Have a file beside the calling module among the pages' assets; call it while the module is imported.

    Reflex finds out who calls by reading the source of every module under way, 40 ms a file. That is done where pages
    are built; a server that serves what is built needs the address alone.

    Args:
        filename: the file's name; it is in the calling module's folder.

    Returns:
        where the built pages import it from: `$/public/external/chatapp/components/answer/answer.jsx`.

    Raises:
        FileNotFoundError: pages are built, and there is no such file.
    """
    if os.environ.get("REFLEX_BACKEND_ONLY", "").lower() not in {"1", "true", "yes", "y"}:
        return rx.asset(filename, shared=True, _stack_level=2).importable_path
    module: str = sys._getframe(1).f_globals["__name__"]
    return f"$/public/external/{module.replace('.', '/')}/{filename}"
