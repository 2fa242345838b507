from __future__ import annotations

import pytest

from chatapp.domain import Actor, Permission
from chatapp.services import collections, documents, ingestion, starters
from tests.fixtures.ingestion import in_pieces
from tests.fixtures.people import MakeActor

pytestmark = pytest.mark.usefixtures("parts")

RETURNS = b"# Returns handbook\n\n## 1. Introduction\n\nRead this.\n\n## 2.1 Opened software\n\nShops may refuse it.\n"
ANSWERS = b"# Answers\n\n## How long does delivery take?\n\nThree days, abroad a week.\n"


async def put(actor: Actor, collection: str, filename: str, data: bytes) -> None:
    made = await collections.ensure(actor, name=collection)
    await documents.upload(actor, collection_id=made.id, filename=filename, content=in_pieces(data))
    await ingestion.ingest_waiting()


async def test_starters_ask_what_titles_and_headings_say_one_of_each_collection_first(actor: Actor) -> None:
    await put(actor, "Notes", "meeting_of-may.txt", b"We met in May and talked about the weather for an hour.")
    await put(actor, "Shop", "a.md", RETURNS)
    await put(actor, "Shop", "b.md", ANSWERS)

    assert set(await starters.suggest(actor)) == {
        "What are the main points of \u201cmeeting of may\u201d?",
        "Opened software: what does \u201cReturns handbook\u201d say?",
        "How long does delivery take?",
    }
    assert len(await starters.suggest(actor, limit=2)) == 2
    first = await starters.suggest(actor, limit=2)
    assert any("meeting" in each for each in first)


async def test_nobody_is_led_to_what_they_may_not_read(actor: Actor, other_actor: Actor, make_actor: MakeActor) -> None:
    await put(actor, "Shop", "a.md", RETURNS)

    assert await starters.suggest(other_actor) == []
    assert await starters.suggest(await make_actor(frozenset({Permission.CHAT}), tenant=actor.tenant_id)) == []
