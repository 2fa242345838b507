from __future__ import annotations

import re

from admin.pages import PAGES
from chatapp.components.navigation import NAVIGATION, item_of
from tests.architecture.source import PROJECT


def test_the_navigation_offers_every_page_and_only_pages_that_exist() -> None:
    routes = {page.route for page in PAGES if "[" not in page.route}
    assert {item.href for item in NAVIGATION} == routes


def test_a_detail_page_stands_below_a_page_of_the_navigation() -> None:
    for page in PAGES:
        assert item_of(page.route.partition("/[")[0]) is not None


def test_every_page_of_the_section_is_for_admins() -> None:
    assert [page.route for page in PAGES if page.base != "admin" or not page.route.startswith("/admin")] == []


def test_every_icon_is_there() -> None:
    source = (PROJECT / "chatapp/components/admin_icons.js").read_text()
    assert {item.icon for item in NAVIGATION} <= set(re.findall(r"\w+", source))
