"""Joining the answer of one model to the beginning another one wrote, without saying anything twice."""

from __future__ import annotations

_MIN_OVERLAP = 8
"""Characters alike at the seam from which they count as repeated and not as chance."""
_MIN_RESTART = 24
"""Characters alike at the beginning from which the answer counts as begun anew."""
_DECIDE_AT = 160
"""Characters held back at most while an overlap at the seam is still possible."""


class Continuation:
    """Takes what a continuing model writes and gives back what is new.

    A model asked to go on may do so, may repeat the last words first, or may begin the whole answer anew. What it
    repeats is dropped. Where it begins anew and then says something else, the new wording follows behind an ellipsis:
    what people have read is never taken back.
    """

    def __init__(self, written: str) -> None:
        """Begin behind what was written.

        Args:
            written: the answer so far, not empty.
        """
        self._written = written
        self._held = ""
        self._is_decided = False

    def feed(self, text: str) -> str:
        """Take the next piece; gives back what can be shown of it and of what was held back."""
        if self._is_decided:
            return text
        self._held += text
        if self._written.startswith(self._held):
            return ""
        if self._held.startswith(self._written):
            return self._decide(len(self._written))
        if self._common_beginning() < _MIN_RESTART and self._may_overlap():
            return ""
        return self._resolve()

    def finish(self) -> str:
        """What is left at the end of the stream."""
        if self._is_decided or self._written.startswith(self._held):
            return ""
        return self._resolve()

    def _resolve(self) -> str:
        common = self._common_beginning()
        if common >= _MIN_RESTART:
            rest = self._decide(common)
            return f" … {rest.lstrip()}"
        return self._decide(self._overlap())

    def _decide(self, repeated: int) -> str:
        self._is_decided = True
        fresh, self._held = self._held[repeated:], ""
        return fresh

    def _common_beginning(self) -> int:
        pairs = zip(self._written, self._held, strict=False)
        return next(
            (at for at, (one, other) in enumerate(pairs) if one != other), min(map(len, (self._written, self._held)))
        )

    def _overlap(self) -> int:
        longest = min(len(self._held), len(self._written))
        sizes = range(longest, _MIN_OVERLAP - 1, -1)
        return next((size for size in sizes if self._written.endswith(self._held[:size])), 0)

    def _may_overlap(self) -> bool:
        # More of the seam may be on its way: what is held is a part of the written text's end.
        return len(self._held) < _DECIDE_AT and self._held in self._written[-2 * _DECIDE_AT :]
