from __future__ import annotations

from dataclasses import replace

import pytest

from chatapp.domain import Actor, Permission
from chatapp.services import collections, palette
from chatapp.services.palette import PaletteItem
from chatapp.services.rights import PLATFORM_PERMISSIONS
from chatapp.store.database import transaction
from chatapp.store.tables import ConversationTable, DocumentTable, DocumentVersionTable
from tests.fixtures.people import MakeActor


async def _furnish(actor: Actor) -> None:
    """A conversation, a document and the person themselves, all of whose names hold "refund"."""
    collection = await collections.create(actor, name="Policies")
    async with transaction(actor) as tx:
        tx.session.add(ConversationTable(tenant_id=actor.tenant_id, user_id=actor.user_id, title="About refunds"))
        document = DocumentTable(tenant_id=actor.tenant_id, collection_id=collection.id, filename="refunds.md")
        tx.session.add(document)
        await tx.session.flush()
        tx.session.add(
            DocumentVersionTable(
                tenant_id=actor.tenant_id,
                document_id=document.id,
                version=1,
                filename="refunds.md",
                media_type="text/markdown",
                size_bytes=1,
                sha256="0" * 64,
            )
        )


def _kinds(found: list[PaletteItem]) -> set[str]:
    return {item.kind for item in found}


async def test_an_admin_finds_conversations_documents_and_people(make_actor: MakeActor) -> None:
    admin = await make_actor(email="refunds.admin@example.org")
    await _furnish(admin)
    found = await palette.search(admin, "refund")
    assert [(item.kind, item.title) for item in found] == [
        ("conversation", "About refunds"),
        ("document", "refunds.md"),
        ("user", "Test Person"),
    ]


async def test_nothing_of_another_tenant_is_found(make_actor: MakeActor, other_actor: Actor) -> None:
    await _furnish(await make_actor(email="refunds.other@example.org"))
    assert await palette.search(other_actor, "refund") == []


async def test_a_kind_one_may_not_see_gives_nothing(make_actor: MakeActor) -> None:
    admin = await make_actor(email="refunds.boss@example.org")
    await _furnish(admin)
    cases = {
        frozenset({Permission.CHAT}): {"conversation"},
        frozenset({Permission.READ_DOCUMENTS}): {"document"},
        frozenset({Permission.READ_ADMIN}): {"user"},
        frozenset[Permission](): set[str](),
    }
    for permissions, kinds in cases.items():
        assert _kinds(await palette.search(replace(admin, permissions=permissions), "refund")) == kinds


async def test_a_platform_admin_finds_every_tenant_and_nothing_that_is_kept_there(
    make_actor: MakeActor, other_actor: Actor
) -> None:
    await _furnish(other_actor)
    admin = replace(await make_actor(), permissions=PLATFORM_PERMISSIONS)
    assert other_actor.tenant_id in {item.id for item in await palette.search(admin, "Tenant ")}
    looking = replace(admin, tenant_id=other_actor.tenant_id)
    assert _kinds(await palette.search(looking, "refund")) <= {"user", "tenant"}


async def test_a_tenants_admin_finds_no_tenant(actor: Actor) -> None:
    assert _kinds(await palette.search(actor, "Tenant ")) == set()


@pytest.mark.parametrize("words", ["", "   ", "\x00", "\ud800", "x" * 100_000, "%", "_"])
async def test_odd_words_find_nothing_and_break_nothing(make_actor: MakeActor, words: str) -> None:
    admin = await make_actor(email="plain@example.org")
    assert await palette.search(admin, words) == []


async def test_the_tenant_is_called_by_its_name(actor: Actor) -> None:
    assert (await palette.tenant_name(actor)).startswith("Tenant ")
