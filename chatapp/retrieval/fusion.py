"""Two ranked lists to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

_RANK_OFFSET = 60.0
"""How little the first ranks differ. Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009."""


def fuse(keyword: Sequence[UUID], vector: Sequence[UUID]) -> Mapping[UUID, float]:
    """Fuse what both sides found.

    Args:
        keyword: chunk ids, best first.
        vector: chunk ids, best first.

    Returns:
        a score for every id of either list, higher is better, in the order of the scores.
    """
    scores: dict[UUID, float] = {}
    for ranked in (keyword, vector):
        for rank, chunk_id in enumerate(ranked):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + 1.0 / (_RANK_OFFSET + rank)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0].int)))
