from __future__ import annotations

import pytest

from chatapp.routing.continuation import Continuation

WRITTEN = "Refunds are paid within 14 days of the return, and gift cards are"
REST = " refunded as store credit. Postage is paid by the shop."


def _joined(written: str, continued: str, size: int) -> str:
    joint = Continuation(written)
    pieces = [joint.feed(continued[at : at + size]) for at in range(0, len(continued), size)]
    return written + "".join(pieces) + joint.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1_000])
@pytest.mark.parametrize(
    "continued",
    [
        pytest.param(REST, id="goes on"),
        pytest.param("gift cards are" + REST, id="repeats the last words"),
        pytest.param(WRITTEN + REST, id="begins anew"),
        pytest.param(WRITTEN[-30:] + REST, id="repeats from inside a word"),
    ],
)
def test_the_joined_answer_says_everything_once_however_it_is_cut(continued: str, size: int) -> None:
    assert _joined(WRITTEN, continued, size) == WRITTEN + REST


@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_a_new_beginning_with_other_words_follows_behind_an_ellipsis(size: int) -> None:
    other = "Refunds are paid within 14 days of the return. Nothing is known of gift cards."
    joined = _joined(WRITTEN, other, size)
    assert joined == f"{WRITTEN} … . Nothing is known of gift cards."
    assert joined.count("Refunds are paid") == 1


def test_a_word_alike_by_chance_is_kept() -> None:
    assert _joined("The answer is ha", "ha, said he.", 1) == "The answer is haha, said he."


def test_an_answer_that_only_repeats_adds_nothing() -> None:
    assert _joined(WRITTEN, WRITTEN, 4) == WRITTEN
    assert _joined(WRITTEN, "", 4) == WRITTEN


@pytest.mark.parametrize("size", [1, 9])
def test_letters_outside_of_english_are_joined_too(size: int) -> None:
    written = "Die Rückerstattung erfolgt binnen 14 Tagen über das Konto – für Gutscheine"
    assert _joined(written, "für Gutscheine gilt 返金 später.", size) == f"{written} gilt 返金 später."
