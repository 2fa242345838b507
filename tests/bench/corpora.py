"""Sets of documents with questions whose answers' places are known, for retrieval to be measured on.

`filings` are real reports with questions people asked; the others are made from what is installed with the
project: package descriptions and reference pages, each asked for by its own one-line summary, which is taken out
of the text before, and by its name.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).parents[2]
SHARED_DATA = PROJECT.parent / "shared" / "data"
FILINGS = SHARED_DATA / "filings"
QUESTION_PAIRS = SHARED_DATA / "cache" / "question_pairs.json"
BENCH_DATA = Path(os.environ.get("CHATAPP_BENCH_DIR") or PROJECT / ".data" / "bench")

FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+")
_YEAR = re.compile(r"(19|20)\d\d")
_NAMED_FILE = re.compile(r"20\d\d Q\d [A-Z]{4}\.pdf")
_MARKUP = re.compile(r"<[^>]+>|!\[[^\]]*\]\([^)]*\)|\[!\[.*?\)\]\([^)]*\)")
_MODULES = (
    "numpy numpy.linalg numpy.fft numpy.random statistics os shutil subprocess asyncio pathlib collections itertools "
    "functools datetime random string textwrap json csv sqlite3 tempfile threading socket ssl http.client "
    "urllib.request urllib.parse zipfile tarfile logging argparse inspect ast heapq bisect math decimal fractions "
    "hashlib hmac secrets calendar locale unittest gzip bz2 mimetypes httpx fastapi starlette.requests "
    "starlette.responses sqlalchemy sqlalchemy.orm pydantic structlog"
).split()


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of a bench document."""

    text: str
    page: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class BenchDocument:
    """A document with its chunks."""

    name: str
    title: str
    """What stands in front of each chunk."""
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and where its answer is."""

    text: str
    documents: frozenset[str]
    """Names of the right documents."""
    pages: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Right pages by document, where they are known."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents and the questions put to them."""

    name: str
    documents: Sequence[BenchDocument]
    questions: Sequence[Question]


def filings() -> Corpus | None:
    """The reports of the shared data, parsed and cut as ingestion does; None where they are absent."""
    from ingest.chunk import chunk, embedding_title
    from ingest.filenames import stem
    from ingest.parsers.base import Source
    from ingest.parsers.pdf_parser import PdfParser

    if not FILINGS.is_dir():
        return None
    documents = []
    for path in sorted(FILINGS.glob("*.pdf")):
        parsed = PdfParser().parse(Source(path.name, path=path), lambda _: None)
        title = embedding_title(parsed.title, stem(path.name))
        pieces = chunk(parsed, title=title, count_pieces=_count_pieces)
        documents.append(BenchDocument(path.name, title, [Piece(p.text, p.page, p.heading) for p in pieces]))
    return Corpus("filings", documents, list(_filings_questions(documents)))


def packages() -> Corpus:
    """Descriptions of the installed packages, asked for by summary and by name."""
    documents, questions = [], list[Question]()
    found = {dist.metadata["Name"]: dist.metadata for dist in distributions() if dist.metadata["Name"]}
    for name, metadata in sorted(found.items()):
        summary, body = (metadata["Summary"] or "").strip(), str(metadata.get_payload() or "")
        kept = [line for line in body.split("\n") if summary.lower().rstrip(".") not in line.lower()]
        text = _MARKUP.sub("", "\n".join(kept)).strip()
        if len(text) < 400 or len(summary.split()) < 4:
            continue
        documents.append(BenchDocument(name, name, _cut(name, text)[:12]))
        questions += [Question(text, frozenset({name})) for text in (summary, f"How do I use {name}?")]
    return Corpus("packages", documents, questions)


def reference() -> Corpus:
    """Reference pages of functions and classes, one document a module, asked for by summary and by name.

    The right chunk is known here: its "page" is the number of the function in its module.
    """
    documents, questions, seen = [], list[Question](), set[str]()
    for module_name in _MODULES:
        pieces: list[Piece] = []
        for name, doc in _described(module_name):
            summary, rest = _divide(name, doc)
            if doc in seen or len(rest) < 200 or not 5 <= len(summary.split()) <= 30:
                continue
            seen.add(doc)
            page = len({piece.page for piece in pieces}) + 1
            pieces += [Piece(piece.text, page) for piece in _cut(module_name, f"{name}\n{rest}")[:4]]
            right = (frozenset({module_name}), {module_name: frozenset({page})})
            questions += [Question(text, *right) for text in (summary, f"What does {name} do?")]
        if pieces:
            documents.append(BenchDocument(module_name, module_name, pieces))
    # Every third is enough to tell, and takes a third of the time.
    return Corpus("reference", documents, questions[::3])


def embedding_text(document: BenchDocument, piece: Piece) -> str:
    """What is embedded of a chunk; as `domain.Chunk.embedding_text`."""
    context = " > ".join(part for part in (document.title, piece.heading) if part)
    return f"{context}\n{piece.text}" if context else piece.text


def embed(texts: Sequence[str]) -> np.ndarray:
    """Vectors of texts, kept on disk between runs: embedding thousands of chunks takes minutes.

    Returns:
        float32 of shape (n_texts, 384), unit norm.
    """
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:32]
    path = BENCH_DATA / "vectors" / f"{digest}.npy"
    if path.is_file():
        return np.load(path)
    vectors = np.zeros((len(texts), 384), dtype=np.float32)
    for positions, rows in _model().embed_sorted(texts):
        vectors[positions] = rows
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors


def _filings_questions(documents: Sequence[BenchDocument]) -> Iterator[Question]:
    """Questions all of whose sources are here; the right pages hold most of the answer's figures."""
    by_page = {
        document.name: {
            page: figures("\n".join(piece.text for piece in document.pieces if piece.page == page))
            for page in {piece.page for piece in document.pieces}
        }
        for document in documents
    }
    with (FILINGS / "questions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        right = frozenset(name for name in by_page if fnmatch.fnmatch(name.removesuffix(".pdf"), row["Source Docs"]))
        named = set(_NAMED_FILE.findall(row["Answer"]))
        # Of two companies half of the reports are here: questions across all of theirs cannot be answered.
        is_partial = row["Question Type"].startswith("Multi-Doc") and len(right) < 4
        if not right or is_partial or not named <= set(by_page):
            continue
        held = figures(row["Answer"])
        yield Question(row["Question"], right, dict(_right_pages(held, {name: by_page[name] for name in right})))


def _right_pages(
    wanted: set[str], by_page: Mapping[str, Mapping[int, set[str]]]
) -> Iterator[tuple[str, frozenset[int]]]:
    for name, pages in by_page.items():
        counts = {page: len(wanted & held) for page, held in pages.items()}
        most = max(counts.values(), default=0)
        if most:
            yield name, frozenset(page for page, count in counts.items() if count == most)


def figures(text: str) -> set[str]:
    """Figures that tell one page from another: three digits or a decimal point, and no year."""
    found = (match.replace(",", "") for match in FIGURE.findall(text))
    return {figure for figure in found if (len(figure) > 2 or "." in figure) and not _YEAR.fullmatch(figure)}


def _described(module_name: str) -> Iterator[tuple[str, str]]:
    module = importlib.import_module(module_name)
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_") and callable(value):
            yield name, inspect.getdoc(value) or ""


def _divide(name: str, doc: str) -> tuple[str, str]:
    """A docstring's summary and what follows; a signature in front is no summary."""
    paragraphs = doc.split("\n\n")
    if "(" in paragraphs[0][: len(name) + 4] and len(paragraphs) > 1:
        paragraphs = paragraphs[1:]
    return " ".join(paragraphs[0].split()), "\n\n".join(paragraphs[1:])


def _cut(title: str, text: str) -> list[Piece]:
    """Cut a text as ingestion does."""
    from ingest.chunk import chunk
    from ingest.parsers.base import ParsedDocument

    document = ParsedDocument(title=title, text=text, page_starts=[0])
    return [
        Piece(piece.text, place)
        for place, piece in enumerate(chunk(document, title=title, count_pieces=_count_pieces), 1)
    ]


def _count_pieces(texts: Sequence[str]) -> list[int]:
    encodings = _model().tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [len(encoding.ids) for encoding in encodings]


_loaded = []


def _model():
    from chatapp.retrieval.embedder import model_folder, read_model
    from chatapp.retrieval.prepare import prepare_embedding_model

    if not _loaded:
        models = Path(os.environ.get("CHATAPP_MODEL_DIR") or PROJECT / ".data" / "models")
        prepare_embedding_model(models)
        _loaded.append(read_model(model_folder(models), threads=os.cpu_count() or 1))
    return _loaded[0]
