"""Use cases of turns: ask, stop, ask again, choose a branch.

`start` writes the turn and returns at once; the answer is made by `turn_runner` and read with `turn_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from chatapp.domain import Actor, Permission, TurnStatus, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.pipeline.admit import valid_question
from chatapp.services import admission, collections
from chatapp.services.plans import AT_THE_BEGINNING, Plan, asked_again, make_plan
from chatapp.services.request_parameters import passed_on
from chatapp.services.turn_reading import events, get, require_own, wait
from chatapp.services.turn_runner import turn_runner
from chatapp.services.turn_views import TurnView, newest_leaf, title_of
from chatapp.settings import get_settings
from chatapp.store import conversations, turn_writes, turns
from chatapp.store.database import Transaction, transaction
from chatapp.store.tables import ConversationTable, TurnTable
from chatapp.store.turn_log import TurnEvent, turn_log

__all__ = [
    "TurnEvent",
    "TurnView",
    "cancel",
    "events",
    "get",
    "regenerate",
    "require_own",
    "resend",
    "select",
    "start",
    "wait",
]

_ROLES = frozenset({"system", "developer", "user", "assistant"})
_MAX_MESSAGES = 1_000
_MAX_HISTORY_CHARACTERS = 2_000_000
_MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a turn goes in a conversation."""

    conversation_id: UUID | None
    parent_id: UUID | None


async def start(  # noqa: PLR0913  # each is a field of the request
    actor: Actor,
    *,
    question: str,
    conversation_id: UUID | None = None,
    parent_id: UUID | None = None,
    collection_ids: Sequence[UUID] | None = None,
    model: str = "auto",
    messages: Sequence[Mapping[str, str]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    feature: Literal["chat", "api"] = "chat",
    lane: Literal["interactive", "batch"] = "interactive",
    cache: Literal["use", "bypass"] = "use",
    idempotency_key: str | None = None,
) -> TurnView:
    """Ask. The turn is written when this returns, and will be answered whatever happens to this process.

    Nothing is written, looked up or embedded for a question that could not be answered in time: it is refused.

    Args:
        actor: who asks.
        question: the last message.
        conversation_id: where to; None: in the chat a new conversation, over the API none.
        parent_id: the turn it follows; None: the last one of the branch shown.
        collection_ids: what to search; None: every readable collection; empty: nothing.
        model: our name of a model, or `auto`.
        messages: earlier messages as OpenAI's API has them, `{"role", "content"}`, oldest first; with a conversation
            its own turns are the history, and these are not used.
        parameters: OpenAI's, of which `request_parameters.passed_on` chooses.
        feature: `chat` or `api`, for traces and costs.
        lane: `batch` where nobody waits for the answer: it comes after what people wait for.
        cache: `bypass` for an answer of the question's own, made for nobody else.
        idempotency_key: the same request with it again gives the first one's turn.

    Raises:
        NotPermitted: the actor may not chat, or not read documents and wants to.
        InvalidInput: the question, a message or the key is not valid, or the model cannot answer in the form wanted.
        NotFound: no such model, collection, conversation or parent for this actor.
        Conflict: the idempotency key was used for another request.
        TooManyInFlight: too much is being asked; says when to come back.
    """
    actor.require(Permission.CHAT)
    question = valid_question(question, get_settings().max_question_characters)
    request = _request(model, collection_ids, parameters, feature)
    if conversation_id is None and messages:
        request["messages"] = _valid_messages(messages)
    request = admission.as_asked(request, lane=lane, cache=cache)
    key = _asker_key(actor, idempotency_key)
    if key and (earlier := await _find_earlier(actor, key, question, request, conversation_id)):
        return earlier
    plan = await _plan_where_there_is_room(actor, request, question, conversation_id, parent_id)
    try:
        row, is_alone = await _write_asked(actor, question, request, _Place(conversation_id, parent_id), key)
    except Conflict:
        if key and (earlier := await _find_earlier(actor, key, question, request, conversation_id)):
            return earlier
        raise
    turn_runner().launch(actor, row, plan)
    # The first turn has no siblings to look for, and its words are waited for.
    return TurnView.from_row(row) if is_alone else await get(actor, row.id)


async def _plan_where_there_is_room(
    actor: Actor, request: dict[str, Any], question: str, conversation_id: UUID | None, parent_id: UUID | None
) -> Plan:
    await admission.require_room(actor, request)
    plan = await make_plan(actor, request, question, conversation_id, parent_id)
    admission.require_provider_room(actor, request, plan.route)
    return plan


async def _write_asked(
    actor: Actor, question: str, request: dict[str, Any], wanted: _Place, key: str | None
) -> tuple[TurnTable, bool]:
    """The turn's row, and whether it stands alone: in no conversation, or as the first of one."""
    if wanted.conversation_id is None and wanted.parent_id is None and request["feature"] != "chat":
        row = _new_row(actor, question, request, wanted, key)
        await turn_writes.begin(actor, row)
        return row, True
    async with transaction(actor) as tx:
        place = await _place(tx, wanted.conversation_id, wanted.parent_id)
        is_alone = place.conversation_id is None
        if is_alone and request["feature"] == "chat":
            place = _Place(await _open_conversation(tx, question), None)
        row = _new_row(actor, question, request, place, key)
        await _write(tx, row)
    return row, is_alone


def _request(
    model: str, collection_ids: Sequence[UUID] | None, parameters: Mapping[str, Any] | None, feature: str
) -> dict[str, Any]:
    return {
        "model": model,
        "collections": None if collection_ids is None else [str(value) for value in collection_ids],
        "parameters": passed_on(parameters),
        "feature": feature,
    }


def _valid_messages(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    if len(messages) > _MAX_MESSAGES:
        raise InvalidInput(f"At most {_MAX_MESSAGES} messages are accepted.", param="messages")
    valid = [{"role": message["role"], "content": message["content"].replace("\x00", "")} for message in messages]
    for message in valid:
        if message["role"] not in _ROLES:
            raise InvalidInput(f"A message cannot have the role “{message['role']}”.", param="messages")
    if sum(len(message["content"]) for message in valid) > _MAX_HISTORY_CHARACTERS:
        raise InvalidInput("The messages before the last are far too long.", param="messages")
    return valid


def _asker_key(actor: Actor, idempotency_key: str | None) -> str | None:
    if not idempotency_key:
        return None
    if len(idempotency_key) > _MAX_KEY_CHARACTERS:
        raise InvalidInput(
            f"The Idempotency-Key is longer than {_MAX_KEY_CHARACTERS} characters.", param="Idempotency-Key"
        )
    return f"{actor.user_id or actor.key_id}:{idempotency_key}"


async def _find_earlier(
    actor: Actor, key: str, question: str, request: dict[str, Any], conversation_id: UUID | None
) -> TurnView | None:
    async with transaction(actor, readonly=True) as tx:
        row = await turns.find_by_idempotency_key(tx, key)
    if row is None:
        return None
    # A question of the chat without a conversation begins one: then the row has it and the request has not.
    is_elsewhere = conversation_id not in {None, row.conversation_id}
    if (row.question, row.request) != (question, request) or is_elsewhere:
        raise Conflict("This Idempotency-Key was used for another request.", param="Idempotency-Key")
    return TurnView.from_row(row)


async def _place(tx: Transaction, conversation_id: UUID | None, parent_id: UUID | None) -> _Place:
    if conversation_id is None:
        if parent_id is not None:
            raise InvalidInput("A parent needs its conversation.", param="parent_id")
        return _Place(None, None)
    conversation = await conversations.get_own(tx, conversation_id)
    if parent_id is None:
        return _Place(conversation.id, conversation.active_turn_id)
    parent = await turns.get_own(tx, parent_id)
    if parent.conversation_id != conversation.id:
        raise NotFound("There is no such answer in this conversation.", param="parent_id")
    return _Place(conversation.id, parent.id)


async def _open_conversation(tx: Transaction, question: str) -> UUID:
    actor = tx.actor
    row = ConversationTable(
        tenant_id=tx.tenant_id,
        user_id=actor.user_id if actor else None,
        key_id=actor.key_id if actor and actor.user_id is None else None,
        title=title_of(question),
    )
    tx.session.add(row)
    await tx.session.flush()
    return row.id


def _new_row(actor: Actor, question: str, request: dict[str, Any], place: _Place, key: str | None) -> TurnTable:
    runner = turn_runner()
    return TurnTable(
        id=uuid4(),
        tenant_id=actor.tenant_id,
        conversation_id=place.conversation_id,
        parent_id=place.parent_id,
        user_id=actor.user_id,
        key_id=actor.key_id,
        question=question,
        request=request,
        status=TurnStatus.RUNNING,
        idempotency_key=key,
        attempt=1,
        lease_owner=runner.owner,
        lease_expires_at=runner.lease_until(),
        # Said here, as pydantic takes longer over a default that is made than over all the rest.
        citations=[],
        sources=[],
        parts=[],
        created_at=utc_now(),
    )


async def _write(tx: Transaction, row: TurnTable) -> None:
    await turns.add(tx, row)
    if row.conversation_id is not None:
        conversation = await conversations.get_own(tx, row.conversation_id)
        conversation.active_turn_id = row.id
        conversation.updated_at = utc_now()
        conversation.collection_ids = row.request["collections"]
        conversation.model = row.request["model"]


Choice = Sequence[UUID] | Literal["as_before"] | None
"""Collections to ask: these, those of the question before as far as they are still there, or every readable one."""


async def regenerate(
    actor: Actor, turn_id: UUID, *, model: str | None = None, collection_ids: Choice = "as_before"
) -> TurnView:
    """Ask the same question again, as a sibling.

    Args:
        actor: who asked.
        turn_id: the turn to answer once more; it stays.
        model: another model this time.
        collection_ids: what to search this time.

    Raises:
        NotPermitted: the actor may not chat any more.
        NotFound: no such turn of this actor, or its model or a collection named is gone.
        TooManyInFlight: too much is being asked; says when to come back.
    """
    return await _again(actor, turn_id, collection_ids, model=model)


async def resend(actor: Actor, turn_id: UUID, question: str, *, collection_ids: Choice = "as_before") -> TurnView:
    """Ask an edited question in the place of an earlier one, as its sibling.

    Raises:
        NotPermitted: the actor may not chat any more.
        InvalidInput: the question is empty or too long.
        NotFound: no such turn of this actor, or its model or a collection named is gone.
        TooManyInFlight: too much is being asked; says when to come back.
    """
    question = valid_question(question, get_settings().max_question_characters)
    return await _again(actor, turn_id, collection_ids, question=question)


async def _again(
    actor: Actor, turn_id: UUID, wanted: Choice, *, question: str = "", model: str | None = None
) -> TurnView:
    actor.require(Permission.CHAT)
    async with transaction(actor, readonly=True) as tx:
        earlier = await turns.get_own(tx, turn_id)
    request = asked_again(earlier.request, model=model, is_same=question in {"", earlier.question})
    # Who asks the same again wants an answer of their own, and not the one somebody else is getting at the moment.
    request = admission.as_asked(request, cache="use" if question else "bypass")
    if wanted == "as_before":
        # A collection deleted since must not keep its conversation from ever being asked again.
        chosen = request["collections"]
        wanted = await collections.still_readable(actor, None if chosen is None else [UUID(each) for each in chosen])
    request["collections"] = None if wanted is None else [str(each) for each in wanted]
    question = question or earlier.question
    above = earlier.parent_id or AT_THE_BEGINNING
    plan = await _plan_where_there_is_room(actor, request, question, earlier.conversation_id, above)
    async with transaction(actor) as tx:
        place = _Place(earlier.conversation_id, earlier.parent_id)
        row = _new_row(actor, question, request, place, None)
        await _write(tx, row)
    turn_runner().launch(actor, row, plan)
    return await get(actor, row.id)


async def select(actor: Actor, turn_id: UUID) -> TurnView:
    """Show the branch a turn is on: the conversation goes on from its newest end.

    Raises:
        NotFound: no such turn of this actor, or it is in no conversation.
    """
    async with transaction(actor) as tx:
        row = await turns.get_own(tx, turn_id)
        if row.conversation_id is None:
            raise NotFound("This answer is in no conversation.", param="turn_id")
        conversation = await conversations.get_own(tx, row.conversation_id)
        conversation.active_turn_id = newest_leaf(await turns.list_nodes(tx, row.conversation_id), turn_id)
    return await get(actor, turn_id)


async def cancel(actor: Actor, turn_id: UUID) -> TurnView:
    """Stop an answer; what was written stays. A turn that has ended stays as it is.

    Raises:
        NotFound: no such turn of this actor.
    """
    if turn_runner().is_answering(actor, turn_id):
        # The provider is let go before anything is written: that may have to wait for other writers.
        turn_runner().stop(turn_id)
    async with transaction(actor) as tx:
        row = await turns.get_own(tx, turn_id)
        if not TurnStatus(row.status).is_final:
            row.is_cancel_requested = True
    if not TurnStatus(row.status).is_final and not turn_runner().stop(turn_id):
        await turn_log().request_stop(turn_id)
    return TurnView.from_row(row)
