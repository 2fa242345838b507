"""S11: ingestion against the raw loops it is made of, and what a person asking meanwhile notices.

Raw parsing is PDFium over every page in this process; raw embedding is the prepared model over all texts in one go,
in batches of like length. Ours is the child process, the pipeline's step, and the whole pipeline with database,
keyword index and a real Chroma server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from chatapp.domain import Actor, IngestStage, Permission
from tests.bench.corpora import FILINGS, PROJECT
from tests.bench.row import Row
from tests.fixtures.servers import accepts_connections, free_port, server

NAME = "ingestion"
_ROUNDS = 5
_EMBEDDED_FILES = 1
_BUSY_FILES = 4
_QUESTIONS = 60
_QUESTION = "How did net revenue of the data center segment develop against the same quarter of the year before?"


@dataclass(frozen=True, slots=True)
class _Paths:
    """The files measured with."""

    all: Sequence[Path]
    few: Sequence[Path]


async def run() -> list[Row]:
    """Measure parsing, embedding, both together, and answering meanwhile."""
    paths = sorted(FILINGS.glob("*.pdf"))
    if not paths:
        raise SystemExit(f"S11 needs PDF files in {FILINGS}")
    chosen = _Paths(paths, paths[:_EMBEDDED_FILES])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _chroma(Path(folder)) as chroma_url:
        async with _product(Path(folder), chroma_url):
            return [
                await _parsing(chosen.all),
                await _embedding(chosen.few),
                await _whole(chosen.few),
                await _asking(chosen.all[:_BUSY_FILES], Path(folder)),
            ]


@contextlib.contextmanager
def _chroma(folder: Path):
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    command = (program, "run", "--path", folder / "chroma", "--host", "127.0.0.1", "--port", str(port))
    environment = {"ANONYMIZED_TELEMETRY": "False"}
    log_path = folder / "chroma.log"
    with server(command, is_ready=lambda: accepts_connections(port), log_path=log_path, environment=environment):
        yield f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def _product(folder: Path, chroma_url: str) -> AsyncIterator[None]:
    from sqlmodel import SQLModel

    from chatapp.services.lifespan import running
    from chatapp.settings import get_settings
    from chatapp.store import database
    from chatapp.store import tables as _tables  # noqa: F401  # fills SQLModel.metadata

    os.environ.update(
        CHATAPP_DATA_DIR=str(folder), CHROMA_URL=chroma_url, CHATAPP_SECRET_KEY="a-secret-for-benches-0123456789"
    )
    os.environ.setdefault("CHATAPP_MODEL_DIR", str(PROJECT / ".data" / "models"))
    get_settings.cache_clear()
    async with running(get_settings(), role="worker"):
        async with database.engine().begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        yield


async def _rounds(floor: Callable[[], Awaitable[float]], ours: Callable[[], Awaitable[float]]) -> tuple[float, float]:
    """Medians of both, in interleaved rounds after one that does not count."""
    await floor()
    await ours()
    figures: tuple[list[float], list[float]] = ([], [])
    for number in range(_ROUNDS):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            figures[which].append(await (floor, ours)[which]())
    return statistics.median(figures[0]), statistics.median(figures[1])


async def _parsing(paths: Sequence[Path]) -> Row:
    import pypdfium2

    from chatapp.settings import get_settings
    from ingest import sandbox

    async def raw() -> float:
        pages, started = 0, time.perf_counter()
        for path in paths:
            document = pypdfium2.PdfDocument(path)
            for page in document:
                text_page = page.get_textpage()
                text_page.get_text_range()
                text_page.close()
                page.close()
                pages += 1
            document.close()
        return pages / (time.perf_counter() - started)

    async def ours() -> float:
        pages, started = 0, time.perf_counter()
        for path in paths:
            parsed = await sandbox.parse(
                path,
                filename=path.name,
                media_type="application/pdf",
                limits=sandbox.Limits.for_file(get_settings(), path.stat().st_size),
            )
            pages += len(parsed.page_starts)
        return pages / (time.perf_counter() - started)

    floor, figure = await _rounds(raw, ours)
    return Row("S11 parsing", figure, "pages/s", "raw pypdfium2", floor, figure / floor, ">= 0.85")


async def _texts(path: Path) -> list[str]:
    from chatapp.domain import Chunk
    from chatapp.retrieval import embedder
    from ingest.chunk import chunk, embedding_title
    from ingest.parsers.base import Source
    from ingest.parsers.pdf_parser import PdfParser

    parsed = PdfParser().parse(Source(path.name, path=path), lambda _: None)
    title = embedding_title(parsed.title, path.stem)
    nil = UUID(int=0)
    return [
        Chunk(nil, nil, nil, 0, piece.text, piece.start, piece.end, piece.page, piece.heading).embedding_text(title)
        for piece in chunk(parsed, title=title, count_pieces=embedder.count_word_pieces_each)
    ]


async def _raw_embedding(texts: Sequence[str]) -> None:
    from chatapp.retrieval import embedder

    folder = embedder.model_folder(Path(os.environ["CHATAPP_MODEL_DIR"]))
    model = await asyncio.to_thread(_Raw.get, folder)
    await asyncio.to_thread(lambda: [rows for _, rows in model.embed_sorted(texts)])


class _Raw:
    """The model loaded a second time, for the raw loop alone."""

    model = None

    @classmethod
    def get(cls, folder: Path):
        from chatapp.retrieval import embedder

        if cls.model is None:
            cls.model = embedder.read_model(folder, threads=os.cpu_count() or 1)
        return cls.model


async def _embedding(paths: Sequence[Path]) -> Row:
    from ingest import pipeline

    documents = [await _texts(path) for path in paths]
    count = sum(map(len, documents))

    async def raw() -> float:
        started = time.perf_counter()
        await _raw_embedding([text for texts in documents for text in texts])
        return count / (time.perf_counter() - started)

    async def ours() -> float:
        started = time.perf_counter()
        for texts in documents:
            await pipeline.embed(texts, pipeline.Progress())
        return count / (time.perf_counter() - started)

    floor, figure = await _rounds(raw, ours)
    return Row("S11 embedding", figure, "chunks/s", "raw model", floor, figure / floor, ">= 0.85")


async def _whole(paths: Sequence[Path]) -> Row:
    from ingest.parsers.base import Source
    from ingest.parsers.pdf_parser import PdfParser

    texts = [text for path in paths for text in await _texts(path)]

    async def raw() -> float:
        started = time.perf_counter()
        for path in paths:
            PdfParser().parse(Source(path.name, path=path), lambda _: None)
        await _raw_embedding(texts)
        return len(texts) / (time.perf_counter() - started)

    async def ours() -> float:
        from chatapp.services import ingestion

        await _upload(paths)
        started = time.perf_counter()
        await asyncio.gather(ingestion.ingest_waiting(), ingestion.ingest_waiting())
        return len(texts) / (time.perf_counter() - started)

    floor, figure = await _rounds(raw, ours)
    return Row("S11 from file to answering", figure, "chunks/s", "raw parse + embed", floor, figure / floor, ">= 0.85")


async def _upload(paths: Sequence[Path]) -> tuple[Actor, UUID]:
    """Upload into a new collection of a new tenant; returns who may read it and what to ask."""
    from chatapp.services import collections, documents
    from chatapp.store.database import system_transaction
    from chatapp.store.tables import TenantTable

    actor = Actor(uuid4(), None, frozenset(Permission))
    async with system_transaction() as tx:
        tx.session.add(TenantTable(id=actor.tenant_id, name=actor.tenant_id.hex))
    collection = await collections.create(actor, name="Reports")
    for path in paths:

        async def content(path: Path = path) -> AsyncIterator[bytes]:
            yield await asyncio.to_thread(path.read_bytes)

        await documents.upload(actor, filename=path.name, content=content(), collection_id=collection.id)
    return actor, collection.id


async def _asking(paths: Sequence[Path], folder: Path) -> Row:
    from chatapp.retrieval import embedder
    from chatapp.services import documents, ingestion
    from chatapp.settings import get_settings

    actor, collection_id = await _upload(paths[:1])
    await ingestion.ingest_waiting()
    embedder.open_embedder(get_settings().effective_model_dir, threads=1)  # as in the web process
    await _p95_ms(actor, collection_id, until=lambda count: count >= 10)
    idle = await _p95_ms(actor, collection_id, until=lambda count: count >= _QUESTIONS)
    busy_actor, _ = await _upload(paths)
    environment = {"PYTHONPATH": str(PROJECT)}
    code = (
        "import asyncio; from chatapp.settings import get_settings; from chatapp.worker import run; "
        "asyncio.run(run(get_settings()))"
    )

    async def is_over() -> bool:
        return all(view.active_version for view in (await documents.list_documents(busy_actor)).items)

    command = (sys.executable, "-c", code)
    with server(command, is_ready=lambda: True, log_path=folder / "worker.log", environment=environment):
        await _until_embedding(busy_actor)
        busy = await _p95_ms(actor, collection_id, until=lambda count: count >= _QUESTIONS)
        if await is_over():
            raise SystemExit("S11: the documents were ingested before the questions were asked; use more of them")
    return Row("S11 retrieval p95 while ingesting", busy, "ms", "idle", idle, busy / idle, "<= 1.5")


async def _until_embedding(actor: Actor) -> None:
    from chatapp.services import documents

    is_embedding = False
    while not is_embedding:
        page = await documents.list_documents(actor)
        is_embedding = any(view.stage == IngestStage.EMBED for view in page.items)
        await asyncio.sleep(0.1)


async def _p95_ms(actor: Actor, collection_id: UUID, *, until: Callable[[int], bool]) -> float:
    from chatapp.retrieval.retrieve import retrieve

    times: list[float] = []
    while not until(len(times)):
        started = time.perf_counter()
        await retrieve(actor, f"{_QUESTION} {len(times)}", collection_ids=[collection_id])
        times.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.05)
    return statistics.quantiles(times, n=20)[-1]
