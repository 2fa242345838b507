from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chatapp.retrieval import embedder as part
from chatapp.retrieval.embedder import (
    DIMENSION,
    MARKER_PIECES,
    MAX_WORD_PIECES,
    ModelNotPrepared,
    count_word_pieces,
    count_word_pieces_each,
    embed_query,
    embed_texts,
    open_embedder,
)
from chatapp.settings import Settings

TEXTS = (
    "Net sales rose.",
    "",
    "A much longer passage about the weather, which goes on for a while. " * 12,
    "Größe, 売上高, \U0001f600 and \x00.",
    "Net sales rose.",
)


async def test_a_question_gives_one_unit_vector(embedder: None):
    vector = await embed_query("How much were the net sales?")
    assert vector.shape == (DIMENSION,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


async def test_texts_come_back_in_their_order_and_as_if_embedded_alone(embedder: None):
    vectors = await embed_texts(TEXTS)
    alone = np.stack([await embed_query(text) for text in TEXTS])
    assert (vectors * alone).sum(1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-4)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


async def test_likeness_of_meaning_is_likeness_of_vectors(embedder: None):
    near, far, question = await embed_texts(
        ["Employees have thirty days of paid holiday.", "The dog is called Bruno.", "How much vacation do I get?"]
    )
    assert near @ question > far @ question + 0.2


async def test_no_text_gives_no_vector(embedder: None):
    assert (await embed_texts([])).shape == (0, DIMENSION)


async def test_what_is_behind_the_limit_is_not_seen(embedder: None):
    words = "alpha " * (MAX_WORD_PIECES - MARKER_PIECES)
    cut, longer = await embed_texts([words, words + "completely different words about the sea " * 50])
    assert cut @ longer == pytest.approx(1.0, abs=1e-5)


async def test_a_megabyte_is_embedded_at_once(embedder: None):
    await part.warm_up()
    start = time.perf_counter()
    await embed_query("word " * 200_000)
    assert time.perf_counter() - start < 5


async def test_a_lone_surrogate_is_no_obstacle(embedder: None):
    assert np.isfinite(await embed_query("broken \ud83d text")).all()
    assert count_word_pieces("\ud83d") >= 1


async def test_the_event_loop_stays_free_while_texts_are_embedded(embedder: None):
    await part.warm_up()
    work = asyncio.create_task(embed_texts([text * 3 for text in TEXTS] * 20))
    latest, previous = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        latest, previous = max(latest, now - previous), now
    assert (await work).shape == (100, DIMENSION)
    # One batch alone takes longer than that.
    assert latest < 0.5


async def test_cancelling_ends_the_work_behind_the_batch_under_way(embedder: None):
    await part.warm_up()
    work = asyncio.create_task(embed_texts(["a longer text about nothing at all " * 30] * 2_000))
    await asyncio.sleep(0.2)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    start = time.perf_counter()
    await embed_query("still answers")
    assert time.perf_counter() - start < 10


def test_word_pieces_are_counted_without_the_markers(embedder: None):
    assert count_word_pieces("") == 0
    assert count_word_pieces("net sales") == 2
    assert count_word_pieces_each(["net sales", "", "net"]) == [2, 0, 1]
    assert count_word_pieces("word " * 1_000) == 1_000


def test_a_folder_without_the_model_says_what_to_run(tmp_path: Path):
    with pytest.raises(ModelNotPrepared, match="chatapp prepare"):
        open_embedder(tmp_path, threads=1)


async def test_an_embedder_that_is_not_open_says_so():
    part.close_embedder()
    with pytest.raises(RuntimeError, match="lifespan"):
        await embed_query("hello")


def test_torch_is_never_imported(embedding_model: None, settings: Settings):
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from chatapp.retrieval import embedder, retrieve\n"
        f"embedder.open_embedder(Path({str(settings.effective_model_dir)!r}), threads=1)\n"
        "asyncio.run(embedder.embed_texts(['one', 'two']))\n"
        "embedder.close_embedder()\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'chromadb'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
