"""Whether anything found bears on the question: what makes "not in the documents" an answer.

The signal is the nearest chunk's cosine and the largest share of the question's terms in one chunk; the bar rises
with the number of chunks, because among more of them something comes near by chance. Calibrated on questions put to
the set they belong to and to others, and on questions of the public about anything
(`make bench NAME=retrieval_quality`): of those that belong under 1 % are turned away, of the others 88 to 99 %; what
is let through lies near, such as questions about investing put to financial reports.
"""

from __future__ import annotations

import math

_COVERAGE_WEIGHT = 0.3
_BAR = 0.29
_BAR_PER_DECADE = 0.066
"""The largest of n chance cosines grows with the root of log n; over the sizes that occur a line is as good."""
_FULL_COVERAGE = 0.99
"""All terms of the question in one chunk: a name or a number has no meaning to be near to, and is found by itself."""
_KEYWORD_ONLY_COVERAGE = 0.4


def is_relevant(best_cosine: float, best_coverage: float, *, chunk_count: int, is_keyword_only: bool = False) -> bool:
    """Judge the best that was found.

    Args:
        best_cosine: cosine of the nearest chunk, in [-1, 1].
        best_coverage: largest share of the question's terms in one chunk, weighted by rarity, in [0, 1].
        chunk_count: chunks searched.
        is_keyword_only: there was no vector side, so the cosine says nothing.
    """
    if best_coverage >= _FULL_COVERAGE:
        return True
    if is_keyword_only:
        return best_coverage >= _KEYWORD_ONLY_COVERAGE
    bar = _BAR + _BAR_PER_DECADE * math.log10(max(1, chunk_count))
    return best_cosine + _COVERAGE_WEIGHT * best_coverage >= bar
