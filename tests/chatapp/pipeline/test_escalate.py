from __future__ import annotations

from uuid import UUID

import pytest

from chatapp.domain import Citation, Support
from chatapp.pipeline.escalate import supported_statements

NOBODY = UUID(int=0)


def _citation(start: int, support: Support) -> Citation:
    return Citation(1, NOBODY, "a.txt", 1, "quote", 0, 5, start, start + 5, NOBODY, support=support)


@pytest.mark.parametrize(
    ("cited", "expected"),
    [
        ([], (0, 0)),
        ([(0, Support.SUPPORTED)], (1, 1)),
        ([(0, Support.WEAK), (9, Support.NONE)], (0, 2)),
        ([(0, Support.SUPPORTED), (9, Support.WEAK)], (1, 2)),
        # Two marks of one statement: one source that carries it is enough, in whichever order.
        ([(0, Support.NONE), (0, Support.SUPPORTED)], (1, 1)),
        ([(0, Support.SUPPORTED), (0, Support.NONE)], (1, 1)),
    ],
)
def test_a_statement_counts_once_and_is_carried_by_any_of_its_sources(
    cited: list[tuple[int, Support]], expected: tuple[int, int]
) -> None:
    assert supported_statements([_citation(*each) for each in cited]) == expected
