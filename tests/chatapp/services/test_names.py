from __future__ import annotations

import pytest

from chatapp.errors import InvalidInput
from chatapp.services.names import valid_name

_WHAT = "the group a name"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Sales \t team\n", "Sales team"),
        ("Zo\u00eb \U0001f469\u200d\U0001f4bb", "Zo\u00eb \U0001f469\u200d\U0001f4bb"),
    ],
    ids=["blanks", "joined emoji"],
)
def test_a_name_is_kept_with_its_blanks_in_order(typed: str, kept: str) -> None:
    assert valid_name(typed, what=_WHAT, max_characters=20) == kept


@pytest.mark.parametrize(
    "typed",
    ["", " \t", "\u200d", "Sales\u200b", "\u202etxt.exe", "\ufeffSales", "a\x1bb", "x" * 21],
    ids=["empty", "blanks", "a joiner", "no width", "turned round", "mark", "escape", "too long"],
)
def test_what_is_empty_or_not_seen_is_no_name(typed: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        valid_name(typed, what=_WHAT, max_characters=20)

    assert refusal.value.param == "name"
