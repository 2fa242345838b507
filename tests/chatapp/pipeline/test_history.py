from __future__ import annotations

from chatapp.domain import PromptMessage
from chatapp.pipeline.history import fit_history
from chatapp.pipeline.tokens import clip_to_tokens, estimate_message_tokens, estimate_tokens


def talk(turns: int, words: int = 50) -> list[PromptMessage]:
    return [
        PromptMessage(role, f"{role} {number} " + "word " * words)
        for number in range(turns)
        for role in ("user", "assistant")
    ]


def test_a_short_conversation_is_kept_word_for_word() -> None:
    assert fit_history(talk(2), 10_000) == tuple(talk(2))


def test_a_long_one_keeps_its_end_and_a_summary_within_the_budget() -> None:
    history = talk(30)
    fitted = fit_history(history, 800)

    assert fitted[0].role == "system"
    assert fitted[0].content.startswith("Earlier in this conversation:")
    assert fitted[1].role == "user"
    assert list(fitted[1:]) == history[-len(fitted) + 1 :]
    assert sum(estimate_message_tokens(message.content) for message in fitted) <= 800


def test_no_budget_keeps_nothing() -> None:
    assert fit_history(talk(3), 0) == ()
    assert fit_history(talk(3), -100) == ()


def test_a_clipped_text_takes_at_most_its_tokens() -> None:
    for text in ("word " * 500, "wörter " * 500, "字" * 500, "x" * 3_000):
        assert estimate_tokens(clip_to_tokens(text, 50)) <= 52
    assert clip_to_tokens("short", 50) == "short"
