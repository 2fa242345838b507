"""The frame of every page: sidebar with past conversations, search, account menu, shortcuts."""

from __future__ import annotations

from typing import Any, Literal, TypedDict
from uuid import UUID

import reflex as rx

from chatapp.components.answer import PACKAGES
from chatapp.components.local_asset import local_asset
from chatapp.components.navigation import navigation_prop
from chatapp.components.state_bases import AdminState, MemberState, current_actor
from chatapp.components.uploads import activity_tray
from chatapp.domain import Permission, utc_now
from chatapp.services import conversations, palette, tenants
from chatapp.services.conversations import ConversationSummary
from chatapp.services.palette import PaletteItem

PAGE_SIZE = 60
"""Conversations loaded at once; the sidebar's "Show older" loads as many again."""
MAX_TENANTS = 20
"""Tenants the switch offers at once; more are found by typing."""
MAX_CHANGES = 4
"""Changes kept in State: enough that the browser misses none between two messages of the socket."""

for _part in (
    "history.jsx",
    "search_dialog.jsx",
    "shortcuts_dialog.jsx",
    "admin_sidebar.jsx",
    "admin_icons.js",
    "account.jsx",
    "address.js",
):
    local_asset(_part)


class ConversationItem(TypedDict):
    """A conversation as the sidebar lists it."""

    id: str
    title: str
    is_pinned: bool
    updated_at: float
    """Seconds since 1970; the browser groups by day in its own time zone."""


class ConversationChange(ConversationItem):
    """One conversation that came, changed or went since the list was loaded."""

    is_deleted: bool
    is_restored: bool
    order: int
    """Grows with each change."""


class FoundItem(TypedDict):
    """Something that holds the words searched for."""

    kind: str
    """`conversation`, `document`, `user` or `tenant`."""
    id: str
    title: str
    note: str
    snippet: str
    """Where the words stand in a conversation; empty when only its title holds them."""
    updated_at: float
    """Seconds since 1970 for a conversation, 0 for everything else."""


class TenantItem(TypedDict):
    """A tenant as the switch offers it."""

    id: str
    name: str
    state: str


def conversation_item(view: ConversationSummary) -> ConversationItem:
    """A conversation as the sidebar lists it."""
    return ConversationItem(
        id=str(view.id), title=view.title, is_pinned=view.is_pinned, updated_at=view.updated_at.timestamp()
    )


def found_item(found: PaletteItem) -> FoundItem:
    """Something found as the palette lists it."""
    return FoundItem(
        kind=found.kind,
        id=str(found.id),
        title=found.title,
        note=found.note,
        snippet=found.snippet,
        updated_at=found.updated_at.timestamp() if found.updated_at else 0,
    )


class SidebarState(MemberState, rx.State):
    """Past conversations. The list is sent once; what changes later is sent alone."""

    conversations: list[ConversationItem] = []
    changed: list[ConversationChange] = []
    list_epoch: int = 0
    is_loaded: bool = False
    has_more: bool = False
    results: list[FoundItem] = []
    results_for: str = ""
    _limit: int = PAGE_SIZE
    _order: int = 0

    @rx.event
    async def load(self) -> None:
        """Load the list once for the tab; `changed` keeps it right afterwards."""
        if not self.is_loaded:
            await self._load()

    @rx.event
    async def more(self) -> None:
        """Load as many conversations again."""
        self._limit += PAGE_SIZE
        await self._load()

    @rx.event
    async def search(self, text: str) -> None:
        """Look for words in everything the person may go to."""
        found = await palette.search(current_actor(), text)
        self.results = [found_item(each) for each in found]
        self.results_for = text

    @rx.event
    async def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another name."""
        renamed = await conversations.rename(current_actor(), UUID(conversation_id), title=title)
        self._put(conversation_item(renamed))

    @rx.event
    async def pin(self, conversation_id: str, is_pinned: bool) -> None:
        """Keep a conversation at the top, or let it go back."""
        pinned = await conversations.pin(current_actor(), UUID(conversation_id), is_pinned=is_pinned)
        self._put(conversation_item(pinned))

    @rx.event
    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation; `restore` brings it back for a while."""
        await conversations.delete(current_actor(), UUID(conversation_id))
        self._put(ConversationItem(id=conversation_id, title="", is_pinned=False, updated_at=0), is_deleted=True)

    @rx.event
    async def restore(self, conversation_id: str) -> None:
        """Take a deletion back."""
        restored = await conversations.restore(current_actor(), UUID(conversation_id))
        self._put(conversation_item(restored), is_restored=True)

    @rx.event
    async def reload(self) -> None:
        """Load the list again: another tab has changed it."""
        await self._load()

    async def _load(self) -> None:
        actor = current_actor()
        # An auditor has no conversations, and the frame is theirs as well.
        may_chat = actor.may(Permission.CHAT)
        listed = await conversations.list_conversations(actor, limit=self._limit + 1) if may_chat else []
        self.conversations = [conversation_item(each) for each in listed[: self._limit]]
        self.has_more = len(listed) > self._limit
        self.changed = []
        self._order = 0
        self.list_epoch += 1
        self.is_loaded = True

    async def _refresh(self, conversation_id: str) -> None:
        """Put one conversation at its new place: it began, or got another turn."""
        known: dict[str, ConversationItem] = {each["id"]: each for each in (*self.conversations, *self.changed)}
        if conversation_id in known:
            self._put({**known[conversation_id], "updated_at": utc_now().timestamp()})
        else:
            opened = await conversations.open(current_actor(), UUID(conversation_id))
            self._put(conversation_item(opened.summary))

    def _put(self, item: ConversationItem, *, is_deleted: bool = False, is_restored: bool = False) -> None:
        self._order += 1
        change = ConversationChange(
            id=item["id"],
            title=item["title"],
            is_pinned=item["is_pinned"],
            updated_at=item["updated_at"],
            is_deleted=is_deleted,
            is_restored=is_restored,
            order=self._order,
        )
        self.changed = [*self.changed[1 - MAX_CHANGES :], change]


class ShellState(AdminState, rx.State):
    """Which tenant the admin section shows, and which others the person may look at."""

    tenant_id: str = ""
    tenant_name: str = ""
    can_switch: bool = False
    tenants: list[TenantItem] = []
    tenants_for: str = ""

    @rx.event
    async def load(self) -> None:
        """Say which tenant it is."""
        actor = current_actor()
        name = await palette.tenant_name(actor)
        self.tenant_id, self.tenant_name = str(actor.tenant_id), name
        self.can_switch = actor.may(Permission.PLATFORM)

    @rx.event
    async def find_tenants(self, text: str) -> None:
        """Look for tenants to switch to."""
        wanted = {"q": text, "limit": str(MAX_TENANTS)}
        found = await tenants.list_tenants(current_actor(), {name: value for name, value in wanted.items() if value})
        self.tenants = [TenantItem(id=str(each.id), name=each.name, state=each.state) for each in found.items]
        self.tenants_for = text


def _id_and_title(conversation_id: rx.Var[str], title: rx.Var[str]) -> tuple[rx.Var[str], rx.Var[str]]:
    return conversation_id, title


def _id_and_pin(conversation_id: rx.Var[str], is_pinned: rx.Var[bool]) -> tuple[rx.Var[str], rx.Var[bool]]:
    return conversation_id, is_pinned


class _AppShell(rx.Component):
    library = local_asset("app_shell.jsx")
    tag = "AppShell"
    lib_dependencies: list[str] = [*PACKAGES, "sonner@2.0.8"]

    active: rx.Var[str]
    conversations: rx.Var[list[ConversationItem]]
    changed: rx.Var[list[ConversationChange]]
    list_epoch: rx.Var[int]
    is_loading: rx.Var[bool]
    has_more: rx.Var[bool]
    results: rx.Var[list[FoundItem]]
    results_for: rx.Var[str]
    navigation: rx.Var[list[dict[str, Any]]]
    tenant_id: rx.Var[str]
    tenant_name: rx.Var[str]
    can_switch: rx.Var[bool]
    tenants: rx.Var[list[TenantItem]]
    tenants_for: rx.Var[str]

    on_more: rx.EventHandler[rx.event.no_args_event_spec]
    on_reload: rx.EventHandler[rx.event.no_args_event_spec]
    on_search: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_rename: rx.EventHandler[_id_and_title]
    on_pin: rx.EventHandler[_id_and_pin]
    on_delete: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_restore: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_tenants: rx.EventHandler[rx.event.passthrough_event_spec(str)]


def app_shell(
    *content: rx.Component, active: Literal["chat", "documents", "account", "admin"] = "chat"
) -> rx.Component:
    """The frame around a page's content.

    The page's `on_load` has to begin with `SidebarState.load`, in the admin section followed by `ShellState.load`.

    Args:
        *content: what fills the main part; it scrolls by itself.
        active: which entry of the sidebar is the page's.
    """
    of_admin = {
        "tenant_id": ShellState.tenant_id,
        "tenant_name": ShellState.tenant_name,
        "can_switch": ShellState.can_switch,
        "tenants": ShellState.tenants,
        "tenants_for": ShellState.tenants_for,
        "on_tenants": ShellState.find_tenants,
    }
    return _AppShell.create(
        *content,
        activity_tray(is_folded=active == "chat"),
        active=active,
        conversations=SidebarState.conversations,
        changed=SidebarState.changed,
        list_epoch=SidebarState.list_epoch,
        is_loading=~SidebarState.is_loaded,
        has_more=SidebarState.has_more,
        results=SidebarState.results,
        results_for=SidebarState.results_for,
        on_more=SidebarState.more,
        on_reload=SidebarState.reload,
        on_search=SidebarState.search,
        on_rename=SidebarState.rename,
        on_pin=SidebarState.pin,
        on_delete=SidebarState.delete,
        on_restore=SidebarState.restore,
        navigation=navigation_prop(),
        **(of_admin if active == "admin" else {}),
    )
