from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from chatapp.retrieval import prepare
from chatapp.retrieval.embedder import META_FILE, MODEL_FILE, TOKENIZER_FILE, is_prepared, model_folder, read_model
from chatapp.retrieval.prepare import ModelMismatch, load_reference, offline, prepare_embedding_model
from tests.fixtures.surroundings import MODEL_DIR

pytestmark = pytest.mark.usefixtures("embedding_model")


def copy_model(target: Path) -> Path:
    """A prepared folder of the test's own, whose large file is a link."""
    folder = model_folder(target)
    folder.mkdir(parents=True)
    source = model_folder(MODEL_DIR)
    for name in (MODEL_FILE, TOKENIZER_FILE):
        (folder / name).symlink_to((source / name).resolve())
    (folder / META_FILE).write_text((source / META_FILE).read_text())
    return folder


def test_the_prepared_model_gives_the_vectors_of_sentence_transformers():
    texts = ["How much were the net sales?", "", "Sales fell because of the weather. " * 20, "売上高は増加した。"]
    with offline():
        expected = np.asarray(load_reference().encode(texts, normalize_embeddings=True, show_progress_bar=False))
    ours = read_model(model_folder(MODEL_DIR), threads=1).embed(texts)
    assert (ours * expected).sum(1).min() >= 0.999


def test_what_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy_model(tmp_path)
    monkeypatch.setattr(prepare, "_build", lambda folder: pytest.fail(f"built again in {folder}"))
    prepare_embedding_model(tmp_path)


@pytest.mark.parametrize("damage", ["no meta", "no model", "older format", "not json"])
def test_what_is_damaged_or_older_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str):
    folder = copy_model(tmp_path)
    meta = json.loads((folder / META_FILE).read_text())
    if damage == "no meta":
        (folder / META_FILE).unlink()
    elif damage == "no model":
        (folder / MODEL_FILE).unlink()
    elif damage == "older format":
        (folder / META_FILE).write_text(json.dumps({**meta, "format": 0}))
    else:
        (folder / META_FILE).write_text("{")
    assert not is_prepared(tmp_path)

    def build(partial: Path) -> None:
        for name in (MODEL_FILE, TOKENIZER_FILE):
            (partial / name).write_bytes(b"new")
        (partial / META_FILE).write_text(json.dumps(meta))

    monkeypatch.setattr(prepare, "_build", build)
    prepare_embedding_model(tmp_path)
    assert is_prepared(tmp_path)
    assert (folder / MODEL_FILE).read_bytes() == b"new"


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def build(partial: Path) -> None:
        (partial / MODEL_FILE).write_bytes(b"half")
        raise ModelMismatch("too far from the reference")

    monkeypatch.setattr(prepare, "_build", build)
    with pytest.raises(ModelMismatch):
        prepare_embedding_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_faster_process_wins_and_its_model_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def build(partial: Path) -> None:
        copy_model(tmp_path)
        (partial / MODEL_FILE).write_bytes(b"slower")

    monkeypatch.setattr(prepare, "_build", build)
    prepare_embedding_model(tmp_path)
    assert is_prepared(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [model_folder(tmp_path).name]


def test_the_hub_is_kept_offline_and_the_environment_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with offline():
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in os.environ
