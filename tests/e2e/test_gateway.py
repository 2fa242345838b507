"""Two providers, as an admin minds them while somebody chats: nobody who asks notices more than the model's name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.conversations import ask, finished, prose, send
from tests.e2e.product import Product, StartProduct

FIRST = "scripted?tokens=22&gap_ms=10"
SECOND, SECOND_SCRIPT = "Second model", "second?tokens=22&gap_ms=10"
BROKEN, BROKEN_SCRIPT = "Broken model", "broken?fault=unauthorized"
PROVIDER = "second-provider"
WORDS = [f"word{number}" for number in range(1, 23)]


@pytest.fixture(scope="module")
def gateway(start_product: StartProduct) -> Product:
    """An installation with a provider from its environment."""
    return start_product(model=FIRST)


@pytest.fixture
async def served(gateway: Product) -> AsyncIterator[Product]:
    """It has a second provider with two models; as it was before when the test is over."""
    async with gateway.client() as client:
        where = {"kind": "openai_compatible", "base_url": gateway.upstream_url, "api_key": "sk-second"}
        made = await client.post("/v1/admin/providers", json={"name": PROVIDER, **where})
        assert made.status_code in {200, 201}, made.text
        for name, script in ((SECOND, SECOND_SCRIPT), (BROKEN, BROKEN_SCRIPT)):
            model = {"name": name, "provider": PROVIDER, "provider_model": script, "max_input_tokens": 8_000}
            answer = await client.post("/v1/admin/models", json={**model, "max_output_tokens": 1_000})
            assert answer.status_code in {200, 201}, answer.text
    yield gateway
    async with gateway.client() as client:
        await _put_back(client)


async def _put_back(client: httpx.AsyncClient) -> None:
    tenant = (await client.get("/auth/me")).json()["tenant_id"]
    await client.delete(f"/v1/admin/tenants/{tenant}/route")
    models = (await client.get("/v1/admin/models?order=created_at")).json()["data"]
    await client.patch(f"/v1/admin/models/{models[0]['id']}", json={"is_default": True})
    for breaker in (await client.get("/v1/admin/breakers?state=drill")).json()["data"]:
        await client.delete(f"/v1/admin/breakers/{breaker['id'].replace('?', '%3F')}/drill")
    for model in models:
        if model["provider"] == PROVIDER:
            await client.delete(f"/v1/admin/models/{model['id']}")
    for provider in (await client.get(f"/v1/admin/providers?q={PROVIDER}")).json()["data"]:
        await client.delete(f"/v1/admin/providers/{provider['id']}")


async def assert_answered(article: Locator, model: str) -> None:
    """The answer is whole, without a word about any trouble, and names who wrote it."""
    assert (await prose(article).inner_text()).split() == WORDS
    await expect(article.get_by_text(model, exact=True).first).to_be_visible()
    await expect(article.get_by_role("alert")).to_have_count(0)


async def act(page: Page, name: str, action: str) -> None:
    await page.get_by_role("button", name=f"Actions for {name}").click()
    await page.get_by_role("menuitem", name=action, exact=True).click()


async def make_default(page: Page, name: str) -> None:
    """On the page of models."""
    await page.goto("/admin/models")
    await act(page, name, "Make it the default")
    await page.get_by_role("alertdialog").get_by_role("button", name="Make it the default").click()
    await expect(page.get_by_role("alertdialog")).to_have_count(0)


async def test_the_default_is_switched_a_fallback_answers_and_a_breaker_is_drilled_while_somebody_chats(
    open_page: OpenPage, served: Product
) -> None:
    chat = await open_page("/", product=served)
    admin = await open_page("/admin/models", product=served)
    await assert_answered(await ask(chat, "Count, first."), FIRST)

    # The default changes in the middle of an answer, which goes on as it began.
    await send(chat, "Count, second.")
    await make_default(admin, SECOND)
    await assert_answered(await finished(chat), FIRST)
    await assert_answered(await ask(chat, "Count, third."), SECOND)

    # What answers by the route refuses every request; the next one it names steps in.
    await admin.goto("/admin/routes")
    await admin.get_by_label("Default where no rule holds").select_option(BROKEN)
    await admin.get_by_label("Add a fallback").select_option(SECOND)
    await admin.get_by_label("Add a fallback").select_option(FIRST)
    await admin.get_by_role("button", name="See what will change").click()
    await admin.get_by_role("button", name="Save the route").click()
    await expect(admin.get_by_text("Version 1", exact=True)).to_be_visible()
    await assert_answered(await ask(chat, "Count, fourth."), SECOND)

    # A drill holds the second provider's model; who stands behind it answers until the drill ends.
    deployment = f"{PROVIDER}/{SECOND_SCRIPT}"
    await admin.goto("/admin/breakers")
    await expect(admin.get_by_role("row").filter(has_text=deployment)).to_contain_text("Closed")
    await act(admin, deployment, "Hold open for 5 minutes")
    question = admin.get_by_role("alertdialog")
    await expect(question).to_contain_text("Where the choice is left to the route")
    await screenshot(admin, "breakers-question")
    assert await accessibility_problems(admin) == []
    await question.get_by_label("Reason").fill("Practice")
    await question.get_by_role("button", name="Begin the drill").click()
    await expect(admin.get_by_role("row").filter(has_text=deployment)).to_contain_text("Drill")
    await assert_answered(await ask(chat, "Count, fifth."), FIRST)
    await act(admin, deployment, "End the drill")
    await admin.get_by_role("alertdialog").get_by_role("button", name="End the drill").click()
    await expect(admin.get_by_role("row").filter(has_text=deployment)).not_to_contain_text("Drill")
    await assert_answered(await ask(chat, "Count, sixth."), SECOND)


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), ((1280, 800), True)], ids=["phone", "dark"])
async def test_the_breakers_are_fit_to_read(
    open_page: OpenPage, served: Product, size: tuple[int, int], dark: bool
) -> None:
    page = await open_page("/admin/breakers", product=served, size=size, dark=dark)
    await expect(page.get_by_role("row").filter(has_text=PROVIDER).first).to_be_visible()
    await screenshot(page, f"breakers-{'dark' if dark else 'phone'}")
    assert await accessibility_problems(page) == []
    await page.get_by_role("row").filter(has_text=SECOND).click()
    await expect(page.get_by_role("heading", name="In each process")).to_be_visible()
    await screenshot(page, f"breakers-panel-{'dark' if dark else 'phone'}")
