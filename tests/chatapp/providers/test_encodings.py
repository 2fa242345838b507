from __future__ import annotations

import asyncio
import random
import sys

import pytest

from chatapp.providers.encodings import count_now, count_tokens, encoding_of

_NO_BLANKS = "".join(random.Random(3).choice("abcdefghij") for _ in range(200_000))


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-4.1", "o200k_base"),
        ("azure/gpt-35-turbo", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
        ("anthropic/claude-sonnet-4-5", None),
        ("llama3.1:8b", None),
        ("text-davinci-003", None),
        ("other/gpt-4o", None),
    ],
)
def test_a_models_encoding_is_known_where_its_file_is_at_hand(model: str, encoding: str | None) -> None:
    assert encoding_of(model) == encoding


async def test_tokens_are_counted_as_openai_counts_them_without_importing_litellm() -> None:
    # Source of the numbers: https://platform.openai.com/tokenizer
    assert await count_tokens(["hello world", "", "tiktoken is great!"], "cl100k_base") == [2, 0, 6]
    assert "litellm" not in sys.modules or "litellm.main" in sys.modules


def test_what_looks_like_a_control_token_is_text() -> None:
    assert count_now(["<|endoftext|>"], "cl100k_base")[0] > 1


@pytest.mark.parametrize("text", ["a" * 200_000, " " * 200_000, "字" * 200_000, _NO_BLANKS], ids=["a", " ", "字", "no"])
async def test_the_longest_input_is_counted_piece_by_piece_beside_the_loop(text: str) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    (tokens,) = await count_tokens([text], "o200k_base")
    other.cancel()
    whole = count_now([text[:2_000]], "o200k_base")[0] * 100
    assert turns > 0
    assert 0.9 * whole <= tokens <= 1.1 * whole
