"""Nobody answers: the documents are quoted where they answer, and else people are told plainly."""

from __future__ import annotations

import httpx
import pytest

from chatapp.domain import Actor, TurnStatus
from chatapp.routing import retries
from chatapp.services import collections, documents, ingestion, routes, traces, turns
from chatapp.services.routes import RouteSettings
from tests.fixtures.credentials import KeyOf
from tests.fixtures.ingestion import in_pieces
from tests.fixtures.providers import AddModel
from tests.fixtures.servers import free_port

pytestmark = pytest.mark.usefixtures("parts", "built_in_model")
HANDBOOK = b"# Canteen\n\nThe canteen opens at noon on weekdays. On Fridays it serves fish.\n"
FAILING = ("server_error", "reset_before_headers", "too_many_requests", "unauthorized", "empty_body", "html_page")
NO_ANSWER = {502, 503, 504}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)


async def _everybody_fails(actor: Actor, add_model: AddModel, fault: str) -> None:
    first = await add_model(f"scripted?fault={fault}&retry_after=60", default=True)
    second = await add_model(f"scripted?fault={fault}&retry_after=60&tokens=1")
    await routes.put(actor, RouteSettings(default=first, fallbacks=(second,)))


@pytest.mark.parametrize("fault", FAILING)
async def test_the_documents_are_quoted_in_a_models_place(fault: str, actor: Actor, add_model: AddModel) -> None:
    await _everybody_fails(actor, add_model, fault)
    made = await collections.ensure(actor, name="Handbook")
    await documents.upload(actor, collection_id=made.id, filename="handbook.md", content=in_pieces(HANDBOOK))
    await ingestion.ingest_waiting()
    turn = await turns.start(actor, question="When does the canteen open?")
    ended = await turns.wait(actor, turn.id)
    assert (ended.status, ended.model, ended.error_code) == (TurnStatus.COMPLETED, "extractive", "")
    assert "The canteen opens at noon on weekdays." in ended.answer
    assert ended.citations
    tried = (await traces.get(actor, turn.id))["attempts"]
    assert [each["outcome"] for each in tried][-1] == "answered"
    assert {each["outcome"] for each in tried[:-1]} <= {"failed", "skipped"}


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("fault", [*FAILING, "nobody there"])
async def test_with_nothing_to_quote_a_program_gets_a_sentence_and_a_status_of_its_own(
    client: httpx.AsyncClient, fault: str, is_stream: bool, actor: Actor, key_of: KeyOf, add_model: AddModel
) -> None:
    if fault == "nobody there":
        await add_model("scripted", default=True, url=f"http://127.0.0.1:{free_port()}/v1")
    else:
        await _everybody_fails(actor, add_model, fault)
    body = {"messages": [{"role": "user", "content": "Hello"}], "collections": [], "stream": is_stream}
    answer = await client.post("/v1/chat/completions", json=body, headers=await key_of(actor))
    error = answer.json()["error"]
    assert answer.status_code in NO_ANSWER
    assert error["code"].startswith("provider_")
    assert error["message"].endswith((".", "!"))
    assert "incident" not in error["message"]


async def test_while_everybody_rests_it_is_said_at_once_and_nobody_is_asked(
    actor: Actor, other_actor: Actor, add_model: AddModel
) -> None:
    await _everybody_fails(actor, add_model, "too_many_requests")
    for asker in (actor, other_actor, actor):
        turn = await turns.start(asker, question="Count", collection_ids=[])
        ended = await turns.wait(asker, turn.id)
        assert (ended.status, ended.error_code) == (TurnStatus.FAILED, "provider_unavailable")
    outcomes = [each["outcome"] for each in (await traces.get(actor, turn.id))["attempts"]]
    assert outcomes == ["skipped", "skipped"]
