"""A running product and a real Chromium, for tests that use the pages as people do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.fixtures.product import Product, product
from tests.fixtures.surroundings import PROJECT

SCREENSHOTS = Path(os.environ.get("CHATAPP_SCREENSHOTS") or PROJECT / ".screenshots")
"""Pictures of each page, looked at before a page is called done; not committed."""

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_WIDE, _PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is a browser test."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with its sample collection and a scripted model, started once a run."""
    with product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, or Playwright's own where there is none."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        chromium = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(served: Product, browser: Browser) -> Iterator[OpenPage]:
    """Opens tabs: `open_page("/documents", phone=True, scheme="dark", signed_in=False)`.

    A tab in which a script throws fails the test that used it.
    """
    tabs: list[tuple[Page, list[str]]] = []

    def open_tab(path: str = "/", *, phone: bool = False, scheme: str = "light", signed_in: bool = True) -> Page:
        context = browser.new_context(
            viewport=_PHONE if phone else _WIDE,
            is_mobile=phone,
            has_touch=phone,
            color_scheme=scheme,
            reduced_motion="reduce",
            base_url=served.url,
        )
        if signed_in:
            host = urlsplit(served.url).hostname or ""
            cookies = served.sign_in().items()
            context.add_cookies(
                [{"name": name, "value": value, "domain": host, "path": "/"} for name, value in cookies]
            )
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        tabs.append((page, problems))
        page.goto(path)
        return page

    yield open_tab
    found = [problem for _, problems in tabs for problem in problems]
    for page, _ in tabs:
        page.context.close()
    assert not found, found


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A wide tab on the empty chat, signed in."""
    return open_page("/")


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """Fails when axe finds something serious or critical on the page as it is now."""

    def check(page: Page) -> None:
        found = Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in {"serious", "critical"}]
        assert not serious, [(each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in serious]

    return check


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keeps a picture of the page under a name."""

    def take(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
