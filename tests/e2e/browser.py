"""A real Chromium, and what the tests do with a page."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, async_playwright, expect

from tests.e2e.product import SESSION_COOKIE, Product
from tests.fixtures.surroundings import PROJECT

SCREENSHOTS = PROJECT / "tests" / "screenshots"
PATIENCE_MS = 30_000
"""Two browsers, two installations and a worker at work share two cores in a whole run."""
expect.set_options(timeout=PATIENCE_MS)
WIDE, PHONE = (1280, 800), (390, 844)
_IS_STILL = """() => document.getAnimations().every(
    (each) => each.playState !== "running" || each.effect.getComputedTiming().iterations === Infinity
)"""
_VIOLATIONS = """async () => (await axe.run({resultTypes: ["violations"]})).violations.map(
    ({id, impact, nodes}) => ({id, impact, targets: nodes.map(({target}) => target)})
)"""
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
_ONE_PROCESS = "--process-per-site"
"""All pages of a profile in one process: what a page compiled is there for the next."""
_KEPT_BY_PAGES = "cookies,local_storage,indexeddb,cache_storage,service_workers,file_systems"


class Profiles:
    """Browser profiles that tests use one after the other, each with nothing of the one before but its loaded scripts.

    A new profile fetches and compiles every script again, which takes three times as long as the rest of a page. A
    page without scripts stays open in each, so that its process stays, too.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[_Profile]] = {}

    async def take(self, product: Product) -> _Profile:
        """A profile that looks at the product and is nobody's at the moment."""
        free = self._free.setdefault(product.url, [])
        return free.pop() if free else await _Profile.made(self._browser, product)

    async def give_back(self, profile: _Profile) -> None:
        """Close its pages and forget who was there; one that cannot forget is thrown away."""
        try:
            await profile.forget()
        except Error:
            await profile.context.close()
        else:
            self._free[profile.url].append(profile)


@dataclass(frozen=True, slots=True)
class _Profile:
    url: str
    context: BrowserContext
    resting: Page
    """Keeps the process of the profile's pages alive between the tests."""
    devtools: CDPSession

    @classmethod
    async def made(cls, browser: Browser, product: Product) -> _Profile:
        context = await new_context(browser, product)
        resting = await context.new_page()
        await resting.goto("/favicon.svg")
        return cls(product.url, context, resting, await context.new_cdp_session(resting))

    async def forget(self) -> None:
        for page in self.context.pages:
            if page is not self.resting:
                await page.close()
        await self.context.set_offline(False)
        await self.context.unroute_all()
        await self.context.clear_cookies()
        await self.devtools.send("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": _KEPT_BY_PAGES})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, or Playwright's own where there is none."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS, _ONE_PROCESS])
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def profiles(browser: Browser) -> Profiles:
    """The browser profiles of the run."""
    return Profiles(browser)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(profiles: Profiles, product: Product) -> AsyncIterator[OpenPage]:
    """Open a page: `await open_page("/documents", size=PHONE, dark=True)`, signed in unless said otherwise.

    Each page has a browser profile of its own; with `context` it is another tab of the same person. With `product` it
    is another installation's. A page that throws fails the test at its end.
    """
    taken: list[_Profile] = []
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
            taken.append(await profiles.take(product))
            context = taken[-1].context
            if signed_in:
                await sign_in(context, product)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        if size != WIDE:
            await page.set_viewport_size({"width": size[0], "height": size[1]})
        if dark:
            await page.emulate_media(color_scheme="dark")
        await page.goto(path)
        return page

    yield open_
    for profile in taken:
        await profiles.give_back(profile)
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
    cookie = {"name": SESSION_COOKIE, "value": await product.session(), "url": product.url}
    await context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Lax"}])


async def screenshot(page: Page, name: str) -> Path:
    """Save a picture to look at; the folder is not kept in git."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    await page.screenshot(path=path)
    return path


async def accessibility_problems(page: Page) -> list[str]:
    """What axe finds on the page that is serious or critical, as `rule: elements`."""
    from axe_playwright_python.base import AXE_SCRIPT

    # What is fading in has no contrast for a moment.
    await page.wait_for_function(_IS_STILL)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    violations: list[dict[str, Any]] = await page.evaluate(_VIOLATIONS)
    return [
        f"{violation['id']}: {'; '.join(' '.join(map(str, target)) for target in violation['targets'])}"
        for violation in violations
        if violation["impact"] in {"serious", "critical"}
    ]
