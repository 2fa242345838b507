"""What travels from step to step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

import numpy as np

from chatapp.domain import Actor, AnswerPart, Citation, PromptMessage, Source, Span, TurnStatus, Usage
from chatapp.errors import AppError
from chatapp.limits.fair_queue import Lane
from chatapp.pipeline.event_writer import EventWriter
from chatapp.routing.chain import Attempt
from chatapp.routing.route import Deployment, Route

_Result = TypeVar("_Result")


class Stopped(Exception):
    """The person pressed stop. Not an error: what was written stays."""


class StopSignal:
    """Lets one turn be stopped at any moment, also in the middle of a wait for a provider."""

    def __init__(self) -> None:
        """Begin unrequested."""
        self._is_requested = False
        self._work: asyncio.Task[Any] | None = None

    @property
    def is_requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._is_requested

    def request(self) -> None:
        """Stop: what is watched is cancelled at once."""
        self._is_requested = True
        if self._work is not None:
            self._work.cancel()

    async def watch(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Await work that a stop request cancels.

        Raises:
            Stopped: a stop was requested before or meanwhile; the work has ended.
        """
        if self._is_requested:
            work.close()
            raise Stopped
        self._work = task = asyncio.create_task(work)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._is_requested and not (current and current.cancelling()):
                raise Stopped from None
            raise
        finally:
            self._work = None


@dataclass(frozen=True, slots=True)
class SearchedCollection:
    """A collection the question is put to."""

    id: UUID
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How much of everything one turn may take; from the settings."""

    question_characters: int
    documents_tokens: int
    first_token_seconds: float
    answer_seconds: float


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the search brought, beside the sources themselves."""

    is_relevant: bool = True
    """False: nothing found bears on the question."""
    is_degraded: bool = False
    """The vector side was down: keywords only."""
    best_cosine: float = 0.0
    best_coverage: float = 0.0
    """Largest share of the question's terms in one chunk, in [0, 1]."""
    by_words_alone: int = 0
    """Collections searched by words and not by meaning, as there were too many."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    chunks: tuple[Mapping[str, Any], ...] = ()
    """Every chunk found with its scores, as the trace keeps it."""
    embedding: np.ndarray | None = field(default=None, repr=False, compare=False)
    """Of the standalone question: float32 of shape (384,), of unit length; None: nothing was searched."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question on its way to an answer. Steps return a changed copy."""

    actor: Actor
    id: UUID
    attempt: int
    question: str
    feature: str
    """`chat` or `api`."""
    route: Route
    limits: TurnLimits
    writer: EventWriter
    stop: StopSignal
    is_searching: bool = True
    """False: the asker chose no collection, and wants no documents."""
    collections: tuple[SearchedCollection, ...] = ()
    history: tuple[PromptMessage, ...] = ()
    """Earlier messages, oldest first."""
    earlier_ids: tuple[UUID, ...] = ()
    """The turns `history` is of, one for each question in it; empty when the request carried it."""
    summary: str = ""
    """Of the turns before those; empty when there are none, or nobody has summed them up."""
    summarised_turns: int = 0
    """How many those are."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    lane: Lane = Lane.INTERACTIVE
    may_share: bool = True
    """Whether the answer may be one that is made for somebody else at the same moment."""
    started: float = field(default_factory=time.perf_counter)

    standalone_question: str = ""
    retrieved: Retrieved = field(default_factory=Retrieved)
    sources: tuple[Source, ...] = ()
    answer: str = ""
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    """Of every call to a provider the turn made."""
    cost_micro_usd: int = 0
    """Of the same calls, each at its own price."""
    answered_by: Deployment | None = None
    attempts: tuple[Attempt, ...] = ()
    """Every request for the answer, with how it ended."""
    escalations: tuple[Mapping[str, str], ...] = ()
    """Answers that were given up for that of a larger model, and why, for the trace."""
    prompt: Mapping[str, Any] = field(default_factory=dict)
    """How long the last request for the answer was and what was left out to make it fit, for the trace."""
    parts: tuple[AnswerPart, ...] = ()
    """Who wrote what of the answer; empty where one model wrote it all."""
    ttft_ms: float | None = None
    """From the turn's start to its first text; None without any."""
    citations: tuple[Citation, ...] = ()
    error: AppError | None = None
    spans: tuple[Span, ...] = ()

    def elapsed_ms(self) -> float:
        """Milliseconds since the turn began."""
        return (time.perf_counter() - self.started) * 1000

    @property
    def deployment(self) -> Deployment:
        """Who answered; before that, who will be asked first."""
        return self.answered_by or self.route.first

    def with_usage(self, usage: Usage, cost_micro_usd: int) -> Turn:
        """The turn with these tokens, and what they cost, added."""
        return replace(self, usage=self.usage + usage, cost_micro_usd=self.cost_micro_usd + cost_micro_usd)

    @property
    def is_over(self) -> bool:
        """Whether the remaining steps have nothing to do."""
        return self.error is not None or self.stop.is_requested

    @property
    def final_status(self) -> TurnStatus:
        """How the turn ends as it stands now."""
        if self.error is not None:
            return TurnStatus.FAILED
        return TurnStatus.STOPPED if self.stop.is_requested else TurnStatus.COMPLETED
