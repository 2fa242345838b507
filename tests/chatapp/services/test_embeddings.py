from __future__ import annotations

import math
from uuid import uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import embeddings

pytestmark = pytest.mark.usefixtures("embedder")
CHATTER = Actor(uuid4(), uuid4(), frozenset({Permission.CHAT}))


async def test_texts_become_vectors_of_unit_length_in_their_order() -> None:
    made = await embeddings.embed(CHATTER, ["a long text about cats " * 5, "dogs"])
    again = await embeddings.embed(CHATTER, ["dogs"])

    assert [len(vector) for vector in made.vectors] == [384, 384]
    assert math.isclose(sum(value * value for value in made.vectors[0]), 1.0, abs_tol=1e-4)
    assert made.vectors[1] == pytest.approx(again.vectors[0], abs=1e-4)
    assert made.input_tokens > again.input_tokens > 0


@pytest.mark.parametrize("inputs", [[], [""], ["ok", "  "], ["x"] * 2_049, ["x" * 2_000_001]])
async def test_what_cannot_be_embedded_is_refused(inputs: list[str]) -> None:
    with pytest.raises(InvalidInput):
        await embeddings.embed(CHATTER, inputs)


async def test_another_model_is_not_found() -> None:
    with pytest.raises(NotFound):
        await embeddings.embed(CHATTER, ["x"], model="text-embedding-3-small")


async def test_who_may_not_chat_is_refused() -> None:
    with pytest.raises(NotPermitted):
        await embeddings.embed(Actor(uuid4(), uuid4(), frozenset()), ["x"])
