"""Counting what a turn that ended took, for Prometheus."""

from __future__ import annotations

from chatapp.errors import TooManyInFlight
from chatapp.limits import refusals
from chatapp.pipeline.turn import Turn
from chatapp.pipeline.upstream import claim_of
from chatapp.routing.chain import Attempt
from chatapp.telemetry import metrics


def count(turn: Turn) -> None:
    """Count a turn that ended in this process: the turn, its tokens and cost, its requests to providers.

    One that no provider had a place for in time was turned away, though it had been let in.
    """
    if isinstance(turn.error, TooManyInFlight):
        refusals.note(claim_of(turn), "waited_too_long")
    metrics.TURNS.labels(turn.feature, str(turn.final_status)).inc()
    model = metrics.bounded(turn.deployment.model)
    for direction, tokens in (
        ("input", turn.usage.input_tokens - turn.usage.cached_input_tokens),
        ("cached_input", turn.usage.cached_input_tokens),
        ("output", turn.usage.output_tokens),
    ):
        if tokens > 0:
            metrics.TOKENS.labels(direction, model).inc(tokens)
    metrics.COST.labels(model).inc(turn.cost_micro_usd)
    metrics.ANSWER.observe(turn.elapsed_ms() / 1000)
    if turn.ttft_ms is not None:
        metrics.FIRST_TOKEN.observe(turn.ttft_ms / 1000)
    before: Attempt | None = None
    for attempt in turn.attempts:
        labels = (metrics.bounded(attempt.provider), metrics.bounded(attempt.model), _outcome(attempt))
        metrics.ATTEMPTS.labels(*labels).inc()
        if before is not None and (before.provider, before.model) == (attempt.provider, attempt.model):
            metrics.RETRIES.labels(*labels).inc()
        before = attempt


def _outcome(attempt: Attempt) -> str:
    """How a request ended; one that was another turn's is not counted as made."""
    return "shared" if attempt.is_shared else attempt.outcome
