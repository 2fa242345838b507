"""Browser tests: one loop for the whole run, since browser and pages live in the loop they were opened in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import browser, open_page, profiles
from tests.e2e.library import library
from tests.e2e.product import built_pages, product, start_product

__all__ = ["browser", "built_pages", "library", "open_page", "product", "profiles", "start_product"]

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder and give it the browser's loop."""
    for item in items:
        if Path(item.path).is_relative_to(_HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
