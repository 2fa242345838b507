"""Names people give to files, made fit for display. They are never used as paths."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 255
_SEPARATORS = re.compile(r"[/\\]")
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control characters and the invisible ones that turn text around: `gpj.exe` could look like `exe.jpg`."""
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, but part of writing in Persian, Hindi and of many emoji."""


def display_name(filename: str) -> str:
    """The name to show: the last part of a path, composed, without invisible characters, at most 255 characters.

    The ending survives when the name has to be cut. A name of which nothing is left becomes `untitled`.
    """
    last = _SEPARATORS.split(unicodedata.normalize("NFC", filename))[-1]
    shown = "".join(
        character
        for character in last
        if character in _JOINERS or unicodedata.category(character) not in _UNSAFE_CATEGORIES
    )
    shown = " ".join(shown.split())
    if not shown.strip(". "):
        return "untitled"
    if len(shown) <= MAX_CHARACTERS:
        return shown
    stem, dot, ending = shown.rpartition(".")
    if not dot or len(ending) > 10:
        return shown[: MAX_CHARACTERS - 1] + "…"
    return f"{stem[: MAX_CHARACTERS - len(ending) - 2]}….{ending}"


def extension(filename: str) -> str:
    """The ending in lower case without its dot; empty where there is none."""
    _, dot, ending = filename.rpartition(".")
    return ending.lower() if dot and len(ending) <= 10 else ""


def stem(filename: str) -> str:
    """The name without its ending, for use as a title."""
    ending = extension(filename)
    return filename[: -len(ending) - 1] if ending and len(filename) > len(ending) + 1 else filename
