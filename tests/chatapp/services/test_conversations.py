from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from chatapp.domain import Actor, Permission, TurnStatus, utc_now
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import audit, conversations
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import ConversationTable, FeedbackTable, TraceTable, TurnTable
from tests.fixtures.people import MakeActor


async def add(actor: Actor, title: str, *, question: str = "Why?", answer: str = "", hours_ago: float = 0) -> UUID:
    async with transaction(actor) as tx:
        when = utc_now() - timedelta(hours=hours_ago)
        row = ConversationTable(tenant_id=actor.tenant_id, user_id=actor.user_id, title=title, updated_at=when)
        tx.session.add(row)
        await tx.session.flush()
        turn = TurnTable(
            tenant_id=actor.tenant_id,
            conversation_id=row.id,
            user_id=actor.user_id,
            question=question,
            answer=answer,
            status=TurnStatus.COMPLETED,
        )
        row.active_turn_id = turn.id
        tx.session.add_all([turn, TraceTable(id=turn.id, tenant_id=actor.tenant_id, user_id=actor.user_id)])
        tx.session.add(FeedbackTable(tenant_id=actor.tenant_id, trace_id=turn.id, user_id=actor.user_id, rating="up"))
        return row.id


async def test_pinned_ones_come_first_then_the_latest(actor: Actor) -> None:
    for hours, title in ((3, "old"), (1, "new"), (2, "middle")):
        await add(actor, title, hours_ago=hours)
    old = (await conversations.list_conversations(actor))[-1]
    await conversations.pin(actor, old.id, is_pinned=True)

    assert [view.title for view in await conversations.list_conversations(actor)] == ["old", "new", "middle"]


async def test_pages_follow_each_other_without_gap_or_repetition(actor: Actor) -> None:
    ids = [await add(actor, f"{number}", hours_ago=number) for number in range(7)]
    await conversations.pin(actor, ids[4], is_pinned=True)
    seen: list[UUID] = []
    after = None
    while page := await conversations.list_conversations(actor, limit=2, after=after):
        seen += [view.id for view in page]
        after = seen[-1]

    assert seen == [ids[4], *(ids[at] for at in (0, 1, 2, 3, 5, 6))]


async def test_search_finds_titles_questions_and_answers(actor: Actor) -> None:
    await add(actor, "Budget 2023")
    await add(actor, "Other", question="What about travel costs?", answer="Paid by 100% of managers.")

    async def titles(search: str) -> list[str]:
        return [view.title for view in await conversations.list_conversations(actor, search=search)]

    assert await titles("budget") == ["Budget 2023"]
    assert await titles("TRAVEL managers") == ["Other"]
    assert await titles("travel budget") == []
    assert await titles("100%") == ["Other"]
    assert await titles("_") == []
    assert await titles("TRAVEL\x00managers") == ["Other"]


async def test_what_is_found_shows_where_the_words_stand_the_latest_first(actor: Actor) -> None:
    answer = f"{'Before. ' * 40}**Travel** abroad needs the finance team's word [1]. {'After. ' * 40}"
    await add(actor, "Trips", question="Who agrees?", answer=answer, hours_ago=2)
    pinned = await add(actor, "Travel finance", question="Why?", hours_ago=3)
    await conversations.pin(actor, pinned, is_pinned=True)
    trips, by_title = await conversations.search(actor, "FINANCE travel\x00")

    assert (trips.summary.title, by_title.summary.title) == ("Trips", "Travel finance")
    assert "Travel abroad needs the finance team's word" in trips.snippet
    assert trips.snippet.startswith("…")
    assert trips.snippet.endswith("…")
    assert len(trips.snippet) < 170
    assert by_title.snippet == ""
    assert await conversations.search(actor, "nowhere") == []


async def test_other_tenants_and_colleagues_conversations_are_not_found(
    actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    mine = await add(actor, "Mine")
    colleague = await make_actor(tenant=actor.tenant_id)
    for stranger in (other_actor, colleague):
        assert await conversations.list_conversations(stranger, search="Mine") == []
        assert await conversations.search(stranger, "Mine") == []
        with pytest.raises(NotFound):
            await conversations.open(stranger, mine)
        with pytest.raises(NotFound):
            await conversations.rename(stranger, mine, title="Yours")
        with pytest.raises(NotFound):
            await conversations.pin(stranger, mine, is_pinned=True)
        with pytest.raises(NotFound):
            await conversations.delete(stranger, mine)
        with pytest.raises(NotFound):
            await conversations.list_conversations(stranger, after=mine)
    await conversations.delete(actor, mine)
    for stranger in (other_actor, colleague):
        assert not await conversations.can_be_restored(stranger, mine)
        with pytest.raises(NotFound):
            await conversations.restore(stranger, mine)


async def test_a_conversation_opens_with_its_turns_and_ratings(actor: Actor) -> None:
    opened = await conversations.open(actor, await add(actor, "Mine", question="Why?", answer="Because."))
    assert [(turn.question, turn.answer, turn.rating) for turn in opened.turns] == [("Why?", "Because.", "up")]


async def test_a_deleted_conversation_can_be_restored(actor: Actor) -> None:
    mine = await add(actor, "Mine")
    await conversations.delete(actor, mine)
    with pytest.raises(NotFound):
        await conversations.open(actor, mine)
    assert await conversations.list_conversations(actor) == []

    assert await conversations.can_be_restored(actor, mine)
    assert (await conversations.restore(actor, mine)).title == "Mine"
    assert not await conversations.can_be_restored(actor, mine)
    assert not await conversations.can_be_restored(actor, None)
    assert len(await conversations.list_conversations(actor)) == 1


async def test_changes_are_audited_without_what_was_asked(actor: Actor) -> None:
    opened = await add(actor, "Salaries of Ada")
    await conversations.rename(actor, opened, title="Pay of Ada")
    await conversations.pin(actor, opened, is_pinned=True)
    await conversations.delete(actor, opened)
    await conversations.restore(actor, opened)

    entries = (await audit.list_entries(actor, actor.tenant_id, {"subject_id": str(opened), "order": "sequence"})).items

    assert [entry.action.partition(".")[2] for entry in entries] == ["renamed", "pinned", "deleted", "restored"]
    assert (entries[1].before, entries[1].after) == ({"is_pinned": False}, {"is_pinned": True})
    assert "Ada" not in str(entries)


async def test_purging_removes_what_was_deleted_long_ago_with_all_that_belongs_to_it(
    actor: Actor, other_actor: Actor
) -> None:
    gone, recent, theirs = await add(actor, "Gone"), await add(actor, "Recent"), await add(other_actor, "Theirs")
    await conversations.delete(actor, gone)
    await conversations.delete(actor, recent)
    async with transaction(actor) as tx:
        row = await tx.session.get(ConversationTable, gone)
        assert row is not None
        row.deleted_at = utc_now() - timedelta(hours=2)

    assert await conversations.purge_deleted() == 1

    async with system_transaction(readonly=True) as tx:
        for table in (ConversationTable, TurnTable, TraceTable, FeedbackTable):
            assert len((await tx.session.execute(select(table))).scalars().all()) == 2, table
    assert (await conversations.restore(actor, recent)).title == "Recent"
    assert (await conversations.open(other_actor, theirs)).turns


@pytest.mark.parametrize("title", ["", "  ", "\x00", "x" * 201])
async def test_a_name_that_cannot_be_is_refused(actor: Actor, title: str) -> None:
    with pytest.raises(InvalidInput):
        await conversations.rename(actor, uuid4(), title=title)


async def test_who_may_not_chat_has_no_conversations(make_actor: MakeActor) -> None:
    reader = await make_actor([Permission.READ_DOCUMENTS])
    with pytest.raises(NotPermitted):
        await conversations.list_conversations(reader)
    with pytest.raises(NotPermitted):
        await conversations.open(reader, uuid4())
