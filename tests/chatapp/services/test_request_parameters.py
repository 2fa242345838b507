from __future__ import annotations

import pytest

from chatapp.domain import Actor
from chatapp.errors import InvalidInput
from chatapp.services import turns
from tests.fixtures.providers import AddModel
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")

AS_JSON = {"response_format": {"type": "json_object"}}


async def test_what_changes_an_answer_reaches_the_provider(
    actor: Actor, add_model: AddModel, provider: Upstream
) -> None:
    wanted = AS_JSON | {"reasoning_effort": "low", "verbosity": "low", "logit_bias": {"50256": -100.0}, "seed": 7}

    turn = await turns.start(
        actor, question="Hi", model=await add_model("scripted"), collection_ids=[], parameters=wanted | {"user": "u"}
    )
    await turns.wait(actor, turn.id)

    sent = provider.calls[-1].body
    assert {name: sent.get(name) for name in wanted} == wanted
    assert "user" not in sent


async def test_a_model_that_quotes_refuses_a_form_it_cannot_write(
    actor: Actor, other_actor: Actor, built_in_model: str
) -> None:
    for asker in (actor, other_actor):
        with pytest.raises(InvalidInput) as refused:
            await turns.start(asker, question="Hi", model=built_in_model, collection_ids=[], parameters=AS_JSON)
        assert refused.value.param == "response_format"

    as_text = {"response_format": {"type": "text"}, "reasoning_effort": "low"}
    turn = await turns.start(actor, question="Hi", model=built_in_model, collection_ids=[], parameters=as_text)
    await turns.wait(actor, turn.id)
