"""Documents for browser tests: put in over HTTP where the test is about something else, and people who read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from chatapp.domain import Role, utc_now
from tests.e2e.product import Product

_READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Library:
    """A collection of its own for one test."""

    client: httpx.AsyncClient
    id: str
    name: str

    @property
    def path(self) -> str:
        """The documents page showing this collection alone."""
        return f"/documents?collection={self.id}"

    async def add(self, name: str, data: bytes, *, wait: bool = True) -> dict[str, Any]:
        """Upload a file and, unless told otherwise, wait until its ingestion has ended."""
        answer = await self.client.post(
            "/v1/files", data={"purpose": "assistants", "collection_id": self.id}, files={"file": (name, data)}
        )
        answer.raise_for_status()
        return await self.settled(answer.json()["id"]) if wait else answer.json()

    async def settled(self, file_id: str) -> dict[str, Any]:
        """The file once its ingestion has ended, one way or the other."""
        async with asyncio.timeout(_READY_SECONDS):
            while True:
                file = await self.file(file_id)
                if file["ingest"]["status"] not in {"queued", "running"}:
                    return file
                await asyncio.sleep(0.2)

    async def file(self, file_id: str) -> dict[str, Any]:
        """The file as it is now."""
        answer = await self.client.get(f"/v1/files/{file_id}")
        answer.raise_for_status()
        return answer.json()

    async def files(self) -> list[dict[str, Any]]:
        """What is in the collection."""
        answer = await self.client.get("/v1/files", params={"collection_id": self.id})
        return answer.json()["data"]


@pytest_asyncio.fixture(loop_scope="session")
async def library(product: Product) -> AsyncIterator[Library]:
    """An empty collection, gone with all it holds when the test ends."""
    async with product.client() as client:
        name = f"Shelf {uuid4().hex[:6]}"
        answer = await client.post("/v1/vector_stores", json={"name": name})
        answer.raise_for_status()
        yield Library(client, answer.json()["id"], name)
        await client.delete(f"/v1/vector_stores/{answer.json()['id']}")


async def become_member(context: BrowserContext, product: Product) -> None:
    """Give a browser profile the session of a new person of the same tenant who may read and ask, no more."""
    from chatapp.services import authentication
    from chatapp.store.database import close_database, open_database, system_transaction
    from chatapp.store.tables import MembershipTable, SessionTable, UserTable
    from chatapp.store.users import first_tenant

    token, token_hash = authentication.new_token()
    user_id = uuid4()
    open_database(f"sqlite+aiosqlite:///{product.data_dir / 'chatapp.db'}")
    try:
        async with system_transaction() as tx:
            tenant = await first_tenant(tx)
            assert tenant is not None
            tx.session.add(UserTable(id=user_id, email=f"{user_id.hex[:8]}@example.org", name="Mel Member"))
            await tx.session.flush()
            place = MembershipTable(tenant_id=tenant.id, user_id=user_id, roles=[str(Role.MEMBER)])
            place.accepted_at = utc_now()
            tx.session.add(place)
            tx.session.add(
                SessionTable(
                    token_hash=token_hash,
                    user_id=user_id,
                    tenant_id=tenant.id,
                    expires_at=utc_now() + timedelta(hours=1),
                )
            )
    finally:
        await close_database()
    await context.add_cookies([{"name": "chatapp_session", "value": token, "url": product.url}])


async def add_by_dialog(page: Page, *paths: Path, label: str = "Upload", collection: str = "") -> None:
    """Open the upload dialog, choose files and send them off; `collection` is where it has to say they go."""
    await page.get_by_role("button", name=label, exact=True).click()
    if collection:
        await expect(page.get_by_role("dialog").get_by_role("combobox", name="Collection")).to_contain_text(collection)
    await page.get_by_label("Files", exact=True).set_input_files(list(paths))
    button = "Add" if len(paths) == 1 else f"Add {len(paths)} files"
    await page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


async def drop(page: Page, files: dict[str, str]) -> None:
    """Drop text files on the page, as a person would with the mouse."""
    await page.evaluate(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of Object.entries(files)) transfer.items.add(new File([text], name));
            for (const type of ['dragenter', 'dragover', 'drop'])
                document.body.dispatchEvent(
                    new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        files,
    )


def row_of(page: Page, filename: str) -> Any:
    """The row of a document in the table."""
    return page.get_by_role("row").filter(has=page.get_by_role("button", name=filename, exact=True))


async def act_on(page: Page, filename: str, action: str) -> None:
    """Choose an entry of a document's menu."""
    await page.get_by_role("button", name=f"Actions for {filename}").click()
    await page.get_by_role("menuitem", name=action).click()


async def shown(page: Page, library: Library) -> None:
    """Wait until the page shows the collection."""
    await page.locator(".rail-item[aria-current]").filter(has_text=library.name).wait_for()
