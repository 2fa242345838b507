"""S9: embedding one question, against the same model by sentence-transformers on torch in the same process.

Interleaved rounds, medians. Ours has one thread, as in the web process; torch has the machine, as is its default.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from tests.bench.corpora import PROJECT
from tests.bench.row import Row

NAME = "embedding"
_ROUNDS = 7
_QUESTIONS = (
    "How has Apple's total net sales changed over time?",
    "What is the notice period in the contract with the cleaning company?",
    "Which form do I hand in to get my travel costs back, and by when?",
    "Who may approve orders above 10,000 euros?",
    "vacation carry over rules part time",
    "What were the principal influences on operating income as reported in the second quarter of 2023, and how do "
    "they compare with those of the quarter before?",
)

_Embed = Callable[[str], Awaitable[np.ndarray]]


async def run() -> list[Row]:
    """Measure time for a question and the distance to the reference."""
    from chatapp.retrieval import embedder
    from chatapp.retrieval.prepare import load_reference, offline, prepare_embedding_model

    models = Path(os.environ.get("CHATAPP_MODEL_DIR") or PROJECT / ".data" / "models")
    prepare_embedding_model(models)
    with offline():
        reference = load_reference()
    embedder.open_embedder(models, threads=1)
    try:
        await embedder.warm_up()

        async def theirs(question: str) -> np.ndarray:
            return await asyncio.to_thread(
                lambda: np.asarray(reference.encode(question, normalize_embeddings=True, show_progress_bar=False))
            )

        return await _compare(embedder.embed_query, theirs)
    finally:
        embedder.close_embedder()


async def _compare(ours: _Embed, theirs: _Embed) -> list[Row]:
    cosines = [float(await ours(question) @ await theirs(question)) for question in _QUESTIONS]
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(_ROUNDS):
        for who in ("theirs", "ours", "ours", "theirs"):
            times[who] += [await _milliseconds(ours if who == "ours" else theirs, one) for one in _QUESTIONS]
    figure, reference = (statistics.median(times[who]) for who in ("ours", "theirs"))
    peer = "sentence-transformers on torch"
    return [
        Row("embedding one question", figure, "ms p50", peer, reference, figure / reference, "<= 0.5"),
        Row("cosine to the reference, worst", min(cosines), "", peer, 1.0, min(cosines), ">= 0.99"),
    ]


async def _milliseconds(embed: _Embed, question: str) -> float:
    start = time.perf_counter()
    await embed(question)
    return (time.perf_counter() - start) * 1000
