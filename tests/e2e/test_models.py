"""Providers and models, as the platform's admins meet them."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from chatapp.domain import utc_now
from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product, StartProduct


@pytest.fixture(scope="module")
def written(start_product: StartProduct) -> Product:
    """An installation with the scripted provider beside it."""
    return start_product(model="scripted?tokens=20")


async def add_provider(page: Page, name: str, url: str) -> None:
    await page.get_by_role("button", name="New provider").first.click()
    form = page.get_by_role("dialog", name="New provider")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("Address").fill(url)
    await form.get_by_role("textbox", name="Key").fill("sk-of-the-test")
    await form.get_by_role("button", name="Add and test").click()


async def add_model(page: Page, provider: str, name: str) -> None:
    await page.get_by_role("button", name="New model").first.click()
    await page.get_by_label("Search the catalogue").fill("gpt-4.1-mini")
    await page.get_by_role("list", name="Models found").get_by_role("button", name="gpt-4.1-mini openai").click()
    form = page.get_by_role("dialog", name="New model")
    await expect(form.get_by_label("Price of input")).to_have_value("0.4")
    await form.get_by_label("Provider", exact=True).select_option(provider)
    await form.get_by_label("Name", exact=True).fill(name)
    await form.get_by_label("The provider's name of it").fill("scripted?tokens=3")
    await form.get_by_role("button", name="Add the model").click()


async def forget(product: Product, name: str) -> None:
    """Take a provider and its models away, and have the first model be the default again."""
    async with product.client() as client:
        models = (await client.get("/v1/admin/models?order=created_at")).json()["data"]
        await client.patch(f"/v1/admin/models/{models[0]['id']}", json={"is_default": True})
        for model in models:
            if model["provider"] == name:
                await client.delete(f"/v1/admin/models/{model['id']}")
        for found in (await client.get(f"/v1/admin/providers?q={name}")).json()["data"]:
            await client.delete(f"/v1/admin/providers/{found['id']}")


async def test_a_provider_is_added_and_a_model_of_it_becomes_the_default(open_page: OpenPage, written: Product) -> None:
    name = f"scripted-{uuid4().hex[:6]}"
    page = await open_page("/admin/providers", product=written)
    try:
        await add_provider(page, name, written.upstream_url)
        await expect(page.get_by_text("The connection works")).to_be_visible()
        await expect(page.get_by_text(re.compile(r"lists 1 model\. It took [\d,]+ ms"))).to_be_visible()
        await page.get_by_role("button", name=f"Actions for {name}").click()
        await page.get_by_role("menuitem", name="Change").click()
        key = page.get_by_role("dialog", name="Change the provider").get_by_role("textbox", name="Key")
        await expect(key).to_have_value("")
        await expect(key).to_have_attribute("placeholder", re.compile("Leave it blank to keep it"))
        await page.keyboard.press("Escape")

        await page.goto("/admin/models")
        await add_model(page, name, f"{name}-model")
        await page.get_by_role("link", name=f"{name}-model").click()
        await page.get_by_role("button", name="Make it the default").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Make it the default").click()
        await expect(page.get_by_text("Default", exact=True).last).to_be_visible()

        await page.get_by_role("button", name="New price").click()
        form = page.get_by_role("dialog", name="New price")
        tomorrow = (utc_now() + timedelta(days=1)).date().isoformat()
        await form.get_by_label("From the beginning of").fill(tomorrow)
        await form.get_by_label("Price of input").fill("0.35")
        await form.get_by_role("button", name="Set the price").click()
        ahead = page.get_by_role("table", name="Prices").get_by_role("row").filter(has_text="Ahead")
        await expect(ahead).to_contain_text("$0.35")
        await screenshot(page, "models-one")
        # A notice that fades has no contrast for a moment.
        await expect(page.locator("[data-sonner-toast]")).to_have_count(0)
        assert await accessibility_problems(page) == []
        async with written.client() as client:
            auto = (await client.get("/v1/models/auto")).json()
        assert auto["answered_by"] == f"{name}-model"
    finally:
        await forget(written, name)


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), ((1280, 800), True)], ids=["phone", "dark"])
async def test_the_lists_of_providers_and_models_are_fit_to_read(
    open_page: OpenPage, written: Product, size: tuple[int, int], dark: bool
) -> None:
    page = await open_page("/admin/providers", product=written, size=size, dark=dark)
    for path in ("providers", "models"):
        await page.goto(f"/admin/{path}")
        await expect(page.locator(".rows-table")).to_be_visible()
        await screenshot(page, f"{path}-{'dark' if dark else 'phone'}")
        assert await accessibility_problems(page) == []
