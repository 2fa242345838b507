"""What a question is about, told by examples that an admin wrote: a nearest-neighbour classifier over embeddings.

An intent's score is the mean cosine of the question with the intent's `NEAREST` most similar examples; the best score
wins, where it reaches `MIN_SCORE`. Taking a few neighbours and not the mean of all of them lets an intent have several
ways of being asked; the threshold keeps questions about something else out.
Sources: T. Cover and P. Hart, Nearest Neighbor Pattern Classification, 1967; L. Zhang et al., Discriminative Nearest
Neighbor Few-Shot Intent Detection by Transferring Natural Language Inference, EMNLP 2020 (nearest neighbours over
sentence embeddings with a threshold for what is out of scope).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chatapp.retrieval.embedder import DIMENSION
from chatapp.routing.facts import Intent

NEAREST = 3
"""Examples of an intent that count."""
MIN_SCORE = 0.35
"""Under it a question shows no intent. Of 39 questions it never saw, 24 about four intents with five examples each and
15 about something else, 37 are told right with it (`tests/chatapp/routing/test_intents.py`): the latter reach 0.27 at
most, the former 0.36 and more but for two."""


@dataclass(frozen=True, slots=True)
class IntentExamples:
    """A tenant's examples."""

    intents: tuple[str, ...]
    """The intent of each row, in alphabetical order."""
    vectors: np.ndarray
    """float32 of shape (n_examples, 384), each row of unit length."""

    @classmethod
    def of(cls, examples: Sequence[tuple[str, bytes]]) -> IntentExamples:
        """The examples as the database keeps them: intent, and the bytes of a float32 vector."""
        ordered = sorted(examples, key=lambda each: each[0])
        vectors = np.frombuffer(b"".join(vector for _, vector in ordered), dtype=np.float32)
        return cls(tuple(intent for intent, _ in ordered), vectors.reshape(len(ordered), DIMENSION))

    def scores(self, embedding: np.ndarray) -> list[Intent]:
        """Every intent with its score, best first.

        Args:
            embedding: float32 of shape (384,), of unit length.
        """
        if not self.intents:
            return []
        cosines = self.vectors @ embedding
        by_intent: dict[str, list[float]] = {}
        for name, cosine in zip(self.intents, cosines.tolist(), strict=True):
            by_intent.setdefault(name, []).append(cosine)
        scored = [Intent(name, _nearest_mean(found)) for name, found in by_intent.items()]
        return sorted(scored, key=lambda each: (-each.score, each.name))

    def classify(self, embedding: np.ndarray) -> Intent:
        """The intent of a question; without a name where it shows none, with the best score there was.

        Args:
            embedding: float32 of shape (384,), of unit length.
        """
        scored = self.scores(embedding)
        best = scored[0] if scored else Intent("", 0.0)
        return best if best.score >= MIN_SCORE else Intent("", best.score)


def _nearest_mean(cosines: Sequence[float]) -> float:
    nearest = sorted(cosines, reverse=True)[:NEAREST]
    return sum(nearest) / len(nearest)
