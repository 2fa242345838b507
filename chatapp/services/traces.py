"""Use cases of traces: how an answer came about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import NotFound
from chatapp.store import collections, documents, feedback, traces
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import FeedbackTable, TraceTable

_WORDS = frozenset({"filename", "heading", "name", "quote"})
"""What a trace holds of documents in their own words."""


async def get(actor: Actor, trace_id: UUID) -> dict[str, Any]:
    """One trace, in the contract's shape: the actor's own, or the tenant's for those who may read traces.

    Of somebody else's, what comes out of documents the actor may not read is left out: names, headings and quotes.

    Raises:
        NotFound: no such trace in this tenant, or somebody else's.
    """
    async with transaction(actor, readonly=True) as tx:
        row = await traces.get(tx, trace_id)
        if not _is_own(actor, row) and not actor.may(Permission.READ_TRACES):
            raise NotFound("There is no such trace.", param="trace_id")
        ratings = await feedback.list_of_trace(tx, trace_id)
        body = row.body if _is_own(actor, row) else await _readable(tx, row.body)
    return _in_contract_shape(row, body, [_rating(rating) for rating in ratings])


async def _readable(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:
    """A trace's body without what its reader may not read of documents."""
    found: list[dict[str, Any]] = body.get("retrieval", [])
    cited: list[dict[str, Any]] = body.get("citations", [])
    ids = {each["file_id"] for each in (*found, *(citation["file_citation"] for citation in cited))}
    there = {str(each) for each in await documents.list_existing(tx, [UUID(each) for each in ids])}
    open_ids = {str(each) for each in await collections.list_ids(tx)}
    return {
        **body,
        "retrieval": [each if each["file_id"] in there else _withheld(each) for each in found],
        "citations": [
            each
            if each["file_citation"]["file_id"] in there
            else {**each, "file_citation": _withheld(each["file_citation"])}
            for each in cited
        ],
        "collections": [each if each["id"] in open_ids else _withheld(each) for each in body.get("collections", [])],
    }


def _withheld(entry: dict[str, Any]) -> dict[str, Any]:
    """What was found or cited, with its ids and scores alone."""
    return {name: "" if name in _WORDS else value for name, value in entry.items()} | {"is_withheld": True}


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


def _in_contract_shape(row: TraceTable, body: dict[str, Any], ratings: list[dict[str, Any]]) -> dict[str, Any]:
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
        **body,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
