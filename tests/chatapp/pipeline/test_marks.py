from __future__ import annotations

import random

import pytest

from chatapp.pipeline.marks import MarkFilter, find_marks

TEXT = (
    "Sales grew [9]. Up [1, 2] and 【3†source】 but `a[9]` then ```\nx[9] = y[1]\n``` end [2][8] a`b [9]\n"
    "next [ 1 ] line [7] d [1"
)
UNIFORM = "Sales grew. Up [1][2] and [3] but `a[9]` then ```\nx[9] = y[1]\n``` end [2] a`b [9]\nnext [1] line d [1"


FORMULAS = (
    "Let $x[2] = y_{[1]}$ [2], \\$5 [9] to $6 [1]\n~~~py\na[2] = b[9]\n~~\n~~~~\nthen $$\nz[1]\n+ 1$$ and "
    "\\(a[3]\\) or \\[b[3]\\] but $AAPL rose [3] and $$ too [2]\n\n~~gone [9]~~ $a$5 [1] $b[2] $"
)
READ = (
    "Let $x[2] = y_{[1]}$ [1], \\$5 to $6 [2]\n~~~py\na[2] = b[9]\n~~\n~~~~\nthen $$\nz[1]\n+ 1$$ and "
    "\\(a[3]\\) or \\[b[3]\\] but $AAPL rose [3] and $$ too [1]\n\n~~gone~~ $a$5 [2] $b[1] $"
)


def passed(pieces: list[str], known: int = 3) -> str:
    marks = MarkFilter(known)
    return "".join(marks.feed(piece) for piece in pieces) + marks.finish()


def test_marks_become_uniform_and_unknown_ones_go() -> None:
    assert passed([TEXT]) == UNIFORM


def test_code_and_formulas_are_left_alone() -> None:
    assert passed([FORMULAS]) == READ
    assert [mark.number for mark in find_marks(READ)] == [1, 2, 3, 1, 2, 1]


@pytest.mark.parametrize("opening", ["$x", "$$", "\\[", "\\("])
def test_what_closes_too_late_to_be_a_formula_holds_nothing_back(opening: str) -> None:
    marks = MarkFilter(2)
    text = opening + "y" * 1_200
    assert len(marks.feed(text)) == len(text)
    assert marks.feed(" [2] ") + marks.finish() == " [1] "


@pytest.mark.parametrize(("text", "uniform"), [(TEXT, UNIFORM), (FORMULAS, READ)], ids=["marks", "formulas"])
def test_the_text_is_the_same_however_it_is_cut(text: str, uniform: str) -> None:
    choice = random.Random(2)
    twos = [[text[:cut], text[cut:]] for cut in range(len(text))]
    many = []
    for _ in range(1_000):
        cuts = sorted(choice.choices(range(len(text)), k=choice.randint(2, 60)))
        many.append([text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)])
    for pieces in [*twos, *many, list(text)]:
        assert passed(pieces) == uniform, pieces


def test_sources_are_numbered_in_the_order_in_which_they_are_mentioned() -> None:
    text, answer = "Up [4], down [2][4], `[1]` flat [5, 2]. [9]", "Up [1], down [2][1], `[1]` flat [3][2]."
    for pieces in ([text], list(text)):
        marks = MarkFilter(5)
        assert "".join(map(marks.feed, pieces)) + marks.finish() == answer
        assert marks.mentioned == [4, 2, 5]


def test_without_sources_every_text_passes_at_once() -> None:
    marks = MarkFilter(0)
    assert marks.feed("array[1] ") == "array[1] "


def test_text_without_a_mark_is_delayed_by_a_blank_at_most() -> None:
    marks = MarkFilter(2)
    assert [marks.feed(piece) for piece in ("Plain ", "words ", "only.")] == ["Plain", " words", " only."]


@pytest.mark.parametrize("text", [TEXT, UNIFORM])
def test_marks_are_found_outside_code_only(text: str) -> None:
    answer = passed([text])
    assert [mark.number for mark in find_marks(answer)] == [1, 2, 3, 2, 1]
    assert all(answer[mark.start : mark.end] == f"[{mark.number}]" for mark in find_marks(answer))


@pytest.mark.parametrize("text", ["A share in [0, 1] is good.", "Take `a` or a[0] of it.", "$x \\in [0, 255]$"])
def test_an_interval_or_index_from_nought_is_no_mark(text: str) -> None:
    assert passed([text]) == text
    assert passed(list(text)) == text
    assert find_marks(text) == []
