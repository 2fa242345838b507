"""A tenant's route and its intents, as admins meet them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product, StartProduct

USUAL = "scripted?tokens=20"


@pytest.fixture(scope="module")
def written(start_product: StartProduct) -> Product:
    """An installation with the scripted provider beside it."""
    return start_product(model=USUAL)


@pytest.fixture
async def routed(written: Product) -> AsyncIterator[Product]:
    """The installation; without a route and examples again when the test is over."""
    yield written
    async with written.client() as client:
        tenant = await _tenant(client)
        await client.delete(f"{tenant}/route")
        for example in (await client.get(f"{tenant}/intents?limit=1000")).json()["data"]:
            await client.delete(f"{tenant}/intents/{example['id']}")


async def _tenant(client: httpx.AsyncClient) -> str:
    return f"/v1/admin/tenants/{(await client.get('/auth/me')).json()['tenant_id']}"


async def _ask(product: Product, question: str) -> str:
    """Which model answered."""
    async with product.client() as client:
        body = {"messages": [{"role": "user", "content": question}], "collections": []}
        return (await client.post("/v1/chat/completions", json=body)).json()["model"]


async def _add_rule(page: Page, model: str) -> None:
    form = page.get_by_role("dialog")
    await form.get_by_label("Model that answers").select_option(model)
    await form.get_by_role("button", name="Use this rule").click()
    await expect(form).to_be_hidden()


async def test_rules_are_written_put_in_order_tried_and_saved(open_page: OpenPage, routed: Product) -> None:
    word = f"lawsuit{uuid4().hex[:6]}"
    # Other tests ask this installation too, and may have chosen another default.
    usual = await _ask(routed, f"Is there a {word}?")
    page = await open_page("/admin/routes", product=routed)
    await expect(page.get_by_text("No rules: every question goes to the default.")).to_be_visible()

    await page.get_by_role("button", name="Add a rule").click()
    await page.get_by_role("dialog").get_by_label("Program text in it").select_option("yes")
    await _add_rule(page, "extractive")
    await page.get_by_role("button", name="Add a rule").click()
    words = page.get_by_role("dialog").get_by_label("Add to Risk words")
    await words.fill(word)
    await words.press("Enter")
    assert await accessibility_problems(page) == []
    await _add_rule(page, "extractive")

    rules = page.get_by_role("list", name="Rules, the first that holds decides").get_by_role("listitem")
    await expect(rules.nth(1)).to_contain_text(f"When it says “{word}”")
    await rules.nth(1).focus()
    await page.keyboard.press("Alt+ArrowUp")
    await expect(rules.nth(0)).to_contain_text(word)
    await expect(rules.nth(0)).to_be_focused()

    await page.get_by_role("button", name="See what will change").click()
    change = page.get_by_role("status", name="What will change")
    await expect(change).to_contain_text("would have gone to another model")
    await expect(change.get_by_role("row").filter(has_text="extractive").first).to_be_visible()
    assert await accessibility_problems(page) == []
    await page.get_by_label("Why").fill("Lawyers want quotes")
    await screenshot(page, "routes-preview")
    await page.get_by_role("button", name="Save the route").click()
    await expect(page.get_by_text("Version 1", exact=True)).to_be_visible()
    assert await _ask(routed, f"Is there a {word}?") == "extractive"
    assert await _ask(routed, "Is there anything else?") == usual

    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await screenshot(page, "routes-phone")
    await page.get_by_role("button", name="Remove the route").click()
    question = page.get_by_role("alertdialog")
    await question.get_by_role("textbox").fill("The case is closed")
    await question.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("The installation's own")).to_be_visible()
    assert await _ask(routed, f"Is there a {word}?") == usual


async def test_examples_of_intents_are_pasted_tried_and_asked_for_by_a_rule(
    open_page: OpenPage, routed: Product
) -> None:
    page = await open_page("/admin/routes", product=routed)
    await page.get_by_role("button", name="Add examples").first.click()
    form = page.get_by_role("dialog", name="Add examples")
    await form.get_by_label("Intent").fill("refunds")
    await form.get_by_label("Questions that show it").fill("How do I get my money back?\n\nWhen is my refund paid?")
    await form.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("row").filter(has_text="When is my refund paid?")).to_be_visible()

    await page.get_by_label("Try a sentence").fill("where is the refund")
    await page.get_by_role("button", name="Try it").click()
    await expect(page.get_by_text("refunds (0.")).to_be_visible()
    assert await accessibility_problems(page) == []

    await page.get_by_role("button", name="Add a rule").click()
    await page.get_by_role("dialog").get_by_label("Intent").select_option("refunds")
    await _add_rule(page, "extractive")
    await page.get_by_role("button", name="See what will change").click()
    await page.get_by_role("button", name="Save the route").click()
    await expect(page.get_by_text("Version 1", exact=True)).to_be_visible()
    assert await _ask(routed, "when do I get my refund?") == "extractive"
