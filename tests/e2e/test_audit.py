from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product


async def rename_a_collection(product: Product) -> tuple[str, str]:
    """The name it had and the one it has."""
    old, new = f"Old {uuid4().hex[:6]}", f"New {uuid4().hex[:6]}"
    async with product.client() as client:
        made = (await client.post("/v1/vector_stores", json={"name": old})).json()
        (await client.post(f"/v1/vector_stores/{made['id']}", json={"name": new})).raise_for_status()
    return old, new


async def newest_line(page: Page, words: str) -> None:
    await page.get_by_role("row").filter(has_text=words).first.click()


async def test_a_change_is_shown_as_it_was_and_as_it_is(open_page: OpenPage, product: Product) -> None:
    old, new = await rename_a_collection(product)
    page = await open_page("/admin/audit?action=collection.renamed")
    await newest_line(page, "Collection renamed")

    changed = page.get_by_role("complementary").locator("tr.is-changed")
    await expect(changed).to_have_count(1)
    await expect(changed).to_contain_text(old)
    await expect(changed).to_contain_text(new)
    await expect(page.get_by_role("complementary")).to_contain_text("127.0.0.1")
    await expect(page.get_by_role("complementary")).to_contain_text("collection.renamed")
    address = page.url
    await page.reload()
    await expect(changed).to_contain_text(new)
    assert page.url == address


async def test_the_log_is_verified_and_the_finding_stays_while_one_looks_around(
    open_page: OpenPage, product: Product
) -> None:
    await rename_a_collection(product)
    page = await open_page("/admin/audit")
    await page.get_by_role("button", name="Verify the log").click()

    finding = page.get_by_role("status").filter(has_text="as they were written")
    await expect(finding).to_be_visible()
    await newest_line(page, "Collection renamed")
    await expect(page.get_by_role("complementary")).to_be_visible()
    await expect(finding).to_be_visible()


async def test_what_is_filtered_is_what_is_downloaded(open_page: OpenPage, product: Product) -> None:
    await rename_a_collection(product)
    page = await open_page("/admin/audit?action=collection.renamed")
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download JSON").click()
    entries = json.loads(Path(await (await downloading.value).path()).read_text())

    assert {entry["action"] for entry in entries} == {"collection.renamed"}
    assert entries[0]["before"]["name"].startswith("Old")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, PHONE])
async def test_axe_finds_nothing_serious_in_the_audit_log(
    open_page: OpenPage, product: Product, size: tuple[int, int], dark: bool
) -> None:
    name = f"admin-audit-{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
    await rename_a_collection(product)
    page = await open_page("/admin/audit", size=size, dark=dark)
    await page.get_by_role("button", name="Verify the log").click()
    await expect(page.get_by_text("as they were written")).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, name)
    await page.get_by_text("Collection renamed").first.click()
    await expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"{name}-line")
