"""Use cases of traces: how an answer came about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.store import feedback, traces
from chatapp.store.database import transaction
from chatapp.store.tables import FeedbackTable, TraceTable


async def get(actor: Actor, trace_id: UUID) -> dict[str, Any]:
    """One trace, in the contract's shape: the actor's own, or the tenant's for those who may read traces.

    Raises:
        NotFound: no such trace in this tenant, or somebody else's.
    """
    async with transaction(actor, readonly=True) as tx:
        row = await traces.get(tx, trace_id)
        if not _is_own(actor, row) and not actor.may(Permission.READ_TRACES):
            raise NotFound("There is no such trace.", param="trace_id")
        ratings = await feedback.list_of_trace(tx, trace_id)
    return _in_contract_shape(row, [_rating(rating) for rating in ratings])


def _is_own(actor: Actor, row: TraceTable) -> bool:
    if row.user_id is not None:
        return row.user_id == actor.user_id
    return row.key_id is not None and row.key_id == actor.key_id


def _rating(row: FeedbackTable) -> dict[str, Any]:
    return {
        "user_id": _text(row.user_id),
        "rating": row.rating,
        "reasons": row.reasons,
        "comment": row.comment,
        "updated_at": row.updated_at.isoformat(),
    }


def _in_contract_shape(row: TraceTable, ratings: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "trace_id": str(row.id),
        "user_id": _text(row.user_id),
        "key_id": _text(row.key_id),
        "tenant_id": str(row.tenant_id),
        "feature": row.feature,
        "provider": row.provider,
        "model": row.model,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "total_tokens": row.input_tokens + row.output_tokens,
        "latency_ms": round(row.latency_ms, 1),
        "ttft_ms": None if row.ttft_ms is None else round(row.ttft_ms, 1),
        "cost_micro_usd": row.cost_micro_usd,
        "cache": "miss",
        "guardrails": [],
        "tools_used": [],
        "experiment_arm": None,
        "finish_reason": row.finish_reason,
        "error": row.error or None,
        "user_feedback": ratings,
        "policy_version": None,
        "route_version": None,
        "created_at": row.created_at.isoformat(),
        **row.body,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
