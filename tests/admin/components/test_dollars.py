from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import BaseModel

from admin.components.dollars import in_dollars, in_micro_usd, price_field
from admin.components.form_fields import fields_of, read


class _Form(BaseModel):
    price: Decimal = price_field("Price")
    other: Decimal | None = price_field("Other", default=None)


@pytest.mark.parametrize(
    ("micro_usd", "dollars"),
    [(400_000, "0.4"), (0, "0"), (1, "0.000001"), (15_000_000, "15"), (100_000_000, "100"), (75_000, "0.075")],
)
def test_a_price_is_written_in_dollars_and_read_back(micro_usd: int, dollars: str) -> None:
    assert in_dollars(micro_usd) == dollars
    entered, problems = read(_Form, {"price": dollars, "other": ""})
    assert isinstance(entered, _Form)
    assert (in_micro_usd(entered.price), in_micro_usd(entered.other), problems) == (micro_usd, None, {})


def test_a_price_nobody_named_is_blank() -> None:
    assert in_dollars(None) == ""


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Fill this in."),
        ("free", "Write a number, with a point before its decimals."),
        ("0,4", "Write a number, with a point before its decimals."),
        ("0.0000001", "At most 6 digits after the point."),
        ("-1", "At least 0."),
        ("2001", "At most 2000."),
        ("NaN", "Input should be a finite number."),
    ],
)
def test_what_is_no_price_is_told(typed: str, sentence: str) -> None:
    entered, problems = read(_Form, {"price": typed, "other": None})
    assert entered is None
    assert problems == {"price": sentence}


def test_the_unit_stands_in_the_field() -> None:
    assert [spec["unit"] for spec in fields_of(_Form)] == ["$ / M tokens"] * 2
