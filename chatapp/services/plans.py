"""Who answers a turn, and from what: decided anew each time with the rights the asker has then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, utc_now
from chatapp.pipeline.output_form import require_checkable
from chatapp.pipeline.turn import SearchedCollection
from chatapp.routing.route import Route
from chatapp.routing.rules import Facts
from chatapp.services import collections, routes
from chatapp.services.turn_views import branch
from chatapp.store import collections as collection_rows
from chatapp.store import conversations, turns
from chatapp.store.database import transaction

AT_THE_BEGINNING = UUID(int=0)
"""The parent of a conversation's first question, where no parent means the conversation's end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who answers a turn, and from what."""

    route: Route
    is_searching: bool
    collections: tuple[SearchedCollection, ...]


async def make_plan(
    actor: Actor, request: dict[str, Any], question: str, conversation_id: UUID | None, parent_id: UUID | None
) -> Plan:
    """Who answers a request, and from what, with the rights the actor has now.

    Args:
        actor: who asks.
        request: a turn's `request`: `model`, `collections` as a list of ids or None for all, `parameters`, and
            `times_asked` where the same question was answered before.
        question: what is asked, for the rules of the tenant's route.
        conversation_id: where; None: in no conversation, or a new one.
        parent_id: the answer it follows; None: the one the conversation ends with.

    Raises:
        NotFound: no such model or collection for this actor.
        NotPermitted: the actor may not read documents, and wants to.
        InvalidInput: the model cannot answer in the form wanted, or the form is described by no JSON Schema.
    """
    await require_checkable(request.get("parameters", {}))
    facts = await _facts(actor, request, question, conversation_id, parent_id)
    route = await routes.choose(actor, facts, request.get("parameters", {}), times_asked=request.get("times_asked", 0))
    wanted = request.get("collections")
    requested = None if wanted is None else [UUID(value) for value in wanted]
    ids = await collections.readable_ids(actor, requested)
    if not ids:
        return Plan(route, requested is None or bool(requested), ())
    async with transaction(actor, readonly=True) as tx:
        rows = {row.id: row for row in await collection_rows.list_all(tx)}
    found = (SearchedCollection(rows[key].id, rows[key].name, rows[key].version) for key in ids if key in rows)
    return Plan(route, is_searching=True, collections=tuple(found))


def asked_again(request: dict[str, Any], *, model: str | None, is_same: bool) -> dict[str, Any]:
    """The request of a turn that takes the place of an earlier one.

    Args:
        request: the earlier turn's.
        model: another one this time; None: as before.
        is_same: whether the same question is answered once more, where the tenant's ladder may begin a rung higher.
    """
    times = request.get("times_asked", 0) + 1 if is_same else 0
    return {**request, "model": model or request["model"], "times_asked": times}


async def _facts(
    actor: Actor, request: dict[str, Any], question: str, conversation_id: UUID | None, parent_id: UUID | None
) -> Facts:
    wanted = request.get("collections")
    said = sum(message["role"] == "user" for message in request.get("messages", ()))
    return Facts(
        question=question,
        feature=request.get("feature", "chat"),
        roles=actor.roles,
        requested_model=request.get("model", ""),
        turns_before=said or await _turns_before(actor, conversation_id, parent_id),
        is_searching=wanted is None or bool(wanted),
        moment=utc_now(),
    )


async def _turns_before(actor: Actor, conversation_id: UUID | None, parent_id: UUID | None) -> int:
    if conversation_id is None:
        return 0
    async with transaction(actor, readonly=True) as tx:
        if parent_id is None:
            parent_id = (await conversations.get_own(tx, conversation_id)).active_turn_id
        return len(branch(await turns.list_nodes(tx, conversation_id), parent_id))
