"""One document from its bytes to answering: the steps in order, under a lease that is kept while they run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chatapp.domain import Actor, DocumentStatus, IngestStage
from chatapp.errors import AppError, EmptyDocument, ParseFailed, UpstreamError
from chatapp.retrieval import embedder, vector_index
from chatapp.retrieval.vector_index import VectorIndexRefused
from chatapp.settings import get_settings
from chatapp.store import documents, files, ingestions
from chatapp.store import removals as removal_rows
from chatapp.store.database import transaction
from chatapp.store.ingestions import MAX_ATTEMPTS, Claim, LeaseLost
from chatapp.store.tables import RemovalTable
from chatapp.telemetry.log import get_logger
from ingest import removals, sandbox
from ingest.chunk import chunk, embedding_title
from ingest.filenames import stem
from ingest.index import index, to_chunks
from ingest.parsers.base import ParsedDocument

_log = get_logger(__name__)

_BEAT_SECONDS = 0.8
"""How often the lease is kept and progress shown; also how soon a cancelled document is noticed."""
_EMBED_CHUNKS = 64
"""Chunks between two signs of progress: about a second of work on two cores."""
_SHARES = {
    IngestStage.WAITING: (0.0, 0.0),
    IngestStage.PARSE: (0.0, 0.15),
    IngestStage.CHUNK: (0.15, 0.2),
    IngestStage.EMBED: (0.2, 0.95),
    IngestStage.INDEX: (0.95, 1.0),
}
"""Where each stage begins and ends on the bar, by the time it usually takes."""
_PDF = "application/pdf"
_POSTPONED = "The document index cannot be reached. The document is added by itself as soon as it is back."
_POSTPONED_BY_REFUSAL = "The document index did not take the document. It is tried again by itself in a moment."
_REFUSED = (
    "The document index did not take the document, several times. Try again later, or ask an admin to look into the "
    "index's log."
)


@dataclass(slots=True)
class Progress:
    """Where the work is; written by the steps, shown by the beat."""

    stage: IngestStage = IngestStage.WAITING
    part: float = 0.0
    """Of the stage, 0 to 1."""

    def enter(self, stage: IngestStage) -> None:
        """Begin a stage."""
        self.stage, self.part = stage, 0.0

    def advance(self, part: float) -> None:
        """Say how far the stage is; never back."""
        self.part = min(1.0, max(self.part, part))

    @property
    def overall(self) -> float:
        """Of the whole of the work, 0 to 1."""
        start, end = _SHARES[self.stage]
        return start + (end - start) * self.part


def worker_actor(claim: Claim) -> Actor:
    """Who does the work: nobody, in the document's tenant."""
    return Actor(tenant_id=claim.tenant_id, user_id=None, permissions=frozenset(), name="worker", is_system=True)


async def ingest(claim: Claim) -> None:
    """Do all steps for a claimed document and write down how it ended; raises nothing that is the document's fault.

    Cancelling gives the document back, to be done again by whoever comes next. So does a server that is away: that is
    not the document's fault, and it is tried again until it works.

    Args:
        claim: as `store.ingestions.claim_next` gave it.
    """
    actor = worker_actor(claim)
    if claim.attempt > MAX_ATTEMPTS:
        # Whatever the file does, it must not end one worker after another for ever.
        reason = ParseFailed(f"Reading the file was broken off {MAX_ATTEMPTS} times. Save it again in its program.")
        await _fail(actor, claim, IngestStage.WAITING, reason)
        return
    progress = Progress()
    steps = asyncio.create_task(_steps(actor, claim, progress))
    beat = asyncio.create_task(_beat(actor, claim, progress))
    try:
        await asyncio.wait({steps, beat}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _stop(steps, beat)
        await asyncio.shield(_give_back(actor, claim))
        raise
    await _stop(beat if steps.done() else steps)
    await _conclude(actor, claim, progress, steps, beat)


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _conclude(
    actor: Actor, claim: Claim, progress: Progress, steps: asyncio.Task[None], beat: asyncio.Task[None]
) -> None:
    # The beat ends by itself only when it fails; then that is why the steps were stopped.
    ended = beat if steps.cancelled() else steps
    error = ended.exception()
    document = str(claim.document_id)
    if error is None:
        _log.info("document.ingested", document_id=document, version=claim.version)
    elif isinstance(error, LeaseLost):
        await _tidy_up(actor, claim)
        _log.info("document.given_up", document_id=document, version=claim.version)
    elif isinstance(error, VectorIndexRefused):
        _log.warning("document.refused", document_id=document, stage=progress.stage, reason=repr(error.__cause__))
        await _try_again(actor, claim, progress.stage)
    elif isinstance(error, UpstreamError) and error.retryable:
        _log.warning("document.postponed", document_id=document, stage=progress.stage, code=error.code)
        await _postpone(actor, claim, progress.stage, _POSTPONED)
    elif isinstance(error, AppError):
        _log.info("document.failed", document_id=document, stage=progress.stage, code=error.code)
        await _fail(actor, claim, progress.stage, error)
    else:
        _log.error("document.broken", document_id=document, stage=progress.stage, exc_info=error)
        reason = AppError(f"Something went wrong on our side. Try again, or give an admin this number: {document[:8]}")
        await _fail(actor, claim, progress.stage, reason)


async def _beat(actor: Actor, claim: Claim, progress: Progress) -> None:
    while True:
        async with transaction(actor) as tx:
            await ingestions.beat(tx, claim, stage=progress.stage, progress=progress.overall)
        await asyncio.sleep(_BEAT_SECONDS)


async def _steps(actor: Actor, claim: Claim, progress: Progress) -> None:
    source, path = await _fetch(actor, claim)

    # Asked before the work: with the index away for long, each try would parse and embed for nothing.
    await vector_index.heartbeat()

    progress.enter(IngestStage.PARSE)
    parsed = await _parse(path, source, progress)
    title = parsed.title or stem(source.filename)
    await _save(actor, claim, parsed, title)

    progress.enter(IngestStage.CHUNK)
    context = embedding_title(parsed.title, stem(source.filename))
    pieces = await asyncio.to_thread(chunk, parsed, title=context, count_pieces=embedder.count_word_pieces_each)
    if not pieces:
        raise _empty(source.media_type)
    found = to_chunks(claim, pieces)
    texts = [one.embedding_text(context) for one in found]

    progress.enter(IngestStage.EMBED)
    embeddings = await embed(texts, progress)

    progress.enter(IngestStage.INDEX)
    left_over = await index(actor, claim, found, texts, embeddings)
    await removals.carry_out(actor, left_over)


async def _fetch(actor: Actor, claim: Claim) -> tuple[ingestions.IngestSource, Path]:
    """What the version is and where its bytes are."""
    async with transaction(actor, readonly=True) as tx:
        source = await ingestions.get_source(tx, claim)
    path = files.content_path(actor, claim.document_id, claim.version)
    if not await asyncio.to_thread(path.is_file):
        raise ParseFailed("The file's bytes are gone from the data folder. Upload it again.")
    return source, path


async def _parse(path: Path, source: ingestions.IngestSource, progress: Progress) -> ParsedDocument:
    """Text, pages and blocks, from a child process."""
    parsed = await sandbox.parse(
        path,
        filename=source.filename,
        media_type=source.media_type,
        limits=sandbox.Limits.for_file(get_settings(), source.size_bytes),
        on_progress=progress.advance,
    )
    if not any(character.isalnum() for character in parsed.text):
        raise _empty(source.media_type)
    return parsed


def _empty(media_type: str) -> EmptyDocument:
    if media_type == _PDF:
        return EmptyDocument(
            "The PDF holds no text: it is a scan or a picture. Run text recognition (OCR) on it first."
        )
    return EmptyDocument("There is no text in the file. Check it, and replace it by one that has some.")


async def _save(actor: Actor, claim: Claim, parsed: ParsedDocument, title: str) -> None:
    blocks = [[block.kind, block.level, block.start, block.end] for block in parsed.blocks]
    async with transaction(actor) as tx:
        await ingestions.save_text(
            tx,
            claim,
            title=title,
            text=parsed.text,
            page_starts=list(parsed.page_starts),
            blocks=blocks,
            page_count=len(parsed.page_starts),
        )


async def embed(texts: list[str], progress: Progress) -> np.ndarray:
    """Vectors, texts of like length together so that little is computed for padding.

    Returns:
        float32 of shape (n_texts, 384) in the order of `texts`, unit norm.
    """
    order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
    vectors = np.zeros((len(texts), embedder.DIMENSION), dtype=np.float32)
    for first in range(0, len(order), _EMBED_CHUNKS):
        batch = order[first : first + _EMBED_CHUNKS]
        vectors[batch] = await embedder.embed_texts([texts[position] for position in batch])
        progress.advance((first + len(batch)) / len(order))
    return vectors


async def _fail(actor: Actor, claim: Claim, stage: IngestStage, error: AppError) -> None:
    try:
        async with transaction(actor) as tx:
            await ingestions.finish(
                tx, claim, DocumentStatus.FAILED, stage=stage, error=error.message, error_stage=stage.value
            )
    except LeaseLost:
        pass  # cancelled, replaced or deleted in the same moment: nobody waits for the reason


async def _try_again(actor: Actor, claim: Claim, stage: IngestStage) -> None:
    """Give the document back a few times; what is always refused must not be tried for ever."""
    if claim.attempt < MAX_ATTEMPTS:
        await _postpone(actor, claim, stage, _POSTPONED_BY_REFUSAL, is_counted=True)
    else:
        await _fail(actor, claim, stage, UpstreamError(_REFUSED))


async def _postpone(actor: Actor, claim: Claim, stage: IngestStage, reason: str, *, is_counted: bool = False) -> None:
    try:
        async with transaction(actor) as tx:
            await ingestions.postpone(tx, claim, reason=reason, stage=stage, is_counted=is_counted)
    except LeaseLost:
        pass  # cancelled, replaced or deleted in the same moment


async def _give_back(actor: Actor, claim: Claim) -> None:
    try:
        async with transaction(actor) as tx:
            await ingestions.give_back(tx, claim)
    except LeaseLost:
        pass  # somebody has it already


async def _tidy_up(actor: Actor, claim: Claim) -> None:
    """Remove vectors written for a version that will not answer, unless somebody is at work on the document again."""
    pending: list[RemovalTable] = []
    async with transaction(actor) as tx:
        row = await documents.find(tx, claim.document_id)
        is_in_work = row is not None and row.status in {DocumentStatus.QUEUED, DocumentStatus.RUNNING}
        if not is_in_work:
            is_here = row is not None and row.collection_id == claim.collection_id
            keep_version = row.active_version if row is not None and is_here else None
            pending.append(
                removal_rows.add(
                    tx,
                    collection_id=claim.collection_id,
                    document_id=claim.document_id,
                    keep_version=keep_version,
                    keep_files=row is not None,
                )
            )
    await removals.carry_out(actor, pending)
