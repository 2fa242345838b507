"""The built-in model: it answers by quoting the documents, says so, and needs no key and no network.

Which sentences to quote is the pipeline's choice (`pipeline.excerpts`); this kind words the answer and streams it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Iterator
from typing import ClassVar

from chatapp.domain import Usage
from chatapp.providers.base import Delta, Excerpt, ProviderConfig, ProviderRequest

_FRAME_CHARACTERS = 40
_FRAME_SECONDS = 0.018
"""About 2,200 characters a second: an answer takes less than a second and still reads as it grows."""

_MARKUP = re.compile(r"([\\`*<])")
_BRACKETED_NUMBER = re.compile(r"\[(\d[\d,\s]*)\]")
_WORDS = re.compile(r"\S+\s*")
_CHARACTERS_PER_TOKEN = 4


class Extractive:
    """Quotes the chosen excerpts, grouped by document."""

    kind: ClassVar[str] = "extractive"
    quotes: ClassVar[bool] = True

    def __init__(self, config: ProviderConfig) -> None:
        """Keep the configuration, of which nothing is needed."""
        self.config = config

    async def stream(self, request: ProviderRequest) -> AsyncGenerator[Delta, None]:
        """Stream the quotation in even frames. Never fails."""
        answer = write_answer(request)
        for frame in _frames(answer):
            yield Delta(text=frame)
            await asyncio.sleep(_FRAME_SECONDS)
        input_characters = sum(len(excerpt.text) for excerpt in request.excerpts)
        usage = Usage(
            input_tokens=-(-input_characters // _CHARACTERS_PER_TOKEN),
            output_tokens=-(-len(answer) // _CHARACTERS_PER_TOKEN),
            is_estimated=True,
        )
        yield Delta(finish_reason="stop", usage=usage)


def write_answer(request: ProviderRequest) -> str:
    """The whole answer as markdown: one line that says it quotes, then each excerpt with its number."""
    if not request.excerpts:
        return _nothing_found(request.searched)
    filenames = list(dict.fromkeys(excerpt.filename for excerpt in request.excerpts))
    if len(filenames) == 1:
        return f"Quoted from {_plain(filenames[0])}:\n\n{_bullets(request.excerpts)}"
    groups = (
        f"**{_plain(filename)}**\n\n{_bullets(group)}"
        for filename, group in itertools.groupby(request.excerpts, key=lambda excerpt: excerpt.filename)
    )
    return f"Quoted from {len(filenames)} documents:\n\n" + "\n\n".join(groups)


def _bullets(excerpts: Iterator[Excerpt] | tuple[Excerpt, ...]) -> str:
    return "\n".join(f"- {_plain(excerpt.text)} [{excerpt.number}]" for excerpt in excerpts)


def _nothing_found(searched: tuple[str, ...] | None) -> str:
    if searched is None:
        return (
            "The built-in model answers by quoting documents, and no collection was chosen. "
            "Choose a collection, or ask an admin to connect a language model."
        )
    if not searched:
        return "There are no documents to search yet. Add some on the Documents page and ask again."
    names = ", ".join(_plain(name) for name in searched)
    return f"Nothing in the documents answers this. Searched: {names}."


def _plain(text: str) -> str:
    # A quotation must not turn into markup, and a number in brackets of its own must not pass for a citation.
    return _MARKUP.sub(r"\\\1", _BRACKETED_NUMBER.sub(r"(\1)", " ".join(text.split())))


def _frames(text: str) -> Iterator[str]:
    frame = ""
    for word in _WORDS.findall(text):
        frame += word
        if len(frame) >= _FRAME_CHARACTERS:
            yield frame
            frame = ""
    if frame:
        yield frame
