from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chatapp.domain import Actor, Permission, TurnStatus, utc_now
from chatapp.errors import NotFound, NotPermitted
from chatapp.services import document_questions
from chatapp.store.database import transaction
from chatapp.store.tables import ConversationTable, TraceTable, TurnTable
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor


@pytest.fixture
async def document_id(upload: Upload) -> UUID:
    return (await upload("refunds.txt", b"Refunds are paid within 14 days.")).document.id


async def _ask(actor: Actor, question: str, cited: UUID | None, *, minutes_ago: int = 0, **others: Any) -> UUID:
    """Write an answered turn as the last step of an answer does."""
    turn_id, asked_at = uuid4(), utc_now() - timedelta(minutes=minutes_ago)
    citation = {"type": "file_citation", "file_citation": {"file_id": str(cited), "page": 1}}
    citations = [citation] if cited else []
    async with transaction(actor) as tx:
        conversation = ConversationTable(tenant_id=actor.tenant_id, user_id=actor.user_id, **others)
        tx.session.add(conversation)
        await tx.session.flush()
        tx.session.add(
            TurnTable(
                id=turn_id,
                tenant_id=actor.tenant_id,
                user_id=actor.user_id,
                conversation_id=conversation.id,
                question=question,
                citations=citations,
                status=TurnStatus.COMPLETED,
                created_at=asked_at,
            )
        )
        tx.session.add(
            TraceTable(
                id=turn_id,
                tenant_id=actor.tenant_id,
                user_id=actor.user_id,
                citation_count=len(citations),
                created_at=asked_at,
            )
        )
    return turn_id


async def test_the_questions_whose_answers_cite_a_document_are_listed_latest_first(
    document_id: UUID, actor: Actor, make_actor: MakeActor
) -> None:
    colleague = await make_actor(tenant=actor.tenant_id)
    first = await _ask(actor, "How fast are refunds?", document_id, minutes_ago=5)
    second = await _ask(colleague, "x" * 500, document_id)
    await _ask(actor, "About something else?", uuid4())
    await _ask(actor, "About nothing?", None)
    found = await document_questions.list_questions(actor, document_id)
    assert [one.trace_id for one in found] == [second, first]
    assert found[0].question == "x" * 300
    assert (found[1].question, found[1].asked_by) == ("How fast are refunds?", "Test Person")


async def test_deleted_conversations_are_left_out(document_id: UUID, actor: Actor) -> None:
    await _ask(actor, "How fast are refunds?", document_id, deleted_at=utc_now())
    assert await document_questions.list_questions(actor, document_id) == []


async def test_another_tenant_neither_sees_nor_adds_to_it(document_id: UUID, actor: Actor, other_actor: Actor) -> None:
    await _ask(other_actor, "How fast are refunds?", document_id)
    assert await document_questions.list_questions(actor, document_id) == []
    with pytest.raises(NotFound):
        await document_questions.list_questions(other_actor, document_id)


@pytest.mark.parametrize("missing", [Permission.READ_TRACES, Permission.READ_DOCUMENTS])
async def test_who_may_not_read_what_others_ask_is_refused(
    document_id: UUID, actor: Actor, make_actor: MakeActor, missing: Permission
) -> None:
    person = await make_actor(set(Permission) - {missing}, tenant=actor.tenant_id)
    with pytest.raises(NotPermitted):
        await document_questions.list_questions(person, document_id)
