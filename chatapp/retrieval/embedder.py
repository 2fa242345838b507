"""Texts to vectors: the prepared model on onnxruntime, in threads of its own.

`prepare` makes the model; this module runs it and never imports torch. The model reads at most
`MAX_WORD_PIECES` pieces of a text and does not see the rest, so whatever is longer is cut there.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Encoding, Tokenizer

MODEL_NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
MAX_WORD_PIECES = 256
"""Pieces the model reads of one text, its own two markers included."""
MARKER_PIECES = 2
"""Pieces the model adds to each text: one in front, one behind."""

FORMAT = 1
"""Grows when what `prepare` writes changes, so that an older folder is made again."""
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
META_FILE = "meta.json"

_MAX_CHARACTERS = 16_384
"""Far behind the last word piece the model reads; a text of megabytes is not split into pieces to be thrown away."""
_BATCH_PIECES = 2_048
"""Padded pieces in one run. Measured: throughput is flat from 700 to 4,000, and memory grows with it."""

_Result = TypeVar("_Result")


class ModelNotPrepared(RuntimeError):
    """The embedding model is not prepared. Run `python -m chatapp prepare`."""

    def __init__(self, folder: Path) -> None:
        """Name the folder that was expected."""
        super().__init__(f"no embedding model in {folder}: run `python -m chatapp prepare`")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A loaded model. Its calls block: use the functions of this module from the event loop."""

    session: onnxruntime.InferenceSession
    tokenizer: Tokenizer

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed one batch, padded to its longest text.

        Args:
            texts: any number of texts; each is cut at `MAX_WORD_PIECES`.

        Returns:
            float32 of shape (n_texts, 384), each row of unit length.
        """
        return self._run([_cut(encoding) for encoding in self._encode(texts)])

    def embed_sorted(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Embed many texts in batches of like length, so that little is computed for padding.

        Yields:
            positions in `texts`, and float32 of shape (n_positions, 384) for them.
        """
        pieces = [_cut(encoding) for encoding in self._encode(texts)]
        for batch in _batches([len(piece) for piece in pieces]):
            yield np.asarray(batch), self._run([pieces[position] for position in batch])

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self.tokenizer.encode_batch([_clean(text[:_MAX_CHARACTERS]) for text in texts])

    def _run(self, pieces: Sequence[Sequence[int]]) -> np.ndarray:
        if not pieces:
            return np.zeros((0, DIMENSION), dtype=np.float32)
        input_ids = np.zeros((len(pieces), max(map(len, pieces))), dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, ids in enumerate(pieces):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        outputs = self.session.run(["embedding"], {"input_ids": input_ids, "attention_mask": attention_mask})
        return np.asarray(outputs[0], dtype=np.float32)


class _Embedder:
    """The process's embedder; opened and closed by the lifespan."""

    folder: Path | None = None
    threads: int = 1
    model: EmbeddingModel | None = None
    tokenizer: Tokenizer | None = None
    executor: ThreadPoolExecutor | None = None
    lock = threading.Lock()


def open_embedder(model_dir: Path, *, threads: int) -> None:
    """Say where the model is. It is loaded on first use, in a thread.

    Args:
        model_dir: folder of prepared models, as `Settings.effective_model_dir` gives it.
        threads: cores one embedding may take, at least 1. The web process gives 1 so that a question never takes
            the cores from the others; the worker may give all.

    Raises:
        ModelNotPrepared: the model is not there.
    """
    if not is_prepared(model_dir):
        raise ModelNotPrepared(model_folder(model_dir))
    close_embedder()
    _Embedder.folder = model_folder(model_dir)
    _Embedder.threads = max(1, threads)
    # A pool of its own, as wide as the machine: embedding neither starves other blocking work nor oversubscribes.
    workers = max(1, (os.cpu_count() or 1) // _Embedder.threads)
    _Embedder.executor = ThreadPoolExecutor(workers, thread_name_prefix="embed")


def close_embedder() -> None:
    """Let the model go. Embeddings under way finish first."""
    if _Embedder.executor is not None:
        _Embedder.executor.shutdown(wait=True, cancel_futures=True)
    _Embedder.folder = _Embedder.model = _Embedder.tokenizer = _Embedder.executor = None


async def warm_up() -> None:
    """Load the model now (some 0.3 s, in a thread), so that the first question need not wait for it."""
    await _in_thread(_loaded_model)


async def embed_query(text: str) -> np.ndarray:
    """Embed one question.

    Args:
        text: the question; cut at `MAX_WORD_PIECES`. An empty one gives a valid, meaningless vector.

    Returns:
        float32 of shape (384,), of unit length.
    """
    vectors = await _in_thread(lambda: _loaded_model().embed([text]))
    return vectors[0]


async def embed_texts(texts: Sequence[str]) -> np.ndarray:
    """Embed many texts; the event loop stays free, and cancelling ends it behind the batch under way.

    Args:
        texts: any number, in any order; each is cut at `MAX_WORD_PIECES`.

    Returns:
        float32 of shape (n_texts, 384) in the order of `texts`, each row of unit length.
    """
    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    if not texts:
        return vectors
    batches = await _in_thread(lambda: _loaded_model().embed_sorted(texts))
    while (batch := await _in_thread(lambda: next(batches, None))) is not None:
        positions, rows = batch
        vectors[positions] = rows
    return vectors


def count_word_pieces(text: str) -> int:
    """Count the pieces the model would read, without its own two markers and without a limit.

    A text fits the model when this plus `MARKER_PIECES` is at most `MAX_WORD_PIECES`. Blocking, some 0.1 ms a
    paragraph.
    """
    return count_word_pieces_each([text])[0]


def count_word_pieces_each(texts: Sequence[str]) -> list[int]:
    """`count_word_pieces` of many texts at once, in their order; several times as fast as one by one."""
    encodings = _loaded_tokenizer().encode_batch([_clean(text) for text in texts], add_special_tokens=False)
    return [len(encoding.ids) for encoding in encodings]


def model_folder(model_dir: Path) -> Path:
    """Where in the folder of prepared models this one is."""
    return model_dir / MODEL_NAME


def is_prepared(model_dir: Path) -> bool:
    """Whether `prepare` has been here, with what this version expects."""
    folder = model_folder(model_dir)
    try:
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    complete = all((folder / name).is_file() for name in (MODEL_FILE, TOKENIZER_FILE))
    return complete and meta.get("format") == FORMAT and meta.get("model") == MODEL_NAME


def read_model(folder: Path, *, threads: int) -> EmbeddingModel:
    """Load the model in `folder`; blocking, some 0.3 s.

    Args:
        folder: holds the model, its tokenizer and nothing else of interest.
        threads: cores one run may take, at least 1.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait would take a core from the web process between two questions.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"])
    return EmbeddingModel(session, _read_tokenizer(folder))


def _read_tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    # The file's own limit and padding belong to other uses; `_cut` and `_run` decide here.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _opened_folder() -> Path:
    if _Embedder.folder is None:
        raise RuntimeError("the embedder is not open: run inside the lifespan")
    return _Embedder.folder


def _loaded_model() -> EmbeddingModel:
    with _Embedder.lock:
        if _Embedder.model is None:
            _Embedder.model = read_model(_opened_folder(), threads=_Embedder.threads)
        return _Embedder.model


def _loaded_tokenizer() -> Tokenizer:
    with _Embedder.lock:
        if _Embedder.tokenizer is None:
            _Embedder.tokenizer = _Embedder.model.tokenizer if _Embedder.model else _read_tokenizer(_opened_folder())
        return _Embedder.tokenizer


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    _opened_folder()
    return await asyncio.get_running_loop().run_in_executor(_Embedder.executor, work)


def _clean(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cut(encoding: Encoding) -> list[int]:
    """The first pieces up to the limit, closed by the model's end marker."""
    ids = encoding.ids
    return ids if len(ids) <= MAX_WORD_PIECES else [*ids[: MAX_WORD_PIECES - 1], ids[-1]]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions by length, longest first, in groups of at most `_BATCH_PIECES` when padded."""
    order = sorted(range(len(lengths)), key=lambda position: -lengths[position])
    start = 0
    while start < len(order):
        # The first is the longest of its batch, so it alone decides how many fit.
        size = max(1, _BATCH_PIECES // lengths[order[start]])
        yield order[start : start + size]
        start += size
