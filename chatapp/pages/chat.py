"""The chat: a conversation with its composer, and the panel that shows where an answer comes from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import reflex as rx

from chatapp.components.app_shell import SidebarState, app_shell
from chatapp.components.composer import CollectionItem, Composer, ModelItem
from chatapp.components.onboarding import OnboardingState, onboarding_card
from chatapp.components.page import Page
from chatapp.components.source_panel import SourcePanel
from chatapp.components.state_bases import MemberState, current_actor
from chatapp.components.thread import Failure, Thread, TurnItem
from chatapp.domain import Permission
from chatapp.errors import AppError, NotFound
from chatapp.services import catalog, collections, conversations, starters, turns
from chatapp.services.catalog import ModelView
from chatapp.services.collections import CollectionView
from chatapp.services.turn_views import TurnView
from chatapp.settings import get_settings

MAX_RECENT = 3
"""Turns begun since the conversation was opened that State keeps; the browser keeps the others."""


_UNKNOWN = "There is no such conversation, or it is not yours."
_DELETED = "It can be brought back for an hour after it was deleted, with everything asked and answered in it."


def turn_item(view: TurnView) -> TurnItem:
    """A turn as the thread needs it."""
    return TurnItem(
        id=str(view.id),
        parent_id=str(view.parent_id or ""),
        question=view.question,
        status=str(view.status),
        sibling_ids=[str(each) for each in view.sibling_ids],
        sibling_index=view.sibling_index - 1,
        rating=view.rating or "",
        reasons=list(view.feedback_reasons),
    )


def collection_item(view: CollectionView) -> CollectionItem:
    """A collection as the composer lists it."""
    return CollectionItem(id=str(view.id), name=view.name, documents=view.counts.completed, can_write=view.can_write)


def model_item(view: ModelView) -> ModelItem:
    """A model as the composer lists it."""
    if view.name == catalog.AUTO:
        return ModelItem(
            name=view.name, label="Automatic", description=f"Chosen for you, at present {view.answered_by}."
        )
    if view.kind == "extractive":
        return ModelItem(
            name=view.name, label="Quotes only", description="Quotes the documents word for word, without a model."
        )
    return ModelItem(name=view.name, label=view.name, description=f"Served by {view.provider}.")


class ChatState(MemberState, rx.State):
    """The conversation shown in this tab. It is rebuilt from the address and the database whenever it is lost."""

    conversation_id: str = ""
    turns: list[TurnItem] = []
    recent: list[TurnItem] = []
    epoch: int = 0
    """Grows when `turns` is a branch opened anew."""
    is_loading: bool = True
    load_error: str = ""
    is_deleted: bool = False
    """Whether what could not be opened was deleted, and can be brought back."""
    failure: Failure = Failure(count=0, message="", question="")
    collections: list[CollectionItem] = []
    are_collections_known: bool = False
    models: list[ModelItem] = []
    starters: list[str] = []
    chosen_collections: list[str] | None = None
    chosen_model: str = catalog.AUTO
    user_id: str = ""
    user_name: str = ""
    can_write: bool = False
    max_characters: int = 0
    _leaf_id: str = ""
    """The turn the next question follows."""

    @rx.event
    async def open_page(self) -> None:
        """Show the conversation of the address; none for a new one."""
        await self._load_choices()
        wanted = self.router.url.path.strip("/").removeprefix("c").strip("/")
        await self._open(wanted)

    @rx.event
    async def open(self, conversation_id: str) -> None:
        """Show the conversation that the browser shows; empty: a new one."""
        await self._open(conversation_id)

    @rx.event
    async def restore(self, conversation_id: str) -> AsyncIterator[None]:
        """Bring back a conversation that was deleted while it was open here."""
        await conversations.restore(current_actor(), _known_uuid(conversation_id))
        await self._open(conversation_id)
        yield
        await self._tell_sidebar()

    @rx.event
    async def ask(self, question: str, conversation_id: str) -> AsyncIterator[None]:
        """Begin a turn at the end of the branch shown; the browser gives a new conversation its address."""
        if conversation_id != self.conversation_id:
            # The browser is ahead: its question overtook the opening of the page.
            await self._open(conversation_id)
        try:
            view = await turns.start(
                current_actor(),
                question=question,
                conversation_id=_known_uuid(self.conversation_id) if self.conversation_id else None,
                parent_id=_uuid(self._leaf_id),
                collection_ids=_uuids(self.chosen_collections),
                model=self.chosen_model,
            )
        except AppError as error:
            await self._refuse(error, question)
        else:
            self._show_new(view)
            yield
            await self._tell_sidebar()

    @rx.event
    async def edit(self, turn_id: str, question: str) -> AsyncIterator[None]:
        """Ask again in other words; the turn before stays as a sibling."""
        try:
            asked = _uuids(self.chosen_collections)
            view = await turns.resend(current_actor(), UUID(turn_id), question, collection_ids=asked)
        except AppError as error:
            await self._refuse(error, question)
        else:
            self._show_new(view)
            yield
            await self._tell_sidebar()

    @rx.event
    async def regenerate(self, turn_id: str) -> AsyncIterator[None]:
        """Answer the same question once more; the answer before stays as a sibling."""
        try:
            asked = _uuids(self.chosen_collections)
            model = self.chosen_model
            view = await turns.regenerate(current_actor(), UUID(turn_id), model=model, collection_ids=asked)
        except AppError as error:
            await self._refuse(error, "")
        else:
            self._show_new(view)
            yield
            await self._tell_sidebar()

    @rx.event
    async def select(self, turn_id: str) -> None:
        """Show the branch through another sibling."""
        try:
            await turns.select(current_actor(), UUID(turn_id))
        except NotFound as error:
            await self._refuse(error, "")
        else:
            await self._open(self.conversation_id)

    @rx.event
    async def choose_collections(self, collection_ids: list[str] | None) -> None:
        """Which collections the next question asks; None: all of them."""
        self.chosen_collections = collection_ids

    @rx.event
    async def choose_model(self, name: str) -> None:
        """Which model answers the next question."""
        self.chosen_model = name

    async def _open(self, conversation_id: str) -> None:
        try:
            view = await conversations.open(current_actor(), _known_uuid(conversation_id)) if conversation_id else None
            self.load_error, self.is_deleted = "", False
        except NotFound:
            self.is_deleted = await conversations.can_be_restored(current_actor(), _uuid(conversation_id))
            self.load_error = _DELETED if self.is_deleted else _UNKNOWN
            view = None
        if conversation_id != self.conversation_id:
            self.chosen_collections = None
        self.turns = [turn_item(each) for each in view.turns] if view else []
        self.recent = []
        self.conversation_id = conversation_id
        self._leaf_id = self.turns[-1]["id"] if self.turns else ""
        if view:
            self.chosen_collections = self._still_there(view.summary.collection_ids)
            self.chosen_model = view.summary.model
        else:
            self.chosen_collections, self.chosen_model = None, catalog.AUTO
        self.is_loading = False
        self.epoch += 1

    def _still_there(self, collection_ids: Sequence[UUID] | None) -> list[str] | None:
        """The collections asked so far without those that are gone; all of them when none of several is left."""
        if not collection_ids:
            return None if collection_ids is None else []
        known = {each["id"] for each in self.collections}
        return [str(each) for each in collection_ids if str(each) in known] or None

    async def _load_choices(self) -> None:
        """What there is to choose from; it changes while the tab is open, so each opening reads it again."""
        actor = current_actor()
        readable = await collections.list_readable(actor)
        models = await catalog.list_models(actor)
        self.starters = await starters.suggest(actor)
        self.collections = [collection_item(each) for each in readable]
        self.models = [model_item(each) for each in models]
        self.user_id, self.user_name = str(actor.user_id or ""), actor.name
        self.can_write = actor.may(Permission.WRITE_DOCUMENTS)
        self.max_characters = get_settings().max_question_characters
        self.are_collections_known = True

    def _show_new(self, view: TurnView) -> None:
        self.recent = [*self.recent[1 - MAX_RECENT :], turn_item(view)]
        self._leaf_id = str(view.id)
        self.conversation_id = str(view.conversation_id)

    async def _tell_sidebar(self) -> None:
        """After the turn has gone out: its first words should not wait for the list beside them."""
        sidebar = await self.get_state(SidebarState)
        await sidebar._refresh(self.conversation_id)

    async def _refuse(self, error: AppError, question: str) -> None:
        message = error.message
        if isinstance(error, NotFound) and error.param == "collections":
            await self._load_choices()
            self.chosen_collections = self._still_there(_uuids(self.chosen_collections))
            message = "A collection you had chosen is gone. Look at what is asked now, and send it again."
        elif isinstance(error, NotFound):
            await self._open(self.conversation_id)
            message = self.load_error or message
        self.failure = Failure(count=self.failure["count"] + 1, message=message, question=question)


def _known_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _uuids(texts: Sequence[str] | None) -> list[UUID] | None:
    return None if texts is None else [UUID(text) for text in texts]


def chat_page() -> rx.Component:
    return app_shell(
        rx.el.div(
            rx.el.div(
                Thread.create(
                    onboarding_card(),
                    conversation_id=ChatState.conversation_id,
                    turns=ChatState.turns,
                    recent=ChatState.recent,
                    epoch=ChatState.epoch,
                    failure=ChatState.failure,
                    is_ready=rx.State.is_hydrated,
                    is_loading=ChatState.is_loading,
                    load_error=ChatState.load_error,
                    is_deleted=ChatState.is_deleted,
                    starters=ChatState.starters,
                    collections=ChatState.collections,
                    are_collections_known=ChatState.are_collections_known,
                    user_name=ChatState.user_name,
                    on_ask=ChatState.ask,
                    on_open=ChatState.open,
                    on_restore=ChatState.restore,
                    on_edit=ChatState.edit,
                    on_regenerate=ChatState.regenerate,
                    on_select=ChatState.select,
                ),
                Composer.create(
                    user_id=ChatState.user_id,
                    collections=ChatState.collections,
                    chosen_collections=ChatState.chosen_collections,
                    models=ChatState.models,
                    chosen_model=ChatState.chosen_model,
                    can_write=ChatState.can_write,
                    failure=ChatState.failure,
                    is_ready=rx.State.is_hydrated,
                    is_closed=ChatState.load_error != "",
                    max_characters=ChatState.max_characters,
                    on_ask=ChatState.ask,
                    on_collections=ChatState.choose_collections,
                    on_model=ChatState.choose_model,
                ),
                class_name="chat-column",
            ),
            SourcePanel.create(),
            class_name="chat",
        ),
        active="chat",
    )


# The guided start first: the empty page it stands on is laid out once.
_ON_LOAD = [SidebarState.load, OnboardingState.load, ChatState.open_page]

NEW_PAGE = Page(route="/", title="Chat", component=chat_page, on_load=_ON_LOAD)
PAGE = Page(route="/c/[conversation]", title="Chat", component=chat_page, on_load=_ON_LOAD)
