from __future__ import annotations

import pytest

from chatapp.pipeline.table_rows import read_row

STATEMENT = """CONDENSED CONSOLIDATED STATEMENTS OF OPERATIONS (Unaudited)
(In millions, except per share amounts)
Three Months Ended Nine Months Ended
June 25,
2022
June 26,
2021
June 25,
2022
June 26,
2021
Net sales:
Products $ 63,355 $ 63,948 $ 245,241 $ 232,309
Total net sales 82,959 81,434 304,182 282,457
"""
YEARS = """Three Months Ended
September 30,
Nine Months Ended
September 30,
2021 2022 2021 2022
AWS 4,883 (5,403) 13,239 17,636
"""
PIPES = "Name | Price | Stock\nApple | 1.20 | 7\nPear | 0.90 | 12"


def read(text: str, row: str) -> str:
    start = text.index(row)
    end = text.find("\n", start)
    return read_row(text, start, len(text) if end < 0 else end)


def test_each_figure_gets_its_period_and_date() -> None:
    assert read(STATEMENT, "Total net sales") == (
        "Net sales: Total net sales: 82,959 (Three Months Ended June 25, 2022); "
        "81,434 (Three Months Ended June 26, 2021); "
        "304,182 (Nine Months Ended June 25, 2022); 282,457 (Nine Months Ended June 26, 2021)"
    )


def test_years_stand_under_periods_with_their_day() -> None:
    assert read(YEARS, "AWS") == (
        "AWS: 4,883 (Three Months Ended September 30 2021); (5,403) (Three Months Ended September 30 2022); "
        "13,239 (Nine Months Ended September 30 2021); 17,636 (Nine Months Ended September 30 2022)"
    )


def test_cells_are_named_by_the_head_row() -> None:
    assert read(PIPES, "Pear") == "Pear; Price: 0.90; Stock: 12"


@pytest.mark.parametrize(
    "text",
    ["Revenue 1,000 2,000", "2023 2022 2023 2022\nTax rate 12.5 % 15.7 % 14.6 % 16.3 %", "2022 2023\nRevenue 1 2 3"],
)
def test_columns_that_cannot_be_told_are_not_named(text: str) -> None:
    row = text.splitlines()[-1]
    assert read(text, row) == row


def test_cells_with_names_of_their_own_are_told_apart() -> None:
    assert read_row("Name: Pear | Price: 0.90", 0, 24) == "Name: Pear · Price: 0.90"


def test_cells_of_a_tables_later_chunk_are_named_by_its_heading() -> None:
    text = "Pear | 0.90 | 12\nPlum | 2.10 | 3"
    row = read_row(text, text.index("Plum"), len(text), heading="Prices > Name | Price | Stock")
    assert row == "Plum; Price: 2.10; Stock: 3"
    assert read_row(text, text.index("Plum"), len(text), heading="Prices") == "Plum · 2.10 · 3"
