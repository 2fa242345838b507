from __future__ import annotations

import pytest

from chatapp.pipeline.excerpts import _is_title, _plain, _without_furniture


@pytest.mark.parametrize(
    ("line", "page"),
    [
        ("Apple Inc. | Q3 2022 Form 10-Q | 17", 20),
        ("17", 17),
        ("Financial Statements Notes to Financial Statements 9", 11),
        ("Page 3 of 12", 3),
        ("4 Annual report 2023", 4),
    ],
)
def test_a_pages_foot_is_not_quoted(line: str, page: int) -> None:
    assert _without_furniture(line, page) == ""
    assert _without_furniture(f"Sales rose by 3% in \n{line}", page) == "Sales rose by 3% in "
    assert _without_furniture(f"{line}\nSales rose.", page) == "Sales rose."


@pytest.mark.parametrize(
    "line",
    [
        "Employees | 1,204 | 17",
        "Provision for income taxes 5,625 17",
        "Lamps sold 412",
        "In all there were 17.",
        "Net sales rose in the third quarter of 2022",
    ],
)
def test_a_row_or_sentence_with_a_figure_is_no_foot(line: str) -> None:
    assert _without_furniture(line, 20) == line


@pytest.mark.parametrize(
    ("text", "is_title"),
    [
        ("Liquidity and Capital Resources", True),
        ("CONDENSED CONSOLIDATED STATEMENTS OF OPERATIONS (Unaudited)", True),
        ("Note 5 – Net Income Per Share", True),
        ("Refunds are paid within 14 days", False),
        ("Apple Inc. Repurchased Shares Worth $19.0 Billion.", False),
        ("14 days, from the day the parcel comes back", False),
        ("12 345", False),
    ],
)
def test_a_line_of_capitals_without_a_full_stop_is_a_title(text: str, is_title: bool) -> None:
    assert _is_title(text) is is_title


def test_the_number_of_the_next_item_is_not_quoted() -> None:
    assert _plain("I have reviewed this report; \n4.") == "I have reviewed this report;"
    assert _plain("- They met in **1994**.") == "They met in 1994."
