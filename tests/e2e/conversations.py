"""What the chat tests do again and again: fill the product, script the model, ask, and read what is on the page."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from urllib.parse import urlencode

import httpx
from playwright.async_api import Locator, Page, expect

from tests.e2e.product import Product

HANDBOOK = """# Returns handbook

## Refunds

Refunds are paid within 14 days of the day on which the goods came back. The money goes to the account it came from.
Gift cards are refunded as store credit, never as cash.

## Opened software

Shops may refuse software whose seal was broken, unless it does not work as described.

## Travel

The finance team approves travel above 2,000 euros within three working days.
"""


async def add_document(client: httpx.AsyncClient, *, filename: str, text: str, collection: str) -> str:
    """Upload a document into a collection of its own and wait until it answers; gives the document's id."""
    made = await client.post("/v1/vector_stores", json={"name": collection})
    made.raise_for_status()
    file = await client.post("/v1/files", files={"file": (filename, text.encode())}, data={"purpose": "assistants"})
    file.raise_for_status()
    where = f"/v1/vector_stores/{made.json()['id']}/files"
    (await client.post(where, json={"file_id": file.json()["id"]})).raise_for_status()
    for _ in range(300):
        standing = (await client.get(f"{where}/{file.json()['id']}")).json()
        if standing["status"] == "completed":
            return file.json()["id"]
        assert standing["status"] == "in_progress", standing
        await asyncio.sleep(0.2)
    raise AssertionError("the document was not ready in a minute")


async def remove_collection(client: httpx.AsyncClient, name: str) -> None:
    """Delete the collection of that name, if there is one, with all it holds."""
    stores = (await client.get("/v1/vector_stores", params={"limit": 100})).raise_for_status().json()["data"]
    for store in stores:
        if store["name"] == name:
            (await client.delete(f"/v1/vector_stores/{store['id']}")).raise_for_status()


def answer_with(product: Product, **script: object) -> None:
    """Make the scripted model answer otherwise from now on: `answer_with(product, tokens=40, gap_ms=20)`."""
    name = f"scripted?{urlencode(script)}"
    with contextlib.closing(sqlite3.connect(product.data_dir / "chatapp.db", timeout=30)) as database, database:
        database.execute("UPDATE models SET name = ?, provider_model = ? WHERE is_default", (name, name))


def message_box(page: Page) -> Locator:
    """Where questions are written."""
    return page.get_by_role("textbox", name="Message")


async def send(page: Page, question: str) -> None:
    """Ask, without waiting for the answer."""
    await message_box(page).fill(question)
    await page.get_by_role("button", name="Send").click()


async def ask(page: Page, question: str) -> Locator:
    """Ask and wait for the whole answer; gives its article."""
    before = await page.get_by_role("article").count()
    await send(page, question)
    await expect(page.get_by_role("article")).to_have_count(before + 1)
    return await finished(page)


async def finished(page: Page) -> Locator:
    """The last answer, once it is complete."""
    article = page.get_by_role("article").last
    await expect(article).to_have_attribute("data-phase", "done", timeout=60_000)
    return article


def prose(article: Locator) -> Locator:
    """The text of an answer without its buttons."""
    return article.locator(".markdown")
