"""A real Chromium, and what the tests do with a page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.e2e.product import Product
from tests.fixtures.surroundings import PROJECT

SCREENSHOTS = PROJECT / "tests" / "screenshots"
PATIENCE_MS = 30_000
"""Two browsers, two installations and a worker at work share two cores in a whole run."""
expect.set_options(timeout=PATIENCE_MS)
WIDE, PHONE = (1280, 800), (390, 844)
OpenPage = Callable[..., Awaitable[Page]]

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, or Playwright's own where there is none."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, product: Product) -> AsyncIterator[OpenPage]:
    """Open a page: `await open_page("/documents", size=PHONE, dark=True)`, signed in unless said otherwise.

    With `product` it is another installation's, with `context` another tab of the same person. A page that throws
    fails the test at its end.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    async def open_(
        path: str = "/",
        *,
        product: Product = product,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        signed_in: bool = True,
        context: BrowserContext | None = None,
    ) -> Page:
        if context is None:
            context = await new_context(browser, product, size=size, dark=dark)
            contexts.append(context)
            if signed_in:
                await sign_in(context, product)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert errors == [], "a page threw"


async def new_context(
    browser: Browser, product: Product, *, size: tuple[int, int] = WIDE, dark: bool = False
) -> BrowserContext:
    """A fresh browser profile looking at the product."""
    context = await browser.new_context(
        base_url=product.url,
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


async def sign_in(context: BrowserContext, product: Product) -> None:
    """Give the profile the admin's session."""
    answer = await context.request.post(
        f"{product.url}/auth/login",
        data={"email": product.email, "password": product.password},
        headers={"Origin": product.url},
    )
    assert answer.ok, await answer.text()


async def screenshot(page: Page, name: str) -> Path:
    """Save a picture to look at; the folder is not kept in git."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    await page.screenshot(path=path)
    return path


async def accessibility_problems(page: Page) -> list[str]:
    """What axe finds on the page that is serious or critical, as `rule: elements`."""
    from axe_playwright_python.async_playwright import Axe

    results = await Axe().run(page)
    violations: list[dict[str, Any]] = results.response["violations"]
    return [
        f"{violation['id']}: {'; '.join(' '.join(map(str, node['target'])) for node in violation['nodes'])}"
        for violation in violations
        if violation["impact"] in {"serious", "critical"}
    ]
