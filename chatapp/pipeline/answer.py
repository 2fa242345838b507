"""Answering one question, from admitting it to recording it. The order is the package's docstring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from chatapp.domain import Span
from chatapp.errors import AppError
from chatapp.pipeline.admit import admit
from chatapp.pipeline.cite import cite
from chatapp.pipeline.compose import compose
from chatapp.pipeline.generate import generate
from chatapp.pipeline.record import record
from chatapp.pipeline.retrieve import retrieve
from chatapp.pipeline.rewrite import rewrite
from chatapp.pipeline.turn import Stopped, Turn

Step = Callable[[Turn], Awaitable[Turn]]


async def answer(turn: Turn) -> Turn:
    """Take a turn through every step. It always ends, and what was written before an error or a stop is kept."""
    try:
        turn = await _timed(admit, turn)
        turn = await _timed(rewrite, turn)
        turn = await _timed(retrieve, turn)
        turn = await _timed(compose, turn)
        turn = await _timed(generate, turn)
        turn = await _timed(cite, turn)
    except AppError as error:
        turn = replace(turn, error=error)
    except Stopped:
        pass
    return await record(turn)


async def _timed(step: Step, turn: Turn) -> Turn:
    # What was written before a stop or an error still gets its citations.
    if turn.is_over and not turn.answer:
        return turn
    began = turn.elapsed_ms()
    turn = await step(turn)
    span = Span(step.__name__, round(began, 3), round(turn.elapsed_ms() - began, 3))
    return replace(turn, spans=(*turn.spans, span))
