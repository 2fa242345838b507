"""What the command palette finds: conversations, documents, people and tenants, each as far as the actor may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.services import conversations, documents, tenants
from chatapp.store import palette
from chatapp.store.database import transaction

MAX_CONVERSATIONS = 20
MAX_OTHERS = 6
"""Of each other kind: the palette leads somewhere, it is no list."""
_MAX_WORDS = 200

Kind = Literal["conversation", "document", "user", "tenant"]


@dataclass(frozen=True, slots=True)
class PaletteItem:
    """Something to go to."""

    kind: Kind
    id: UUID
    title: str
    note: str
    """What tells it apart from others with the title."""
    snippet: str = ""
    """Where the words stand in a conversation; empty when only its title holds them."""
    updated_at: datetime | None = None
    """When a conversation was last asked something."""


async def search(actor: Actor, words: str) -> list[PaletteItem]:
    """What holds the words, kind by kind. A kind the actor may not see gives nothing.

    Args:
        actor: who looks. Conversations are their own, documents those they may read, people those of the tenant they
            administer, tenants those they may look at.
        words: of any length; the first 200 characters count.
    """
    # Neither can be in a text that is kept.
    words = words.replace("\x00", " ").encode("utf-8", "ignore").decode().strip()[:_MAX_WORDS]
    if not words:
        return []
    return [
        *await _conversations(actor, words),
        *await _documents(actor, words),
        *await _people(actor, words),
        *await _tenants(actor, words),
    ]


async def tenant_name(actor: Actor) -> str:
    """The name of the tenant the actor is looking at.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    return (await tenants.get(actor, actor.tenant_id)).name


async def _conversations(actor: Actor, words: str) -> list[PaletteItem]:
    if not actor.may(Permission.CHAT):
        return []
    found = await conversations.search(actor, words, limit=MAX_CONVERSATIONS)
    return [
        PaletteItem("conversation", each.summary.id, each.summary.title, "", each.snippet, each.summary.updated_at)
        for each in found
    ]


async def _documents(actor: Actor, words: str) -> list[PaletteItem]:
    if not actor.may(Permission.READ_DOCUMENTS):
        return []
    found = await documents.list_documents(actor, search=words, limit=MAX_OTHERS)
    return [PaletteItem("document", each.id, each.filename, each.collection_name) for each in found.items]


async def _people(actor: Actor, words: str) -> list[PaletteItem]:
    if not actor.may(Permission.READ_ADMIN):
        return []
    async with transaction(actor, readonly=True) as tx:
        found = await palette.people(tx, words, limit=MAX_OTHERS)
    return [PaletteItem("user", each.id, each.name or each.email, each.email) for each in found]


async def _tenants(actor: Actor, words: str) -> list[PaletteItem]:
    if not actor.may(Permission.PLATFORM):
        return []
    found = await tenants.list_tenants(actor, {"q": words, "limit": str(MAX_OTHERS)})
    return [PaletteItem("tenant", each.id, each.name, each.state.replace("_", " ")) for each in found.items]
