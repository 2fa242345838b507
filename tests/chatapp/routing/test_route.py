from __future__ import annotations

import pytest

from chatapp.domain import Usage
from chatapp.routing.route import price_micro_usd


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 1_000_000), 3_000_000 + 15_000_000),
        (Usage(1_000_000, 0, cached_input_tokens=400_000), 1_800_000 + 120_000),
        (Usage(1_000_000, 0, cached_input_tokens=400_000, cache_write_tokens=200_000), 1_800_000 + 120_000 + 150_000),
        (Usage(1, 0), 3),
        (Usage(0, 0), 0),
    ],
)
def test_kept_input_costs_its_own_price_and_keeping_it_a_quarter_more(usage: Usage, cost: int) -> None:
    prices = {"input_micro_usd_per_mtok": 3_000_000, "output_micro_usd_per_mtok": 15_000_000}
    assert price_micro_usd(usage, **prices, cached_input_micro_usd_per_mtok=300_000) == cost


def test_without_a_price_of_its_own_kept_input_costs_what_other_input_does() -> None:
    usage = Usage(1_000, 0, cached_input_tokens=900)
    prices = {"input_micro_usd_per_mtok": 2_000_000, "output_micro_usd_per_mtok": 0}
    assert price_micro_usd(usage, **prices, cached_input_micro_usd_per_mtok=None) == 2_000


def test_usage_of_several_calls_adds_up() -> None:
    total = Usage(10, 2, 4, cache_write_tokens=3) + Usage(5, 1, 1, is_estimated=True, cache_write_tokens=2)
    assert total == Usage(15, 3, 5, is_estimated=True, cache_write_tokens=5)
