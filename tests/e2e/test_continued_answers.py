"""Answers that more than one model wrote, or that broke off: what people see of it, now and after a reload."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import OpenPage, screenshot
from tests.e2e.conversations import finished, prose, send
from tests.e2e.product import Product, StartProduct

QUICK = "fast?tokens=60&gap_ms=10&fault=close&after=25"
CAREFUL = "careful?tokens=60&gap_ms=10"
LAME = "lame?tokens=60&gap_ms=10&fault=close&after=5"
WHOLE = [f"word{number}" for number in range(1, 61)]


@pytest.fixture(scope="module")
def scripted(start_product: StartProduct) -> Product:
    """An installation whose first model breaks off in mid-answer."""
    return start_product(model="scripted?tokens=21")


async def add_model(client: httpx.AsyncClient, product: Product, name: str, script: str) -> None:
    """A model at a provider of its own."""
    provider = {"name": f"{name} provider", "kind": "openai_compatible", "base_url": product.upstream_url}
    made = await client.post("/v1/admin/providers", json={**provider, "api_key": "sk-1"})
    assert made.status_code in {200, 201, 409}, made.text
    model = {"name": name, "provider": provider["name"], "provider_model": script, "max_input_tokens": 8_000}
    prices = {"input_micro_usd_per_mtok": 0, "output_micro_usd_per_mtok": 0, "max_output_tokens": 1_000}
    made = await client.post("/v1/admin/models", json={**model, **prices})
    assert made.status_code in {200, 201, 409}, made.text


async def put_route(product: Product, first: str, second: str) -> None:
    """Who answers, and who goes on."""
    async with product.client() as client:
        for name, script in (("Quick", QUICK), ("Careful", CAREFUL), ("Lame", LAME)):
            await add_model(client, product, name, script)
        tenant = (await client.get("/auth/me")).json()["tenant_id"]
        put = await client.put(
            f"/v1/admin/tenants/{tenant}/route", json={"rules": [], "default": first, "fallbacks": [second]}
        )
        assert put.status_code == 200, put.text


def words(text: str) -> list[str]:
    return [word for word in text.split() if word.startswith("word")]


async def assert_marked(page: Page) -> None:
    """The answer is whole, and says where the second model went on."""
    article = await finished(page)
    seam = prose(article).get_by_text("continued by Careful", exact=True)
    await expect(seam).to_have_count(1)
    text = await prose(article).inner_text()
    assert words(text) == WHOLE
    assert words(text.partition("continued by")[0]) == WHOLE[:25]
    await expect(article.get_by_text("Quick, continued by Careful")).to_be_visible()


async def test_a_second_model_goes_on_and_the_answer_says_where(open_page: OpenPage, scripted: Product) -> None:
    await put_route(scripted, "Quick", "Careful")
    page = await open_page("/", product=scripted)
    await send(page, "Count the words.")
    await assert_marked(page)
    article = page.get_by_role("article")
    await article.get_by_role("button", name="Copy answer").click()
    assert (await page.evaluate("navigator.clipboard.readText()")).split() == WHOLE
    await prose(article).click(click_count=3)
    assert "continued by" not in await page.evaluate("String(window.getSelection())")
    await page.evaluate("window.getSelection().removeAllRanges()")
    await page.reload()
    await assert_marked(page)
    await screenshot(page, "chat-continued")
    await page.get_by_role("button", name="Why this answer?").click()
    await expect(page.get_by_text("Quick, continued by Careful").nth(1)).to_be_visible()
    await expect(page.get_by_text("Left out")).to_have_count(0)


async def test_an_answer_nobody_could_go_on_with_says_that_it_is_not_whole(
    open_page: OpenPage, scripted: Product
) -> None:
    await put_route(scripted, "Quick", "Lame")
    page = await open_page("/", product=scripted)
    await send(page, "Count as far as you can.")
    broken = page.get_by_role("alert").filter(has_text="The answer broke off here.")
    await expect(broken).to_be_visible(timeout=60_000)
    counted = words(await prose(page.get_by_role("article")).inner_text())
    assert counted == WHOLE[: len(counted)]
    assert len(counted) >= 25
    await page.reload()
    await expect(broken).to_be_visible()
    await screenshot(page, "chat-broken-off")
    await put_route(scripted, "Careful", "Quick")
    await broken.get_by_role("button", name="Ask again").click()
    await expect(page.get_by_text("2/2")).to_be_visible()
    assert words(await prose(await finished(page)).inner_text()) == WHOLE
    await expect(broken).to_have_count(0)
