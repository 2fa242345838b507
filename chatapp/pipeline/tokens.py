"""Counting tokens where no provider's own tokenizer is at hand."""

from __future__ import annotations

_BYTES_PER_TOKEN = 4
_MESSAGE_TOKENS = 4


def estimate_tokens(text: str) -> int:
    """About how many tokens a language model sees in a text, 0 or more.

    One token for four bytes of UTF-8: English prose is 4 to 4.5 characters a token with every common tokenizer, and
    other scripts take more bytes and more tokens alike.
    Source: https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them
    """
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def estimate_message_tokens(text: str) -> int:
    """The tokens of a text sent as one message, with what frames it."""
    return estimate_tokens(text) + _MESSAGE_TOKENS


def clip_to_tokens(text: str, tokens: int) -> str:
    """The beginning of a text that takes about so many tokens at most, cut between words."""
    if estimate_tokens(text) <= tokens:
        return text
    clipped = text.encode()[: max(0, tokens * _BYTES_PER_TOKEN - 3)].decode(errors="ignore")
    return clipped.rsplit(None, 1)[0] + " …" if clipped.split() else ""
