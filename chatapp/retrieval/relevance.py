"""Whether anything found bears on the question: what makes "not in the documents" an answer."""

from __future__ import annotations

_MIN_COSINE = 0.35
_MIN_COVERAGE = 0.5


def is_relevant(best_cosine: float, best_coverage: float, *, is_keyword_only: bool = False) -> bool:
    """Judge the best that was found.

    Args:
        best_cosine: cosine of the nearest chunk, in [-1, 1].
        best_coverage: largest share of the question's terms in one chunk, weighted by rarity, in [0, 1].
        is_keyword_only: there was no vector side, so the cosine says nothing.
    """
    if is_keyword_only:
        return best_coverage >= _MIN_COVERAGE
    return best_cosine >= _MIN_COSINE or best_coverage >= _MIN_COVERAGE
