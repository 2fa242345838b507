"""Running turns as background tasks of the process, so that no page, socket or request has to stay.

Each running turn is leased. The lease is renewed here; a turn whose process died is taken up by the next one to look,
from its beginning under the next attempt, and its readers are told to drop what they hold.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog

from chatapp.domain import Actor, Permission, PromptMessage, Span, TurnStatus, utc_now
from chatapp.errors import AppError, NotPermitted, UpstreamError
from chatapp.pipeline.answer import answer
from chatapp.pipeline.event_writer import EventWriter
from chatapp.pipeline.record import done_event_of
from chatapp.pipeline.summarise import VERBATIM_TURNS
from chatapp.pipeline.turn import Stopped, StopSignal, Turn, TurnLimits
from chatapp.services import admission, authentication, turn_metrics
from chatapp.services.plans import AT_THE_BEGINNING, Plan, make_plan
from chatapp.services.turn_views import branch
from chatapp.settings import Settings
from chatapp.store import turns
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import TurnTable
from chatapp.store.turn_log import Superseded, turn_log
from chatapp.telemetry import metrics

_log = structlog.get_logger(__name__)

LEASE_SECONDS = 30.0
_RENEW_SECONDS = 10.0
_RENEWED_TOGETHER = 500
_MAX_ATTEMPTS = 5
"""A turn that takes its process down each time must not do so for ever."""
_HISTORY_TURNS = VERBATIM_TURNS + 20
"""Turns read of a branch; from `VERBATIM_TURNS` on the older ones are summed up, so none is lost sight of."""
_RELISTEN_SECONDS = 2.0
_FRESH_SECONDS = 1.0
"""After a longer wait for a place it is decided anew who answers and from what, with the rights of then."""


@dataclass(frozen=True, slots=True)
class _Running:
    actor: Actor
    attempt: int
    stop: StopSignal
    task: asyncio.Task[None]


class TurnRunner:
    """The turns this process is answering."""

    def __init__(self, settings: Settings) -> None:
        """Begin with none."""
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._settings = settings
        self._running: dict[UUID, _Running] = {}
        self._upkeep: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Begin to renew leases, take up abandoned turns and listen for stops."""
        self._upkeep = [asyncio.create_task(self._keep_leases()), asyncio.create_task(self._listen())]

    async def close(self) -> None:
        """Give every running turn back, so that another process or the next start takes it up at once."""
        tasks = [*self._upkeep, *(running.task for running in self._running.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def lease_until(self) -> datetime:
        """When a lease taken now runs out."""
        return utc_now() + timedelta(seconds=LEASE_SECONDS)

    def launch(self, actor: Actor, row: TurnTable, plan: Plan | None = None) -> None:
        """Answer a turn whose row is written and leased to this process.

        Args:
            actor: who asked.
            row: the turn.
            plan: who answers; made from the row when left out.
        """
        stop = StopSignal()
        if row.is_cancel_requested:
            stop.request()
        task = asyncio.create_task(self._supervise(actor, row, plan, stop), name=f"turn {row.id}")
        self._running[row.id] = _Running(actor, row.attempt, stop, task)

    def stop(self, turn_id: UUID) -> bool:
        """Stop a turn of this process; False when it is not here."""
        running = self._running.get(turn_id)
        if running is not None:
            running.stop.request()
        return running is not None

    def is_answering(self, actor: Actor, turn_id: UUID) -> bool:
        """Whether this process is answering a turn that the actor asked for."""
        running = self._running.get(turn_id)
        return running is not None and _is_same_asker(running.actor, actor)

    async def recover(self, *, everything: bool = False) -> int:
        """Take up turns nobody works on, and return how many those were.

        Args:
            everything: also those with a running lease of another owner: for the one web process of an installation.
        """
        async with system_transaction() as tx:
            rows = await turns.claim_abandoned(
                tx, owner=self.owner, expires_at=self.lease_until(), everything=everything
            )
        for row in rows:
            _log.info("turn.recovered", turn_id=str(row.id), attempt=row.attempt)
            if row.attempt > _MAX_ATTEMPTS:
                await self._fail(_asker(row), row, UpstreamError("The answer was begun several times and broke off."))
            else:
                await self._launch_again(row)
        return len(rows)

    async def _launch_again(self, row: TurnTable) -> None:
        # Rights may have been taken away since it was asked; what it may read is looked at when it is planned.
        actor = await authentication.actor_now(tenant_id=row.tenant_id, user_id=row.user_id, key_id=row.key_id)
        if actor is None or not actor.may(Permission.CHAT):
            await self._fail(_asker(row), row, NotPermitted())
        else:
            self.launch(actor, row)

    async def _supervise(self, actor: Actor, row: TurnTable, plan: Plan | None, stop: StopSignal) -> None:
        work = asyncio.create_task(self._answer(actor, row, plan, stop))
        try:
            await asyncio.wait({work})
            error = None if work.cancelled() else work.exception()
            if error is not None and not isinstance(error, Superseded):
                await self._fail(actor, row, error)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            async with transaction(actor) as tx:
                await turns.release(tx, row.id, attempt=row.attempt)
            raise
        finally:
            self._running.pop(row.id, None)

    async def _answer(self, actor: Actor, row: TurnTable, plan: Plan | None, stop: StopSignal) -> None:
        writer = EventWriter(actor, row.id, row.attempt)
        if row.attempt > 1:
            await writer.emit("reset", {})
        if plan is None:
            parent_id = row.parent_id or AT_THE_BEGINNING
            plan = await make_plan(actor, row.request, row.question, row.conversation_id, parent_id)
        settings = self._settings
        turn = Turn(
            actor=actor,
            id=row.id,
            attempt=row.attempt,
            question=row.question,
            feature=row.request.get("feature", "chat"),
            route=plan.route,
            limits=TurnLimits(
                question_characters=settings.max_question_characters,
                documents_tokens=settings.max_documents_tokens,
                first_token_seconds=settings.first_token_timeout_seconds,
                answer_seconds=settings.answer_timeout_seconds,
            ),
            writer=writer,
            stop=stop,
            is_searching=plan.is_searching,
            collections=plan.collections,
            **await _said_before(actor, row),
            parameters=row.request.get("parameters", {}),
            lane=admission.lane_of(row.request),
            may_share=admission.may_share(row.request),
        )
        async with AsyncExitStack() as places:
            places.push_async_callback(writer.close)
            turn = await _in_its_place(turn, row, places)
            turn_metrics.count(await answer(turn))

    async def _fail(self, actor: Actor, row: TurnTable, error: BaseException) -> None:
        """End a turn that no step could end: the person gets a sentence, the log gets everything."""
        if isinstance(error, AppError):
            code, message = error.code, error.message
        else:
            incident = uuid4().hex[:12]
            code = AppError.code
            message = f"Something went wrong on our side. Try again. If it stays, tell your admin: incident {incident}."
            _log.error("turn.crashed", turn_id=str(row.id), incident=incident, exc_info=error)
        values = {"status": TurnStatus.FAILED, "finish_reason": "error", "error_code": code, "error_message": message}
        async with transaction(actor) as tx:
            if not await turns.finish(tx, row.id, attempt=row.attempt, values=values):
                return
            await tx.session.refresh(final := await turns.get(tx, row.id))
        # A new writer numbers from 1 again; far above whatever the crashed one has written, readers miss nothing.
        writer = EventWriter(actor, row.id, row.attempt, first=1_000_000)
        await writer.emit("done", done_event_of(final))

    async def _keep_leases(self) -> None:
        is_alone = not self._settings.redis_url.get_secret_value()
        while True:
            # Whatever fails here, a database away for a while above all, must not end the renewing for good.
            outcomes = await asyncio.gather(
                self.recover(everything=is_alone),
                *(self._renew(together) for together in self._by_tenant()),
                return_exceptions=True,
            )
            for error in outcomes:
                if isinstance(error, Exception):
                    _log.warning("turns.upkeep_failed", error=repr(error))
            await asyncio.sleep(_RENEW_SECONDS)

    def _by_tenant(self) -> list[dict[UUID, _Running]]:
        """The running turns, those of a tenant together, a limited number at a time."""
        by_tenant: dict[UUID, list[tuple[UUID, _Running]]] = {}
        for turn_id, running in self._running.items():
            by_tenant.setdefault(running.actor.tenant_id, []).append((turn_id, running))
        return [
            dict(own[first : first + _RENEWED_TOGETHER])
            for own in by_tenant.values()
            for first in range(0, len(own), _RENEWED_TOGETHER)
        ]

    async def _renew(self, together: Mapping[UUID, _Running]) -> None:
        """Renew the leases of turns of one tenant. One by one would keep everybody else waiting where many run."""
        actor = next(iter(together.values())).actor
        async with transaction(actor) as tx:
            kept = await turns.renew_leases(tx, together, owner=self.owner, expires_at=self.lease_until())
        for turn_id, running in together.items():
            if kept.get(turn_id, True):
                running.stop.request()

    async def _listen(self) -> None:
        while True:
            try:
                async for turn_id in turn_log().stop_requests():
                    self.stop(turn_id)
            except UpstreamError as error:
                # The row says it too, and is read with every renewal.
                _log.warning("turns.not_listening", error=error.code)
            await asyncio.sleep(_RELISTEN_SECONDS)


async def _said_before(actor: Actor, row: TurnTable) -> dict[str, Any]:
    """What was said before, as fields of `Turn`: the branch above the turn, or what the request itself carried.

    Of the branch, the turns behind the last one that has a summary; it stands for those up to and with it.
    """
    if "messages" in row.request:
        carried = (PromptMessage(message["role"], message["content"]) for message in row.request["messages"])
        return {"history": tuple(carried)}
    if row.parent_id is None or row.conversation_id is None:
        return {}
    async with transaction(actor, readonly=True) as tx:
        path = branch(await turns.list_nodes(tx, row.conversation_id), row.parent_id)
        summary_of, summary = await turns.last_summary(tx, path)
        summarised = path.index(summary_of) + 1 if summary_of is not None else 0
        above = await turns.list_by_ids(tx, path[summarised:][-_HISTORY_TURNS:])
    messages: list[PromptMessage] = []
    for turn in above:
        messages.append(PromptMessage("user", turn.question))
        if turn.answer:
            messages.append(PromptMessage("assistant", turn.answer))
    return {
        "history": tuple(messages),
        "earlier_ids": tuple(turn.id for turn in above),
        "summary": summary,
        "summarised_turns": summarised,
    }


async def _in_its_place(turn: Turn, row: TurnTable, places: AsyncExitStack) -> Turn:
    """The turn once it has a place, which the stack gives back; without one it ends with the reason."""
    try:
        waited = await turn.stop.watch(places.enter_async_context(admission.place(turn)))
        metrics.QUEUE_WAIT.observe(waited)
        if waited < _FRESH_SECONDS:
            return turn
        span = Span("wait", 0.0, round(waited * 1000, 3))
        return replace(await _as_it_is_now(turn, row), spans=(span,))
    except Stopped:
        return turn
    except AppError as error:
        return replace(turn, error=error)


async def _as_it_is_now(turn: Turn, row: TurnTable) -> Turn:
    """The turn with the rights its asker has after a wait, and the route and collections of now.

    Raises:
        NotPermitted: they may not ask any more.
        NotFound: the model or a collection named is gone.
    """
    actor = await authentication.actor_now(tenant_id=row.tenant_id, user_id=row.user_id, key_id=row.key_id)
    if actor is None or not actor.may(Permission.CHAT):
        raise NotPermitted
    parent_id = row.parent_id or AT_THE_BEGINNING
    plan = await make_plan(actor, row.request, row.question, row.conversation_id, parent_id)
    return replace(turn, actor=actor, route=plan.route, is_searching=plan.is_searching, collections=plan.collections)


def _asker(row: TurnTable) -> Actor:
    """Whose turn it is, without any rights: for writing down how it ended."""
    return Actor(row.tenant_id, row.user_id, frozenset(), key_id=row.key_id)


def _is_same_asker(one: Actor, other: Actor) -> bool:
    if one.tenant_id != other.tenant_id or one.user_id != other.user_id:
        return False
    return one.user_id is not None or (one.key_id is not None and one.key_id == other.key_id)


class _Runner:
    """The process's runner; opened and closed by the lifespan."""

    runner: TurnRunner | None = None


def open_turn_runner(settings: Settings) -> None:
    """Begin to answer turns in this process, those a dead process left behind first."""
    _Runner.runner = TurnRunner(settings)
    _Runner.runner.open()


async def close_turn_runner() -> None:
    """Give every running turn back."""
    runner, _Runner.runner = _Runner.runner, None
    if runner is not None:
        await runner.close()


async def stop_anywhere(turn_id: UUID) -> None:
    """Stop a turn whose row says that it is to stop, in whatever process it runs.

    Raises:
        RedisUnavailable: other processes cannot be told; they read it in the row within some seconds.
    """
    if _Runner.runner is None or not _Runner.runner.stop(turn_id):
        await turn_log().request_stop(turn_id)


def turn_runner() -> TurnRunner:
    """The process's runner.

    Raises:
        RuntimeError: the lifespan has not opened it.
    """
    if _Runner.runner is None:
        raise RuntimeError("the turn runner is not open: run inside the web process's lifespan")
    return _Runner.runner
