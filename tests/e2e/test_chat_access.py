from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.conversations import HANDBOOK, add_document, ask, finished, remove_collection
from tests.e2e.product import Product


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def handbook(product: Product) -> AsyncIterator[str]:
    """A document to ask about; its id. No other file's tests find it."""
    async with product.client() as client:
        yield await add_document(client, filename="access.md", text=HANDBOOK, collection="For accessibility")
    async with product.client() as client:
        await remove_collection(client, "For accessibility")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, PHONE])
async def test_axe_finds_nothing_serious_in_the_chat(open_page: OpenPage, size: tuple[int, int], dark: bool) -> None:
    name = f"{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
    page = await open_page("/", size=size, dark=dark)
    await expect(page.get_by_role("list", name="Questions to begin with").get_by_role("button").first).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"chat-empty-{name}")
    answer = await ask(page, "How fast are refunds paid, and who approves travel?")
    assert await accessibility_problems(page) == []
    await screenshot(page, f"chat-answer-{name}")
    await answer.locator(".citation").first.click()
    panel = page.get_by_role("complementary", name="Source")
    await expect(panel.locator("mark").first).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"chat-panel-{name}")
    await panel.get_by_role("button", name="Close the source").click()
    await answer.get_by_role("button", name="Why this answer?").click()
    await expect(page.get_by_role("heading", name="What was found")).to_be_visible()
    assert await accessibility_problems(page) == []
    await page.keyboard.press("Escape")
    await answer.get_by_role("button", name="Bad answer").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await accessibility_problems(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("option").first).to_be_visible()
    assert await accessibility_problems(page) == []


async def test_on_a_phone_the_source_is_a_sheet_below_the_text_that_cites_it(open_page: OpenPage) -> None:
    page = await open_page("/", size=PHONE)
    answer = await ask(page, "How fast are refunds paid, what about gift cards, and who approves travel?")
    chip = answer.locator(".citation").last
    await chip.click()
    panel = page.get_by_role("complementary", name="Source")
    await expect(panel.locator("mark").first).to_be_visible()
    above = "([chip, sheet]) => chip.getBoundingClientRect().bottom <= sheet.getBoundingClientRect().top"
    await page.wait_for_function(above, arg=[await chip.element_handle(), await panel.element_handle()])
    sheet = await panel.bounding_box()
    assert sheet is not None
    assert sheet["width"] == PHONE[0]


async def test_on_a_phone_the_menu_is_a_drawer_and_controls_are_large_enough(open_page: OpenPage) -> None:
    page = await open_page("/", size=PHONE)
    await ask(page, "How fast are refunds paid?")
    small = await page.evaluate(
        """() => [...document.querySelectorAll('button, .history-row a, textarea')]
            .filter((each) => each.checkVisibility() && !each.closest('.markdown'))
            .filter((each) => each.getBoundingClientRect().height < 40)
            .map((each) => each.outerHTML.slice(0, 120))"""
    )
    assert small == []
    await page.get_by_role("button", name="Open menu").click()
    drawer = page.get_by_role("dialog", name="Menu")
    await expect(drawer.get_by_role("link", name="How fast are refunds paid?").first).to_be_visible()
    await screenshot(page, "chat-menu-phone-light")
    await drawer.get_by_role("button", name="New conversation").click()
    await expect(drawer).to_have_count(0)


_HEAR = """() => {
    window.heard = [];
    new MutationObserver((changes) => {
        for (const change of changes)
            if (change.target.closest?.("[aria-live=polite]"))
                for (const node of change.addedNodes) window.heard.push(node.textContent);
    }).observe(document.body, {childList: true, subtree: true});
}"""


async def test_an_answer_is_read_out_once_and_stands_on_the_page_once(open_page: OpenPage) -> None:
    page = await open_page("/")
    await page.evaluate(_HEAR)
    await ask(page, "How fast are refunds paid?")
    heard = " ".join(await page.evaluate("window.heard"))
    assert heard.count("14 days") == 1
    assert heard.endswith("End of the answer, one source.")
    region = page.locator(".announcer")
    await expect(region).to_be_attached()
    await expect(region).to_be_empty()
    tree = await page.locator("body").aria_snapshot()
    assert tree.count("paid within 14 days") == 1
    await page.reload()
    await page.evaluate(_HEAR)
    await finished(page)
    assert await page.evaluate("window.heard") == []


async def test_the_theme_is_there_before_the_first_picture_and_is_kept(open_page: OpenPage) -> None:
    page = await open_page("/", dark=True)
    assert await page.evaluate("document.documentElement.classList.contains('dark')")
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitemradio", name="Light").click()
    await expect(page.locator("html")).to_have_class("light")
    await page.reload(wait_until="commit")
    await page.wait_for_function("document.body")
    assert await page.evaluate("document.documentElement.className") == "light"
