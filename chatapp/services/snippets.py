"""The part of a text that holds the words somebody searched for."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CHARACTERS = 150
_LEAD = 40
"""Characters shown before the first of the words."""
_MARKUP = re.compile(r"\[\d{1,3}\]|[*_`#>|\\]+")


def snippet(texts: Sequence[str], words: Sequence[str]) -> str:
    """Cut out of some texts the place where most of the words stand together.

    Args:
        texts: where to look, the more telling first; markdown is taken out.
        words: what was searched for, in any case.

    Returns:
        one line of some 150 characters, cut between words and with an ellipsis where it was cut; empty when no text
        holds any of the words.
    """
    pattern = re.compile("|".join(re.escape(word) for word in words if word), re.IGNORECASE)
    best, most = "", 0
    for text in texts if pattern.pattern else ():
        flat = " ".join(_MARKUP.sub(" ", text).split())
        for match in pattern.finditer(flat):
            start = max(0, match.start() - _LEAD)
            window = flat[start : start + _CHARACTERS]
            count = len({found.casefold() for found in pattern.findall(window)})
            if count > most:
                best, most = _trimmed(flat, start, start + _CHARACTERS), count
    return best


def _trimmed(text: str, start: int, end: int) -> str:
    # Between words where there are any: not every text has blanks.
    if start and (blank := text.find(" ", start, start + _LEAD)) >= 0:
        start = blank + 1
    if end < len(text) and (blank := text.rfind(" ", end - _LEAD, end)) >= 0:
        end = blank
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
