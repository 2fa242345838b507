from __future__ import annotations

import time

import pytest

from chatapp.pipeline.follow_up import carry_over

pytestmark = pytest.mark.usefixtures("embedder")
SALES = "What were Apple's total net sales in the quarter ended June 25, 2022?"


@pytest.mark.parametrize(
    ("before", "question", "standalone"),
    [
        ([SALES], "And what about Amazon?", "What were Amazon's total net sales in the quarter ended June 25, 2022?"),
        ([SALES], "and for July 1, 2023?", "What were Apple's total net sales in the quarter ended July 1, 2023?"),
        (["How did sales do in 2022?"], "And in 2023?", "How did sales do in 2023?"),
        (["What was revenue in Q3 2022?"], "and Q1 2023?", "What was revenue in Q1 2023?"),
        (["What were Apple's sales in Japan?"], "And in China?", "What were Apple's sales in China?"),
        (["What is the notice period?", "And for managers?"], "And in Spain?", None),
        (
            ["Who is the chairman?"],
            "When was he elected to the board?",
            "Who is the chairman? When was he elected to the board?",
        ),
        (
            ["What is the notice period?"],
            "How long is parental leave for employees?",
            "How long is parental leave for employees?",
        ),
        ([], "And what about 2023?", "And what about 2023?"),
    ],
)
async def test_a_follow_up_stands_alone(before: list[str], question: str, standalone: str | None) -> None:
    made = await carry_over(before, question)
    if standalone is None:
        assert "notice period" in made
        assert "managers" in made
        assert "Spain" in made
    else:
        assert made == standalone


async def test_a_long_history_of_long_questions_is_not_carried_over_whole() -> None:
    earlier = [f"What about it then {'word ' * 500}{number}" for number in range(240)]

    began = time.perf_counter()
    made = await carry_over(earlier, "And what about it and that year really?")

    assert time.perf_counter() - began < 0.1
    assert len(made) < 2_100
    assert made.endswith("239 And what about it and that year really?")


async def test_a_long_question_stands_alone() -> None:
    question = "And it " + "word " * 1_000

    assert await carry_over(["What is the notice period?"], question) == question
