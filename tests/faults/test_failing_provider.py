from __future__ import annotations

import asyncio
import json

import pytest

from chatapp.domain import Actor, TurnStatus
from chatapp.routing import retries
from chatapp.services import traces, turns
from tests.fixtures.providers import AddModel
from tests.fixtures.servers import free_port
from tests.upstream.faults import FAULTS
from tests.upstream.server import Upstream

pytestmark = pytest.mark.usefixtures("parts")

HARMLESS = {
    *("no_done", "no_usage", "done_without_end", "duplicate_finish"),
    *("byte_by_byte", "split_characters", "crlf_and_comments"),
}
BEFORE_ANY_TEXT = {
    "reset_before_headers",
    "too_many_requests",
    "too_many_requests_until",
    "server_error",
    "unavailable_once",
    "late_headers",
    "late_first_byte",
    "unauthorized",
    "bad_request",
    "empty_body",
    "html_page",
    "empty_answer",
}


SILENT = {"late_headers", "late_first_byte", "stall"}
"""Of these nothing is heard however long one waits."""


@pytest.fixture(autouse=True)
def _impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    is_silent = request.node.callspec.params.get("fault") in SILENT
    # The settings fixture reads the environment after this one.
    monkeypatch.setenv("CHATAPP_FIRST_TOKEN_TIMEOUT_SECONDS", "0.5" if is_silent else "1.2")
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.01)


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_ends_in_a_clear_turn_with_what_was_written(
    fault: str, actor: Actor, add_model: AddModel
) -> None:
    model = await add_model(f"scripted?tokens=10&fault={fault}&after=4")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    events = [event async for event in turns.events(actor, turn.id)]
    ended = await turns.get(actor, turn.id)
    done = json.loads(events[-1].data)
    shown = "".join(json.loads(event.data) for event in events if event.kind == "delta")

    assert events[-1].kind == "done"
    assert shown == ended.answer
    if fault in HARMLESS | {"unavailable_once"}:
        assert (ended.status, ended.answer.count("word"), done["error"]) == (TurnStatus.COMPLETED, 10, None)
        assert ended.usage.is_estimated == (fault == "no_usage")
        assert ended.usage.output_tokens > 0
        return
    assert ended.status == TurnStatus.FAILED
    assert done["error"]["code"].startswith(("provider_", "context_length_"))
    assert done["error"]["message"] == ended.error_message
    assert "sk-" not in ended.error_message
    # Nobody else is there, so the model that broke off was asked to go on, once, and broke off again.
    assert ended.answer == "".join(f"word{number} " for number in range(1, 1 if fault in BEFORE_ANY_TEXT else 9))
    assert (await traces.get(actor, turn.id))["error"] == ended.error_message


async def test_nobody_at_the_address_is_said_clearly(actor: Actor, add_model: AddModel) -> None:
    model = await add_model("scripted", url=f"http://127.0.0.1:{free_port()}/v1")
    turn = await turns.start(actor, question="Count", model=model, collection_ids=[])
    ended = await turns.wait(actor, turn.id)

    assert (ended.status, ended.error_code) == (TurnStatus.FAILED, "provider_unavailable")


async def test_a_failed_turn_can_be_asked_again(
    actor: Actor, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_TRIES", 1)
    model = await add_model("scripted?tokens=3&fault=unavailable_once")
    first = await turns.start(actor, question="Count", model=model, collection_ids=[])
    assert (await turns.wait(actor, first.id)).status == TurnStatus.FAILED

    again = await turns.regenerate(actor, first.id)
    assert (await turns.wait(actor, again.id)).answer == "word1 word2 word3 "


async def test_readers_that_leave_leave_nothing_behind(actor: Actor, add_model: AddModel, provider: Upstream) -> None:
    model = await add_model("scripted?tokens=2000&gap_ms=5")
    started = [await turns.start(actor, question="Count", model=model, collection_ids=[]) for _ in range(20)]
    await asyncio.sleep(0.3)
    await asyncio.gather(*(turns.cancel(actor, turn.id) for turn in started))
    ended = await asyncio.gather(*(turns.wait(actor, turn.id) for turn in started))
    await asyncio.sleep(0.2)

    assert {turn.status for turn in ended} == {TurnStatus.STOPPED}
    assert provider.open_connections == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("turn ")]
