"""Real reports, uploaded and asked about as people do: the product's main job from one end to the other."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.e2e.browser import PHONE, OpenPage, screenshot
from tests.e2e.conversations import remove_collection
from tests.e2e.library import add_by_dialog
from tests.e2e.product import Product
from tests.fixtures.surroundings import PROJECT

FILINGS = Path(os.environ.get("CHATAPP_TEST_DATA") or PROJECT.parent / "shared" / "data") / "filings"
ASKED = (74, 75, 84, 88, 99, 102, 104, 119, 132, 134)
"""Rows of questions.csv: each asks one report, which it names by company and quarter."""
INGESTION_SECONDS = 1_200
LONGEST_SILENCE_SECONDS = 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILINGS.is_dir(), reason=f"the reports are not in {FILINGS}"),
]

_LIT_TEXT = """page => {
    const lit = [...page.querySelectorAll('.pdf-lit')].map(mark => mark.getBoundingClientRect());
    const spans = [...page.querySelectorAll('.textLayer span')].filter(span => !span.querySelector('span'));
    return spans.filter(span => {
        const box = span.getBoundingClientRect();
        const middle = box.top + box.height / 2;
        return lit.some(mark => mark.top <= middle && middle <= mark.bottom
            && mark.left < box.right && box.left < mark.right);
    }).map(span => span.textContent).join(' ');
}"""


def questions() -> list[dict[str, str]]:
    with (FILINGS / "questions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [rows[number] for number in ASKED]


@pytest_asyncio.fixture(loop_scope="session")
async def collection(product: Product) -> AsyncIterator[str]:
    """A name for a collection, which is gone when the test ends."""
    name = f"Filings {uuid4().hex[:6]}"
    yield name
    async with product.client() as client:
        await remove_collection(client, name)


async def test_the_reports_are_ingested_by_the_page_and_each_citation_opens_its_page_lit(
    open_page: OpenPage, collection: str
) -> None:
    page = await open_page("/documents")
    await _ingest(page, sorted(FILINGS.glob("*.pdf")), collection)
    await screenshot(page, "filings-ingested")
    right_document = 0
    for number, row in enumerate(await asyncio.to_thread(questions)):
        citations = await _ask(page, row["Question"])
        assert citations, row["Question"]
        report = row["Source Docs"].strip("*")
        right_document += any(citation["filename"] == f"{report}.pdf" for citation in citations)
        for citation, chip in zip(citations, await page.locator(".answer .citation").all(), strict=True):
            await _opens_lit(page, chip, citation)
        await screenshot(page, f"filings-question-{number + 1}")
    assert right_document >= len(ASKED) - 1
    address = re.sub(r"^https?://[^/]+", "", page.url)
    for name, dress in (("dark", {"dark": True}), ("phone", {"size": PHONE})):
        page = await open_page(address, **dress)
        await page.locator(".answer .citation").first.click()
        await expect(page.locator(".pdf-lit").first).to_be_in_viewport()
        await screenshot(page, f"filings-answer-{name}")


async def _ingest(page: Page, reports: list[Path], collection: str) -> None:
    """Upload every report through the dialog; nothing may be silent for long on the way."""
    await page.get_by_role("button", name="New collection").click()
    await page.get_by_role("textbox", name="Name").fill(collection)
    await page.get_by_role("button", name="Create").click()
    await page.locator(".rail-item[aria-current]").filter(has_text=collection).wait_for()
    await add_by_dialog(page, *reports, collection=collection)
    tray = page.get_by_role("region", name="Uploads")
    done = tray.get_by_role("status").filter(has_text=f"{len(reports)} documents ready")
    began = changed = time.monotonic()
    said = ""
    while not await done.count():
        now = re.sub(r"· [\d min]+ s", "", await tray.inner_text())
        if now != said:
            said, changed = now, time.monotonic()
        assert time.monotonic() - changed < LONGEST_SILENCE_SECONDS, said
        assert time.monotonic() - began < INGESTION_SECONDS, said
        await asyncio.sleep(1)
    await expect(page.locator(".state[data-tone=good]")).to_have_count(len(reports))


async def _ask(page: Page, question: str) -> list[dict[str, Any]]:
    """Ask in a new conversation; the answer's citations, in the order of their marks."""
    if "/documents" in page.url:
        await page.goto("/", wait_until="networkidle")
    await page.get_by_role("button", name="New conversation").click()
    box = page.get_by_role("textbox", name="Message")
    await expect(page.get_by_role("article")).to_have_count(0)
    await expect(box).to_have_value("")
    await box.fill(question)
    async with page.expect_request(re.compile(r"/v1/turns/[^/]+/events")) as reading:
        await page.get_by_role("button", name="Send").click()
    await page.get_by_role("button", name="Good answer").wait_for(timeout=60_000)
    turn = re.search(r"/v1/turns/([^/]+)/events", (await reading.value).url)
    assert turn is not None
    answer = await page.request.get(f"/v1/turns/{turn[1]}")
    annotations = [annotation["file_citation"] for annotation in (await answer.json())["annotations"]]
    return sorted(annotations, key=lambda citation: citation["end_index"])


async def _opens_lit(page: Page, chip: Locator, citation: dict[str, Any]) -> None:
    await chip.click()
    panel = page.get_by_role("complementary", name="Source")
    await expect(panel.get_by_text(citation["filename"]).first).to_be_visible()
    await panel.locator(f'[data-passage="{citation["start"]}-{citation["end"]}"]').wait_for()
    cited = panel.get_by_role("region", name=f"Page {citation['page']}", exact=True)
    await expect(cited.locator(".pdf-lit").first).to_be_in_viewport()
    await expect(cited.locator(".textLayer .endOfContent")).to_be_attached()
    shown = set(re.findall(r"\w+", str(await cited.evaluate(_LIT_TEXT))))
    wanted = re.findall(r"\w+", citation["quote"])
    # A passage may go on overleaf, and a word may be drawn in two parts.
    assert sum(word in shown for word in wanted) >= 0.5 * len(wanted), (citation, shown)
