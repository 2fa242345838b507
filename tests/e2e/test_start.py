from __future__ import annotations

import re

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product


async def test_a_stranger_is_led_to_the_sign_in_page_and_in(open_page: OpenPage, product: Product) -> None:
    page = await open_page("/documents", signed_in=False)
    await page.wait_for_url(re.compile(r"/sign-in\?next="))
    await page.get_by_label("Email").fill(product.email)
    await page.get_by_label("Password", exact=True).fill(product.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/documents*")


async def test_the_health_routes_answer_without_a_session(product: Product) -> None:
    async with product.client() as client:
        client.cookies.clear()
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json()["dependencies"] == {"database": "ok", "vector_index": "ok"}


async def test_the_sign_in_page_has_no_serious_accessibility_problem(open_page: OpenPage) -> None:
    for size, dark in ((WIDE, False), (PHONE, True)):
        page = await open_page("/sign-in", signed_in=False, size=size, dark=dark)
        await page.get_by_role("button", name="Sign in").wait_for()
        assert await accessibility_problems(page) == []
        await screenshot(page, f"sign-in-{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}")
