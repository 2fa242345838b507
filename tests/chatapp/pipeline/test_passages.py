from __future__ import annotations

import itertools

import pytest

from chatapp.pipeline.passages import coverage, features, numbers, statements, units, weights

PROSE = """# Results
Net sales rose 4% to $82.9 billion, e.g. in the U.S. and
in Europe (see No. 3). Costs fell.
iPad
iPad sales were flat.

- First point
- Second point. With more.
Products $ 63,355 $ 63,948
Name | Price"""


def test_a_text_is_cut_into_what_a_person_reads() -> None:
    cut = [(PROSE[unit.start : unit.end], unit.is_row, unit.is_heading) for unit in units(PROSE)]
    assert cut == [
        ("# Results", False, True),
        ("Net sales rose 4% to $82.9 billion, e.g. in the U.S. and\nin Europe (see No. 3).", False, False),
        ("Costs fell.", False, False),
        ("iPad", False, False),
        ("iPad sales were flat.", False, False),
        ("- First point", False, False),
        ("- Second point.", False, False),
        ("With more.", False, False),
        ("Products $ 63,355 $ 63,948", True, False),
        ("Name | Price", True, False),
    ]


@pytest.mark.parametrize("text", ["", "   \n\n ", "...", "\u200b", "a" * 5_000, "1 2 3\n" * 500, "。" * 100])
def test_units_of_any_text_are_in_order_and_do_not_overlap(text: str) -> None:
    cut = units(text)
    assert all(0 <= unit.start < unit.end <= len(text) for unit in cut)
    assert all(one.end <= other.start for one, other in itertools.pairwise(cut))


def test_figures_are_the_same_however_they_are_written() -> None:
    assert numbers("$82,959 and 82959.00 and 4.50%") == {"#82959", "#4.5"}
    assert numbers("Q3 of H1") == set()


def test_days_and_years_state_nothing() -> None:
    assert statements("On June 25, 2022 it was 82,959, up 4%") == {"#82959", "#4"}


def test_coverage_is_the_share_of_what_is_wanted() -> None:
    wanted = features("Net sales of 82,959")
    assert coverage(wanted, features("net sale: 82959")) == 1.0
    assert coverage(wanted, features("unrelated")) == 0.0
    assert coverage(wanted, features("net sales")) < 0.5
    assert coverage(set(), features("anything")) == 0.0


def test_rare_features_weigh_more() -> None:
    weight = weights([{"common", "rare"}, {"common"}, {"common"}])
    assert weight["rare"] > weight["common"] > 0
