"""Following an answer: from its beginning or from behind an event, while it is made and afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from chatapp.domain import Actor, TurnStatus
from chatapp.pipeline.event_writer import to_json
from chatapp.pipeline.record import done_event_of
from chatapp.services.turn_runner import turn_runner
from chatapp.services.turn_views import TurnView, sibling_ids
from chatapp.store import feedback, turns
from chatapp.store.database import transaction
from chatapp.store.tables import TurnTable
from chatapp.store.turn_log import TurnEvent, parse_id, turn_log

_PING_SECONDS = 10.0
_SETTLE_SECONDS = 0.2


async def get(actor: Actor, turn_id: UUID) -> TurnView:
    """One turn of the actor.

    Raises:
        NotFound: no such turn of this actor.
    """
    async with transaction(actor, readonly=True) as tx:
        row = await turns.get_own(tx, turn_id)
        nodes = await turns.list_nodes(tx, row.conversation_id) if row.conversation_id else []
        rating = await feedback.find(tx, actor, turn_id)
    return TurnView.from_row(row, sibling_ids(nodes, row.parent_id), rating)


async def wait(actor: Actor, turn_id: UUID) -> TurnView:
    """The turn when it has ended.

    Raises:
        NotFound: no such turn of this actor.
    """
    async with aclosing(events(actor, turn_id)) as stream:
        async for event in stream:
            if event.kind == "done":
                break
    return await get(actor, turn_id)


async def events(actor: Actor, turn_id: UUID, *, last_event_id: str | None = None) -> AsyncGenerator[TurnEvent, None]:
    """What a turn says, from its beginning or from behind an event, to its end.

    A reader that begins at the beginning is told `reset` first, so that one which comes back without knowing where
    it was cannot show a text twice. Close the generator when the reader leaves; the turn goes on.

    Args:
        actor: who asked the question.
        turn_id: the turn.
        last_event_id: id of the last event the reader has; anything else means from the beginning.

    Yields:
        events; `done` is the last. A `ping` at least every 10 s.

    Raises:
        NotFound: no such turn of this actor; at the first step.
    """
    log = turn_log()
    is_final = False
    # A turn being answered here needs no look at the database: nearly every reader comes for one of those.
    if not turn_runner().is_answering(actor, turn_id):
        row = await _own(actor, turn_id)
        is_final = TurnStatus(row.status).is_final
        if is_final and not await log.exists(actor, turn_id):
            for event in _replay(row):
                yield event
            return
    after = (last_event_id or "").strip()
    if parse_id(after) == (0, 0):
        after = ""
        yield TurnEvent("reset")
    idle_seconds = _SETTLE_SECONDS if is_final else _PING_SECONDS
    async with aclosing(log.read(actor, turn_id, after=after, idle_seconds=idle_seconds)) as stream:
        async for event in stream:
            if event.kind == "ping" and TurnStatus((await _own(actor, turn_id)).status).is_final:
                break
            yield event
            if event.kind == "done":
                return
    # The end is in the database: the reader had it already, another process died, or the log was lost.
    for replayed in _replay(await _own(actor, turn_id)):
        yield replayed


async def require_own(actor: Actor, turn_id: UUID) -> None:
    """Refuse a turn that is not the actor's, without reading one that is being answered here.

    Raises:
        NotFound: no such turn of this actor.
    """
    if not turn_runner().is_answering(actor, turn_id):
        await _own(actor, turn_id)


async def _own(actor: Actor, turn_id: UUID) -> TurnTable:
    async with transaction(actor, readonly=True) as tx:
        return await turns.get_own(tx, turn_id)


def _replay(row: TurnTable) -> list[TurnEvent]:
    """A finished turn as events. They carry no ids: a reader cut off among them begins again."""
    replayed = [TurnEvent("reset"), TurnEvent("sources", to_json(row.sources))]
    if row.answer:
        replayed.append(TurnEvent("delta", to_json(row.answer)))
    return [*replayed, TurnEvent("done", to_json(done_event_of(row)))]
