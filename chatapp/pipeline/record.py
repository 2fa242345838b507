"""Write down the answer and its trace, then tell the readers that it is done."""

from __future__ import annotations

from typing import Any

from chatapp.domain import Citation, TurnStatus, utc_now
from chatapp.pipeline.compose import PROMPT_VERSION, describe_source
from chatapp.pipeline.turn import Turn
from chatapp.store import turn_writes
from chatapp.store.tables import TraceTable, TurnTable
from chatapp.store.turn_log import Superseded
from chatapp.store.turns import TurnEnd

_DONE_COLUMNS = (
    "status",
    "finish_reason",
    "citations",
    "input_tokens",
    "output_tokens",
    "is_usage_estimated",
    "cached_input_tokens",
    "model",
    "parts",
    "cost_micro_usd",
    "error_code",
    "error_message",
)


async def record(turn: Turn) -> Turn:
    """Write the turn and its trace in one transaction, then the last event.

    Raises:
        Superseded: another attempt has the turn now; nothing was written.
    """
    await turn.writer.flush()
    status = turn.final_status
    citations = [annotation(citation) for citation in turn.citations]
    values: dict[str, Any] = {
        "status": status,
        "answer": turn.answer,
        "citations": citations,
        "sources": [describe_source(source) for source in turn.sources],
        "model": turn.deployment.model,
        "parts": [{"start": part.start, "model": part.model} for part in turn.parts],
        "finish_reason": turn.finish_reason,
        "error_code": turn.error.code if turn.error else "",
        "error_message": turn.error.message if turn.error else "",
        "input_tokens": turn.usage.input_tokens,
        "output_tokens": turn.usage.output_tokens,
        "cached_input_tokens": turn.usage.cached_input_tokens,
        "is_usage_estimated": turn.usage.is_estimated,
        "cost_micro_usd": turn.cost_micro_usd,
    }
    ending = TurnEnd(turn.id, turn.attempt, values, _trace(turn, status, citations))
    if not await turn_writes.end(turn.actor, ending):
        raise Superseded
    wait = getattr(turn.error, "retry_after_seconds", None)
    await turn.writer.emit("done", done_event(turn.id, values, retry_after_seconds=wait))
    return turn


def done_event(turn_id: Any, values: dict[str, Any], *, retry_after_seconds: float | None = None) -> dict[str, Any]:
    """The data of the last event, made from a turn's final columns.

    Args:
        turn_id: the turn, whose trace has the same id.
        values: the turn's columns by name.
        retry_after_seconds: when to come back, where too much was asked; kept nowhere, as it is soon past.
    """
    error = {"code": values["error_code"], "message": values["error_message"]} if values["error_code"] else None
    if error is not None and retry_after_seconds is not None:
        error["retry_after_seconds"] = retry_after_seconds
    return {
        "status": str(values["status"]),
        "finish_reason": values["finish_reason"],
        "citations": values["citations"],
        "usage": {
            "input_tokens": values["input_tokens"],
            "output_tokens": values["output_tokens"],
            "cached_input_tokens": values["cached_input_tokens"],
            "is_estimated": values["is_usage_estimated"],
        },
        "model": values["model"],
        "parts": values["parts"],
        "cost_micro_usd": values["cost_micro_usd"],
        "trace_id": str(turn_id),
        "error": error,
    }


def done_event_of(row: TurnTable) -> dict[str, Any]:
    """The data of the last event of a turn that has ended."""
    return done_event(row.id, {name: getattr(row, name) for name in _DONE_COLUMNS})


def annotation(citation: Citation) -> dict[str, Any]:
    """A citation as the contract's `message.annotations` has it, with the passage's place beside it."""
    return {
        "type": "file_citation",
        "file_citation": {
            "file_id": str(citation.file_id),
            "filename": citation.filename,
            "page": citation.page,
            "quote": citation.quote,
            "start_index": citation.start_index,
            "end_index": citation.end_index,
            "number": citation.number,
            "support": str(citation.support),
            "start": citation.passage_start,
            "end": citation.passage_end,
            "chunk_id": str(citation.chunk_id),
            "version": citation.version,
        },
    }


def _trace(turn: Turn, status: TurnStatus, citations: list[dict[str, Any]]) -> TraceTable:
    error = turn.error.message if turn.error else ""
    numbers = {str(source.retrieved.chunk.id): source.number for source in turn.sources}
    body = {
        "status": str(status),
        "question": turn.question,
        "standalone_question": turn.standalone_question,
        "route_reason": turn.route.reason,
        "facts": turn.route.facts.as_json() if turn.route.facts else None,
        "attempts": [attempt.as_json() for attempt in turn.attempts],
        "escalations": [dict(escalation) for escalation in turn.escalations],
        "turn_attempt": turn.attempt,
        "route_version": turn.route.version,
        "turns_before": turn.summarised_turns + sum(message.role == "user" for message in turn.history),
        "prompt": dict(turn.prompt),
        "parts": [{"start": part.start, "model": part.model} for part in turn.parts],
        "cached_input_tokens": turn.usage.cached_input_tokens,
        "cache_write_tokens": turn.usage.cache_write_tokens,
        "is_usage_estimated": turn.usage.is_estimated,
        "prompt_version": PROMPT_VERSION,
        "collection_versions": {str(collection.id): collection.version for collection in turn.collections},
        "collections": [{"id": str(collection.id), "name": collection.name} for collection in turn.collections],
        "is_relevant": turn.retrieved.is_relevant,
        "is_degraded": turn.retrieved.is_degraded,
        "collections_by_words_alone": turn.retrieved.by_words_alone,
        "best_cosine": round(turn.retrieved.best_cosine, 4),
        "best_coverage": round(turn.retrieved.best_coverage, 4),
        "retrieval_ms": {name: round(value, 2) for name, value in turn.retrieved.timings_ms.items()},
        # The numbers of the answer; what was found and not used has none.
        "retrieval": [{**chunk, "number": numbers.get(chunk["chunk_id"])} for chunk in turn.retrieved.chunks],
        "used": sorted(numbers.values()),
        "citations": citations,
        "parameters": dict(turn.parameters),
        "spans": [
            {"name": span.name, "start_ms": span.start_ms, "duration_ms": span.duration_ms, **span.attributes}
            for span in turn.spans
        ],
    }
    return TraceTable(
        id=turn.id,
        tenant_id=turn.actor.tenant_id,
        user_id=turn.actor.user_id,
        key_id=turn.actor.key_id,
        feature=turn.feature,
        provider=turn.deployment.provider_name,
        model=turn.deployment.model,
        input_tokens=turn.usage.input_tokens,
        output_tokens=turn.usage.output_tokens,
        cost_micro_usd=turn.cost_micro_usd,
        latency_ms=turn.elapsed_ms(),
        ttft_ms=turn.ttft_ms,
        citation_count=len(citations),
        finish_reason=turn.finish_reason,
        error=error,
        body=body,
        created_at=utc_now(),
    )
