"""What the scripted provider is to do, read from the model's name: `scripted?tokens=100&fault=stall&after=5`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

_SOURCE = re.compile(r'<source number="(\d+)"[^>]*>\n(.*?)\n</source>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """One answer."""

    tokens: int = 20
    """How many deltas, unless `answer` says what."""
    gap_ms: float = 0.0
    """Between two deltas."""
    latency_ms: float = 0.0
    """Before the first."""
    answer: str = ""
    """The answer word for word; `quote` to repeat the beginning of each source with its mark."""
    piece: int = 0
    """Characters in a delta of a given answer; 0: a word."""
    fault: str = ""
    """One of `faults.FAULTS`."""
    after: int = 0
    """Deltas sent before the fault."""
    retry_after: int = 1
    rewrite: str = ""
    """The answer to a request to rewrite a question; empty: the question as it is."""

    def deltas(self, body: dict[str, Any]) -> list[str]:
        """The answer's pieces."""
        messages = body.get("messages", [])
        if messages and str(messages[0].get("content", "")).startswith("Rewrite the last question"):
            asked = str(messages[-1]["content"]).rpartition("Last question: ")[2]
            return _words(self.rewrite or asked)
        if self.answer == "quote":
            found = _SOURCE.findall(str(messages[-1].get("content", "")))
            return _words(" ".join(f"{text.split('. ')[0].strip('.')} [{number}]." for number, text in found))
        if self.answer and self.piece:
            return [self.answer[at : at + self.piece] for at in range(0, len(self.answer), self.piece)]
        if self.answer:
            return _words(self.answer)
        return [f"word{number} " for number in range(1, self.tokens + 1)]


def read_script(model: str) -> Script:
    """The script in a model's name; one without `?` gets the default."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(model.partition("?")[2]):
        kind = type(getattr(Script(), name))
        values[name] = kind(value)
    return Script(**values)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
