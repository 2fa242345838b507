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
    form: str = ""
    """`markdown`: headings, lists, tables, code and marks in the place of numbered words."""
    answer: str = ""
    """The answer word for word; `quote` to repeat the beginning of each source with its mark."""
    reason: str = "stop"
    """Why the answer ends, as OpenAI's `finish_reason` has it."""
    piece: int = 0
    """Characters in a delta of a given answer; 0: a word."""
    fault: str = ""
    """One of `faults.FAULTS`."""
    after: int = 0
    """Deltas sent before the fault."""
    retry_after: int = 1
    fail_first: int = 0
    """So many first requests of the model are refused with 503, and then all is well."""
    fail_every: int = 0
    """Of so many requests of the model the last is refused with 503; 2: every other one."""
    going_on: str = "continue"
    """When asked to go on with numbered words: `continue`, `repeat` the last ones first, or `restart`."""
    rewrite: str = ""
    """The answer to a request to rewrite a question; empty: the question as it is."""
    summary: str = ""
    """The answer to a request to sum up a conversation; empty: as to any other. `fail` refuses it."""
    cached: int = 0
    """Tokens of the prompt said to have been kept."""
    written: int = 0
    """Tokens of the prompt said to be kept from now on, by an Anthropic."""

    def deltas(self, body: dict[str, Any]) -> list[str]:
        """The answer's pieces."""
        messages = body.get("messages", [])
        if messages and str(messages[0].get("content", "")).startswith("Rewrite the last question"):
            asked = str(messages[-1]["content"]).rpartition("Last question: ")[2]
            return _words(self.rewrite or asked)
        if self.answer == "quote":
            found = _SOURCE.findall(str(messages[-1].get("content", "")))
            return _words(" ".join(f"{text.split('. ')[0].strip('.')} [{number}]." for number, text in found))
        if self.form == "markdown":
            return _markdown(self.tokens)
        answer = self.summary if self.summary and asks_for_summary(body) else self.answer
        if answer and self.piece:
            return [answer[at : at + self.piece] for at in range(0, len(answer), self.piece)]
        if answer:
            return _words(answer)
        return [f"word{number} " for number in range(self._first(messages), self.tokens + 1)]

    def _first(self, messages: list[dict[str, Any]]) -> int:
        written = messages[-2]["content"] if len(messages) > 1 and messages[-2]["role"] == "assistant" else ""
        if "broke off" not in str(messages[-1:]) or self.going_on == "restart":
            return 1
        # A word that was cut is written anew from where it was cut by nobody: the seam is the reader's business.
        words = len(written.split())
        return max(1, words + 1 - (3 if self.going_on == "repeat" else 0))


def asks_for_summary(body: dict[str, Any]) -> bool:
    """Whether a request wants a conversation summed up."""
    messages = body.get("messages") or [{}]
    return str(messages[0].get("content", "")).startswith("Summarise the conversation")


def read_script(model: str) -> Script:
    """The script in a model's name; one without `?` gets the default."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(model.partition("?")[2]):
        kind = type(getattr(Script(), name))
        values[name] = kind(value)
    return Script(**values)


_PARAGRAPHS = (
    "## What changed\n\nRefunds are now paid within **14 days** of the return [1], except for gift cards, which are "
    "refunded as store credit [2]. The rule holds for every shop and for orders by telephone.\n\n",
    "1. The time limit went from 30 to *14* days [1].\n2. The customer no longer pays for the label.\n"
    "3. Shops may refuse software whose seal was broken [3].\n\n",
    "| Case | Before | Now |\n|:--|--:|--:|\n| Goods returned | 30 days | 14 days |\n| Gift card | cash | credit |\n\n",
    "```python\ndef interest(amount, days):\n    return amount * (1 + 0.05 / 365) ** days\n```\n\n",
    "The interest of a late refund is counted from the day on which it was due, and `interest` gives it to the cent. "
    "Customers who paid by invoice get a credit note in its place, as the handbook has it [2].\n\n",
)


def _markdown(tokens: int) -> list[str]:
    """So many tokens of markdown; the marks stand in its first part only, so that an answer has a handful."""
    first = _words("".join(_PARAGRAPHS))
    later = _words(re.sub(r" \[\d\]", "", "".join(_PARAGRAPHS)))
    return (first + later * (tokens // len(later) + 1))[:tokens]


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
