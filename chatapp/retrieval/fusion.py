"""Two opinions about a chunk to one score.

The score is a weighted sum of what each side says on a scale of its own that means the same for every question:
the cosine, and BM25 by the most it could reach. Ranks (reciprocal rank fusion) and scaling to the best of one
question throw away how good the best is, and did worse on every set measured. Source: Bruch, Gai and Ingber,
"An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 2023, https://doi.org/10.1145/3596512; weights:
`make bench NAME=retrieval_quality`, where they lie on a plateau (0.3 to 0.6, and 0.2 to 0.4, change little).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from chatapp.retrieval.keyword_index import KeywordMatch

CHUNK_WEIGHT = 0.35
"""Weight of the chunk's keyword share; the cosine has 1."""
DOCUMENT_WEIGHT = 0.3
"""Weight of the document's: among 16 like reports it says which one is meant."""
_BEHIND_THE_LAST = 0.1
"""A chunk the vector side did not name is taken to lie this far behind the last it named."""


def fuse(matches: Mapping[UUID, KeywordMatch], cosines: Mapping[UUID, float]) -> dict[UUID, float]:
    """Fuse both sides' opinions.

    Args:
        matches: keyword match by chunk id, of every chunk that either side named.
        cosines: cosine in [-1, 1] by chunk id, of those the vector side named; empty when it is down.

    Returns:
        a score for every chunk of `matches`, higher is better, in the order of the scores.
    """
    unnamed = min(cosines.values()) - _BEHIND_THE_LAST if cosines else 0.0
    scores = {
        chunk_id: cosines.get(chunk_id, unnamed) + CHUNK_WEIGHT * match.share + DOCUMENT_WEIGHT * match.document_share
        for chunk_id, match in matches.items()
    }
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0].int)))
