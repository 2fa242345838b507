"""Use cases of embeddings: the product's own model, for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound
from chatapp.retrieval.embedder import DIMENSION, MODEL_NAME, count_word_pieces_each, embed_texts

MAX_INPUTS = 2_048
"""As many as OpenAI's API takes in one request."""
_MAX_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the texts, each of `DIMENSION` numbers and unit length."""

    model: str
    vectors: list[list[float]]
    input_tokens: int


async def embed(actor: Actor, inputs: Sequence[str], *, model: str = MODEL_NAME) -> Embeddings:
    """Embed texts.

    Args:
        actor: who asks.
        inputs: 1 to `MAX_INPUTS` texts, none of them empty; each is read up to 256 word pieces.
        model: the only one is `MODEL_NAME`.

    Raises:
        NotPermitted: the actor may not chat.
        InvalidInput: no text, too many, too long, or an empty one.
        NotFound: there is no such embedding model.
    """
    actor.require(Permission.CHAT)
    if model != MODEL_NAME:
        raise NotFound(f"There is no embedding model named “{model}”; there is “{MODEL_NAME}”.", param="model")
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise InvalidInput(f"Send 1 to {MAX_INPUTS:,} texts.", param="input")
    if any(not text.strip() for text in inputs):
        raise InvalidInput("A text is empty.", param="input")
    if sum(map(len, inputs)) > _MAX_CHARACTERS:
        raise InvalidInput(f"The texts are longer than {_MAX_CHARACTERS:,} characters together.", param="input")
    vectors = await embed_texts(inputs)
    tokens = await asyncio.to_thread(count_word_pieces_each, list(inputs))
    return Embeddings(MODEL_NAME, vectors.reshape(-1, DIMENSION).tolist(), sum(tokens))
