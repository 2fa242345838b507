"""Counting tokens exactly, for models whose encoding is known and whose file is at hand.

The files come with the package litellm, which is looked for and not imported: that would take seconds. Nothing is
fetched; a model whose encoding's file is not there has no encoding here.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

_FILES = {
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "o200k_harmony": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
}
"""Where each encoding's file is published; the hash of the address is its name among the files at hand."""
_SERVED_BY = ("openai", "azure", "azure_ai", "github", "openrouter")
"""What litellm and gateways write before the name of an OpenAI model, with a slash behind."""
_PIECE_CHARACTERS = 2_000
"""Texts are cut into pieces of this size: a run without blanks takes time that grows faster than its length. A cut
adds one token at most, so the count is over the true one by less than 0.1 %."""
_IN_A_THREAD = 8_000
"""Characters from which counting takes more than a millisecond and is done beside the event loop."""
_CACHED_COUNTS = 4_096


class _Counts:
    """Counts of texts seen before: a conversation's turns and a document's chunks come again and again."""

    by_text: OrderedDict[tuple[str, bytes], int] = OrderedDict()  # noqa: RUF012  # one cache a process is what this is


@cache
def encoding_of(model: str) -> str | None:
    """The name of a model's encoding; None where it is not known, or its file is not at hand.

    Args:
        model: the provider's name of the model, also with who serves it in front: `openai/gpt-4o-mini`.

    Source: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
    """
    from tiktoken.model import encoding_name_for_model

    *served_by, name = model.split("/")
    if any(part not in _SERVED_BY for part in served_by):
        return None
    try:
        encoding = encoding_name_for_model(name)
    except KeyError:
        return None
    return encoding if encoding in _FILES and _file(encoding).is_file() else None


async def count_tokens(texts: Sequence[str], encoding: str) -> list[int]:
    """How many tokens each text has.

    The first count of an encoding reads its file (0.3 s and some 60 MB for the largest), in a thread.

    Args:
        texts: any texts; what looks like a control token counts as the text it is.
        encoding: what `encoding_of` said.
    """
    if is_loaded(encoding) and sum(map(len, texts)) < _IN_A_THREAD:
        return count_now(texts, encoding)
    return await asyncio.to_thread(count_now, texts, encoding)


def count_now(texts: Sequence[str], encoding: str) -> list[int]:
    """The same at once, in the caller's thread."""
    counter = _load(encoding)
    return [_count(text, encoding, counter) for text in texts]


def is_loaded(encoding: str) -> bool:
    """Whether an encoding's file has been read, so that short texts are counted in no time."""
    return encoding in _Loaded.encodings


class _Loaded:
    """The encodings read so far."""

    encodings: dict[str, Any] = {}  # noqa: RUF012  # one set a process is what this is


def _load(encoding: str) -> Any:
    if encoding not in _Loaded.encodings:
        # What litellm sets too when it is imported: tiktoken then finds the file there and asks nobody for it.
        os.environ["TIKTOKEN_CACHE_DIR"] = str(_folder())
        import tiktoken

        _Loaded.encodings[encoding] = tiktoken.get_encoding(encoding)
        _log.info("encoding.loaded", encoding=encoding)
    return _Loaded.encodings[encoding]


def _count(text: str, encoding: str, counter: Any) -> int:
    key = (encoding, hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    known = _Counts.by_text.get(key)
    if known is not None:
        return known
    pieces = (text[at : at + _PIECE_CHARACTERS] for at in range(0, len(text), _PIECE_CHARACTERS))
    tokens = sum(len(counter.encode_ordinary(piece)) for piece in pieces)
    _Counts.by_text[key] = tokens
    if len(_Counts.by_text) > _CACHED_COUNTS:
        _Counts.by_text.popitem(last=False)
    return tokens


@cache
def _folder() -> Path:
    package = importlib.util.find_spec("litellm")
    places = package.submodule_search_locations if package else None
    return Path(next(iter(places or ("",)))) / "litellm_core_utils" / "tokenizers"


def _file(encoding: str) -> Path:
    return _folder() / hashlib.sha1(_FILES[encoding].encode(), usedforsecurity=False).hexdigest()
