from __future__ import annotations

import numpy as np
import pytest

from chatapp.retrieval.embedder import embed_texts
from chatapp.routing.facts import Intent
from chatapp.routing.intents import MIN_SCORE, NEAREST, IntentExamples

EXAMPLES = {
    "refunds": [
        "How do I get my money back?",
        "When will my refund arrive?",
        "Can I return this item for a refund?",
        "What is the refund policy?",
        "I want to be reimbursed for a cancelled order",
    ],
    "contracts": [
        "When does the contract end?",
        "What is the notice period in the agreement?",
        "Who signed the supplier contract?",
        "Can we terminate the agreement early?",
        "Which clause covers liability?",
    ],
    "holidays": [
        "How many vacation days do I have?",
        "How do I request time off?",
        "Can I carry over unused leave?",
        "Is Good Friday a public holiday?",
        "Who approves my annual leave?",
    ],
    "accounts": [
        "I forgot my password",
        "How do I reset my login?",
        "My account is locked",
        "How do I change my email address?",
        "Two-factor authentication does not work",
    ],
}
HELD_OUT = {
    "refunds": [
        "how long until the refund is on my card",
        "I sent the shoes back, where is my money?",
        "Do you refund shipping costs?",
        "return and refund rules please",
        "Are gift cards refundable?",
        "give me back what I paid",
    ],
    "contracts": [
        "what does the agreement say about liability",
        "how can the contract be terminated",
        "until when does the agreement with the supplier run?",
        "notice period of the lease contract?",
        "who has to sign the contract",
        "is there a penalty for breach of contract",
    ],
    "holidays": [
        "can I take a day off next Friday",
        "how much annual leave is left",
        "do vacation days expire at the end of the year?",
        "who signs off on my leave request?",
        "which public holidays do we have",
        "am I off on Christmas Eve",
    ],
    "accounts": [
        "my password expired",
        "I cannot log in to my account",
        "reset of the second factor",
        "unlock my login please",
        "how can I update the email of my account",
        "the sign-in page rejects me",
    ],
    "": [
        "What was the revenue in the third quarter?",
        "Summarise the safety manual for forklifts",
        "What is the capital of France?",
        "Who won the match yesterday?",
        "Write a function that sorts a list",
        "Which materials were used in the bridge?",
        "How do I calibrate the sensor?",
        "Translate this into Spanish",
        "What are the side effects of the medicine?",
        "List the risks named in the annual report",
        "How many people work in the Berlin office?",
        "Which supplier delivers the steel?",
        "How long is the warranty on the pump?",
        "What is the dress code?",
        "How many days does shipping take?",
    ],
}


async def _examples() -> IntentExamples:
    pairs = [(intent, text) for intent, texts in EXAMPLES.items() for text in texts]
    vectors = await embed_texts([text for _, text in pairs])
    return IntentExamples.of([(intent, vector.tobytes()) for (intent, _), vector in zip(pairs, vectors, strict=True)])


@pytest.mark.usefixtures("embedder")
async def test_of_39_questions_it_never_saw_37_are_told_right() -> None:
    examples = await _examples()
    asked = [(intent, text) for intent, texts in HELD_OUT.items() for text in texts]
    vectors = await embed_texts([text for _, text in asked])
    found = [examples.classify(vector) for vector in vectors]
    wrong = [(text, intent, each) for (intent, text), each in zip(asked, found, strict=True) if each.name != intent]
    assert len(asked) == 39
    assert len(wrong) <= 2, wrong


def _unit(*numbers: float) -> np.ndarray:
    vector = np.zeros(384, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def _of(*examples: tuple[str, np.ndarray]) -> IntentExamples:
    return IntentExamples.of([(intent, vector.astype(np.float32).tobytes()) for intent, vector in examples])


def test_only_the_nearest_examples_of_an_intent_count() -> None:
    near, far = _unit(1, 0.1), _unit(0, 0, 1)
    examples = _of(*[("many", near)] * NEAREST, *[("many", far)] * 20, ("other", _unit(1, 1)))
    assert examples.classify(_unit(1)).name == "many"
    assert examples.classify(_unit(1)).score == pytest.approx(float(near @ _unit(1)), abs=1e-6)


def test_under_the_threshold_there_is_no_intent_and_the_score_is_still_told() -> None:
    just_under = _unit(MIN_SCORE - 0.01, np.sqrt(1 - (MIN_SCORE - 0.01) ** 2))
    found = _of(("a", just_under)).classify(_unit(1))
    assert (found.name, round(found.score, 2)) == ("", round(MIN_SCORE - 0.01, 2))


def test_without_examples_nothing_shows_an_intent() -> None:
    assert _of().classify(_unit(1)) == Intent("", 0.0)
    assert _of().scores(_unit(1)) == []


def test_equal_scores_are_told_by_name_so_that_the_answer_is_always_the_same() -> None:
    examples = _of(("b", _unit(1)), ("a", _unit(1)))
    assert [each.name for each in examples.scores(_unit(1))] == ["a", "b"]
