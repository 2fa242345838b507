"""Who asked about a document: the questions whose answers cite it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.store import document_questions, documents
from chatapp.store.database import transaction

MAX_QUESTIONS = 50
_MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question whose answer cites the document."""

    trace_id: UUID
    question: str
    """At most 300 characters of it."""
    asked_by: str
    """Name or address of who asked; empty for a service."""
    asked_at: datetime


async def list_questions(actor: Actor, document_id: UUID) -> list[QuestionView]:
    """The latest questions of the tenant whose answers cite a document, at most `MAX_QUESTIONS`.

    Raises:
        NotPermitted: the actor may not read documents, or not what others ask.
        NotFound: no such document in this tenant.
    """
    actor.require(Permission.READ_DOCUMENTS)
    actor.require(Permission.READ_TRACES)
    async with transaction(actor, readonly=True) as tx:
        await documents.get(tx, document_id)
        found = await document_questions.list_citing(tx, document_id, limit=MAX_QUESTIONS)
    return [QuestionView(one.turn_id, one.question[:_MAX_CHARACTERS], one.asked_by, one.asked_at) for one in found]
