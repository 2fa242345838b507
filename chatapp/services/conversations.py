"""Use cases of conversations: list, search, open, rename, pin, delete with undo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import InvalidInput, NotFound
from chatapp.services import collections
from chatapp.services.snippets import snippet
from chatapp.services.turn_views import TurnView, branch, sibling_ids
from chatapp.store import audit, conversations, feedback, turns
from chatapp.store.database import system_transaction, transaction
from chatapp.store.tables import ConversationTable

UNDO_FOR = timedelta(hours=1)
"""How long a deleted conversation can be restored."""
_MAX_TITLE_CHARACTERS = 200
_MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation as a list shows it."""

    id: UUID
    title: str
    is_pinned: bool
    created_at: datetime
    updated_at: datetime
    model: str
    collection_ids: tuple[UUID, ...] | None
    """What the last question searched; None: every readable collection."""

    @classmethod
    def from_row(cls, row: ConversationTable) -> ConversationSummary:
        """The summary of a row."""
        ids = row.collection_ids
        return cls(
            id=row.id,
            title=row.title,
            is_pinned=row.is_pinned,
            created_at=row.created_at,
            updated_at=row.updated_at,
            model=row.model,
            collection_ids=None if ids is None else tuple(UUID(value) for value in ids),
        )


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation with the turns of the branch shown, oldest first."""

    summary: ConversationSummary
    turns: tuple[TurnView, ...]


async def list_conversations(
    actor: Actor, *, search: str | None = None, limit: int = 50, after: UUID | None = None
) -> list[ConversationSummary]:
    """The actor's conversations: pinned ones first, then the latest.

    Args:
        actor: whose.
        search: words that must all occur in titles, questions or answers.
        limit: most conversations, 1 to 200.
        after: the last conversation of the page before.

    Raises:
        NotPermitted: the actor may not chat.
        NotFound: `after` is no conversation of the actor.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor, readonly=True) as tx:
        limit = min(max(limit, 1), _MAX_PAGE)
        # PostgreSQL has no null character in a text, so nothing can be found by one either.
        words = search.replace("\x00", " ") if search else None
        rows = await conversations.list_own(tx, search=words, limit=limit, after=after)
    return [ConversationSummary.from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class FoundConversation:
    """A conversation that holds the words searched for."""

    summary: ConversationSummary
    snippet: str
    """Where they stand in what was asked and answered; empty when the title alone holds them."""


async def search(actor: Actor, text: str, *, limit: int = 30) -> list[FoundConversation]:
    """The actor's conversations that hold all words of a text, the latest first.

    Args:
        actor: whose.
        text: words, each looked for in titles, questions and answers.
        limit: most conversations, 1 to 200.

    Raises:
        NotPermitted: the actor may not chat.
    """
    found = await list_conversations(actor, search=text, limit=limit)
    words = text.replace("\x00", " ").split()
    async with transaction(actor, readonly=True) as tx:
        texts = await conversations.texts_with_words(tx, [summary.id for summary in found], words)
    listed = [FoundConversation(summary, snippet(texts.get(summary.id, ()), words)) for summary in found]
    return sorted(listed, key=lambda each: each.summary.updated_at, reverse=True)


async def open(actor: Actor, conversation_id: UUID) -> ConversationView:  # what a person does with it
    """A conversation and the turns of the branch shown; collections deleted since are no more among its choice.

    Raises:
        NotPermitted: the actor may not chat.
        NotFound: no such conversation of this actor.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor, readonly=True) as tx:
        row = await conversations.get_own(tx, conversation_id)
        nodes = await turns.list_nodes(tx, row.id)
        path = branch(nodes, row.active_turn_id)
        shown = await turns.list_by_ids(tx, path)
        ratings = await feedback.list_of_actor(tx, actor, path)
    views = (TurnView.from_row(turn, sibling_ids(nodes, turn.parent_id), ratings.get(turn.id)) for turn in shown)
    summary = ConversationSummary.from_row(row)
    kept = await collections.still_readable(actor, summary.collection_ids)
    return ConversationView(replace(summary, collection_ids=None if kept is None else tuple(kept)), tuple(views))


async def rename(actor: Actor, conversation_id: UUID, *, title: str) -> ConversationSummary:
    """Rename one of the actor's conversations.

    Raises:
        NotPermitted: the actor may not chat.
        InvalidInput: the title is empty or too long.
        NotFound: no such conversation of this actor.
    """
    actor.require(Permission.CHAT)
    title = _valid_title(title)
    async with transaction(actor) as tx:
        row = await conversations.get_own(tx, conversation_id)
        row.title, row.is_title_edited = title, True
        # Without the names: they are what people asked, and whoever reads the log is not to read that.
        await audit.write(tx, "conversation.renamed", row.id)
        return ConversationSummary.from_row(row)


async def pin(actor: Actor, conversation_id: UUID, *, is_pinned: bool) -> ConversationSummary:
    """Keep a conversation at the top of the list, or no longer.

    Raises:
        NotPermitted: the actor may not chat.
        NotFound: no such conversation of this actor.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor) as tx:
        row = await conversations.get_own(tx, conversation_id)
        before, row.is_pinned = {"is_pinned": row.is_pinned}, is_pinned
        action = "conversation.pinned" if is_pinned else "conversation.unpinned"
        await audit.write(tx, action, row.id, before=before, after={"is_pinned": is_pinned})
        return ConversationSummary.from_row(row)


async def delete(actor: Actor, conversation_id: UUID) -> None:
    """Delete a conversation. It can be restored for an hour; then it is removed with its turns and traces.

    Raises:
        NotPermitted: the actor may not chat.
        NotFound: no such conversation of this actor.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor) as tx:
        row = await conversations.get_own(tx, conversation_id)
        row.deleted_at = utc_now()
        after = {"is_deleted": True, "removed_after": row.deleted_at + UNDO_FOR}
        await audit.write(tx, "conversation.deleted", row.id, before={"is_deleted": False}, after=after)


async def restore(actor: Actor, conversation_id: UUID) -> ConversationSummary:
    """Undo deleting a conversation.

    Raises:
        NotPermitted: the actor may not chat.
        NotFound: no such deleted conversation of this actor.
    """
    actor.require(Permission.CHAT)
    async with transaction(actor) as tx:
        row = await conversations.get_own(tx, conversation_id, deleted=True)
        row.deleted_at = None
        await audit.write(tx, "conversation.restored", row.id, before={"is_deleted": True}, after={"is_deleted": False})
        return ConversationSummary.from_row(row)


async def can_be_restored(actor: Actor, conversation_id: UUID | None) -> bool:
    """Whether this is a deleted conversation of the actor that `restore` would bring back.

    Raises:
        NotPermitted: the actor may not chat.
    """
    actor.require(Permission.CHAT)
    if conversation_id is None:
        return False
    async with transaction(actor, readonly=True) as tx:
        try:
            await conversations.get_own(tx, conversation_id, deleted=True)
        except NotFound:
            return False
    return True


async def purge_deleted() -> int:
    """Remove for good, in every tenant, what was deleted more than an hour ago; for the worker.

    Returns:
        how many conversations went.
    """
    total = 0
    while True:
        async with system_transaction() as tx:
            removed = await conversations.delete_older(tx, deleted_before=utc_now() - UNDO_FOR)
        total += removed
        if not removed:
            return total


def _valid_title(title: str) -> str:
    title = " ".join(title.replace("\x00", "").split())
    if not title:
        raise InvalidInput("Give the conversation a name.", param="title")
    if len(title) > _MAX_TITLE_CHARACTERS:
        raise InvalidInput(f"The name is longer than {_MAX_TITLE_CHARACTERS} characters.", param="title")
    return title
