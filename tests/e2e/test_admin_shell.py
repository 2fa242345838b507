from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.library import become_member
from tests.e2e.product import Product

DESK, TABLET = (1440, 900), (820, 1100)
LINES = 56
"""More than a page of a list holds."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def word(product: Product) -> AsyncIterator[str]:
    """A word in the reasons of nothing: marks lines of the audit log that this run wrote."""
    mark, made = f"shell-{uuid4().hex[:6]}", []
    async with product.client() as client:
        for number in range(LINES):
            answer = await client.post("/v1/vector_stores", json={"name": f"{mark} {number:02}"})
            made.append(answer.raise_for_status().json()["id"])
        yield mark
        for collection_id in made:
            await client.delete(f"/v1/vector_stores/{collection_id}")


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def rows(page: Page):
    return page.locator("table.rows-table tbody tr")


async def audit(open_page: OpenPage, path: str = "/admin/audit", **how: object) -> Page:
    page = await open_page(path, **how)
    await rows(page).first.wait_for()
    return page


@pytest.mark.parametrize(
    ("size", "dark"), [(DESK, False), (DESK, True), (TABLET, False), (PHONE, False), (PHONE, True)]
)
@pytest.mark.parametrize("path", ["/admin", "/admin/audit", "/admin/users"])
async def test_a_page_of_the_section_is_clean_wide_and_narrow_light_and_dark(
    open_page: OpenPage, word: str, path: str, size: tuple[int, int], dark: bool
) -> None:
    page = await open_page(path, size=size, dark=dark)
    await (page.locator(".figure-now").first if path == "/admin" else rows(page).first).wait_for()
    assert await accessibility_problems(page) == []
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0]
    await screenshot(page, f"admin-{path.rpartition('/')[2]}-{size[0]}{'-dark' if dark else ''}")


async def test_the_navigation_says_where_one_is_and_leads_back(open_page: OpenPage) -> None:
    page = await open_page("/")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Admin").click()
    menu = page.get_by_role("navigation", name="Admin")
    await expect(menu.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")
    await menu.get_by_role("link", name="Audit log").click()
    trail = page.get_by_role("navigation", name="Breadcrumb")
    await expect(trail.locator("[aria-current=page]")).to_have_text("Audit log")
    await trail.get_by_role("link", name="Admin").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await menu.get_by_role("link", name="Back to chat").click()
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()


async def test_on_a_phone_the_navigation_is_a_drawer(open_page: OpenPage) -> None:
    page = await open_page("/admin", size=PHONE)
    await page.get_by_role("button", name="Open menu").click()
    await page.get_by_role("dialog", name="Menu").get_by_role("link", name="Audit log").click()
    await expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    await expect(page.get_by_role("dialog", name="Menu")).to_have_count(0)


async def test_a_member_is_led_away_and_offered_nothing(open_page: OpenPage, product: Product) -> None:
    page = await open_page("/sign-in", signed_in=False)
    await become_member(page.context, product)
    for path in ("/admin", "/admin/audit", "/admin/users?peek=x"):
        await page.goto(path)
        assert urlsplit(page.url).path == "/"
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Account of")).click()
    await expect(page.get_by_role("menuitem", name="Sign out")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Admin")).to_have_count(0)
    await expect(page.get_by_role("link", name="Admin")).to_have_count(0)


async def test_an_auditor_reads_and_is_offered_nothing_to_change(open_page: OpenPage, product: Product) -> None:
    email, password = f"{uuid4().hex[:8]}@example.org", "correct-horse-battery"
    async with product.client() as client:
        tenant_id = (await client.get("/auth/me")).json()["tenant_id"]
        body = {"email": email, "password": password, "roles": ["auditor"]}
        (await client.post(f"/v1/admin/tenants/{tenant_id}/users", json=body)).raise_for_status()
    page = await open_page("/sign-in", signed_in=False)
    fields, headers = {"email": email, "password": password}, {"Origin": product.url}
    assert (await page.context.request.post("/auth/login", data=fields, headers=headers)).ok
    await page.goto("/admin/users")
    await expect(rows(page).filter(has_text=email)).to_have_count(1)
    await expect(page.get_by_role("button", name="Invite a user")).to_have_count(0)
    await expect(page.get_by_role("button", name=re.compile("^Actions for"))).to_have_count(0)
    await expect(page.get_by_role("checkbox")).to_have_count(0)
    await expect(page.get_by_role("button", name=re.compile("^Tenant "))).to_have_count(0)
    await page.get_by_role("navigation", name="Admin").get_by_role("link", name="Overview").click()
    await page.locator(".figure-now").first.wait_for()
    await expect(page.locator("[data-sonner-toast]")).to_have_count(0)


async def test_what_is_searched_and_filtered_stands_in_the_address_and_in_the_file(
    open_page: OpenPage, word: str
) -> None:
    page = await audit(open_page)
    await page.get_by_role("button", name="Add a filter").click()
    await page.get_by_role("menuitem", name="Action").click()
    await page.get_by_role("textbox", name="Action has").fill("collection.created")
    await page.get_by_role("button", name="Apply").click()
    await expect(page).to_have_url(re.compile(r"action\.has=collection\.created"))
    await page.get_by_role("button", name="Line").click()
    await expect(page).to_have_url(re.compile("order="))
    await expect(page.locator("table.rows-table[data-busy=false]")).to_be_visible()
    shown = await rows(page).locator(".title-words, .title-link").all_inner_texts()
    assert set(shown) == {"Collection created"}
    link = await page.get_by_role("link", name="Download as CSV").get_attribute("href")
    assert link is not None
    answer = await page.context.request.get(link)
    lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert len(lines) >= LINES
    assert {line["action"] for line in lines} == {"collection.created"}
    await page.reload()
    await rows(page).first.wait_for()
    assert await rows(page).locator(".title-words, .title-link").all_inner_texts() == shown
    await page.get_by_role("button", name="Clear", exact=True).click()
    await expect(page).not_to_have_url(re.compile("action"))


async def test_pages_follow_each_other_and_lead_back(open_page: OpenPage, word: str) -> None:
    page = await audit(open_page)
    first = await rows(page).first.inner_text()
    pages = page.get_by_role("navigation", name="Pages of the list")
    await expect(pages.get_by_role("button", name="Previous")).to_be_disabled()
    await pages.get_by_role("button", name="Next").click()
    await expect(pages.get_by_text("Page 2")).to_be_visible()
    await expect(rows(page).first).not_to_have_text(first)
    await page.reload()
    await rows(page).first.wait_for()
    await pages.get_by_role("button", name="Previous").click()
    await expect(page).not_to_have_url(re.compile("after="))
    await expect(rows(page).first.locator(".title-words")).to_be_visible()
    await page.go_back()
    await expect(page).to_have_url(re.compile("after="))


async def test_rows_are_walked_and_looked_at_by_keyboard(open_page: OpenPage, word: str) -> None:
    page = await audit(open_page)
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(rows(page).nth(1)).to_be_focused()
    await page.keyboard.press("k")
    await expect(rows(page).nth(0)).to_be_focused()
    await page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name=re.compile("^About"))
    await expect(panel).to_be_visible()
    opened = query(page)["peek"]
    await page.keyboard.press("j")
    await expect(rows(page).nth(1)).to_be_focused()
    await expect(page).not_to_have_url(re.compile(opened[0]))
    await page.keyboard.press("Escape")
    await expect(panel).to_have_count(0)
    assert "peek" not in query(page)


async def test_a_row_is_looked_at_by_its_address_also_from_another_page_of_the_list(
    open_page: OpenPage, word: str
) -> None:
    page = await audit(open_page, "/admin/audit?order=sequence")
    await rows(page).first.click()
    await expect(page.get_by_role("complementary")).to_be_visible()
    [line] = query(page)["peek"]
    other = await audit(open_page, f"/admin/audit?peek={line}")
    await expect(other.get_by_role("complementary").get_by_text("Line", exact=True)).to_be_visible()
    await other.get_by_role("button", name="Close").click()
    await expect(other.get_by_role("complementary")).to_have_count(0)


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (DESK, True), (PHONE, False)])
async def test_the_panel_and_the_question_before_danger_are_clean(
    open_page: OpenPage, product: Product, size: tuple[int, int], dark: bool
) -> None:
    name = f"Short-lived {uuid4().hex[:6]}"
    async with product.client() as client:
        answer = await client.post("/v1/admin/tenants", json={"name": name})
        answer.raise_for_status()
    page = await audit(open_page, f"/admin/tenants?peek={answer.json()['id']}", size=size, dark=dark)
    panel = page.get_by_role("complementary", name=f"About {name}")
    await expect(panel.get_by_role("button", name="Delete")).to_be_visible()
    assert await accessibility_problems(page) == []
    mark = f"{size[0]}{'-dark' if dark else ''}"
    await screenshot(page, f"admin-panel-{mark}")
    await panel.get_by_role("button", name="Delete").click()
    question = page.get_by_role("alertdialog")
    delete = question.get_by_role("button", name="Delete")
    await expect(delete).to_be_disabled()
    await question.get_by_role("textbox", name=re.compile("^Type")).fill(name[:-1])
    await expect(delete).to_be_disabled()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"admin-question-{mark}")
    await question.get_by_role("button", name="Cancel").click()
    await expect(question).to_have_count(0)
    await expect(panel).to_be_visible()


async def test_an_address_that_asks_for_what_is_not_there_says_so(open_page: OpenPage) -> None:
    page = await open_page("/admin/audit?nothing=1")
    problem = page.get_by_role("alert").filter(has_text="nothing")
    await expect(problem).to_be_visible()
    await problem.get_by_role("link", name="Clear the filters").click()
    await rows(page).first.wait_for()
    await page.goto("/admin/audit?order=nothing")
    await problem.get_by_role("link", name="Show the whole list").click()
    await rows(page).first.wait_for()
    await page.goto("/admin/audit?q=surely-nobody-wrote-this")
    await expect(page.get_by_role("heading", name=re.compile("^No .* matches"))).to_be_visible()
    await page.goto(f"/admin/audit?peek={uuid4()}")
    await expect(page.get_by_role("complementary")).to_contain_text("It is not here")


async def test_chosen_columns_are_kept_in_this_browser(open_page: OpenPage) -> None:
    page = await audit(open_page)
    seal = page.get_by_role("columnheader", name="Seal")
    await expect(seal).to_have_count(0)
    await page.get_by_role("button", name="Choose columns").click()
    await page.get_by_role("menuitemcheckbox", name="Seal").click()
    await page.keyboard.press("Escape")
    await expect(seal).to_be_visible()
    await page.reload()
    await expect(seal).to_be_visible()
    await page.get_by_role("button", name="Choose columns").click()
    await page.get_by_role("menuitem", name="As they were").click()
    await expect(seal).to_have_count(0)


async def test_the_palette_leads_to_pages_people_documents_and_what_one_went_to_before(
    open_page: OpenPage, product: Product
) -> None:
    page = await open_page("/admin")
    await page.get_by_role("heading", name="Overview").wait_for()
    box = page.get_by_role("combobox")
    await page.keyboard.press("Control+k")
    await box.fill("chain")
    await expect(page.get_by_role("option", name="Audit log")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("group", name="Recent").get_by_role("option", name="Audit log")).to_be_visible()
    await box.fill(product.email)
    person = page.get_by_role("group", name="People").get_by_role("option").first
    await expect(person).to_contain_text(product.email)
    assert await accessibility_problems(page) == []
    await screenshot(page, "admin-palette")
    await person.click()
    await expect(page.get_by_role("complementary")).to_contain_text(product.email)


async def test_a_question_mark_shows_the_shortcuts_of_the_section(open_page: OpenPage) -> None:
    page = await open_page("/admin")
    await page.get_by_role("heading", name="Overview").wait_for()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Next row, row before")


async def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(open_page: OpenPage) -> None:
    page = await audit(open_page, "/admin/users")
    await page.get_by_role("button", name="Invite a user").click()
    dialog = page.get_by_role("dialog")
    address = dialog.get_by_role("textbox", name="Address")
    await address.fill("not an address")
    for keys in ("Control+k", "?"):
        # What is open is finished first.
        await dialog.get_by_role("button", name="Close").press(keys)
    await expect(dialog).to_have_count(1)
    await address.press("Control+Enter")
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await expect(address).to_have_value("not an address")
    await expect(address).to_be_focused()
    assert await accessibility_problems(page) == []
    await screenshot(page, "admin-form")
    await page.keyboard.press("Escape")
    question = page.get_by_role("alertdialog", name="Leave without saving?")
    await question.get_by_role("button", name="Stay").click()
    await expect(address).to_have_value("not an address")
    await page.keyboard.press("Escape")
    await question.get_by_role("button", name="Leave").click()
    await expect(dialog).to_have_count(0)
    await page.get_by_role("button", name="Invite a user").click()
    await expect(address).to_have_value("")


async def test_no_form_and_no_question_stands_there_again_after_a_reload(open_page: OpenPage, product: Product) -> None:
    async with product.client() as client:
        answer = await client.post("/v1/admin/tenants", json={"name": f"Long-lived {uuid4().hex[:6]}"})
        answer.raise_for_status()
    page = await audit(open_page, f"/admin/tenants?peek={answer.json()['id']}")
    panel = page.get_by_role("complementary", name=re.compile("^About "))
    dialogs = page.get_by_role("dialog").or_(page.get_by_role("alertdialog"))

    await panel.get_by_role("button", name="Delete").click()
    await expect(dialogs).to_have_count(1)
    await page.reload()
    await expect(panel.get_by_role("button", name="Delete")).to_be_visible()
    await expect(dialogs).to_have_count(0)

    await page.goto(f"{product.url}/admin/tenants")
    new = page.get_by_role("button", name="New tenant")
    await new.click()
    await expect(dialogs).to_have_count(1)
    await page.reload()
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    await expect(dialogs).to_have_count(0)
    await new.click()
    await expect(dialogs).to_have_count(1)


async def test_a_platform_admin_looks_at_another_tenant_and_comes_back(open_page: OpenPage, product: Product) -> None:
    name = f"Tenant {uuid4().hex[:6]}"
    async with product.client() as client:
        answer = await client.post("/v1/admin/tenants", json={"name": name})
        answer.raise_for_status()
    page = await open_page("/admin")
    tenant = page.get_by_role("button", name=re.compile("^Tenant "))
    await expect(page.locator(".tenant-name")).to_have_text(re.compile(r"\w"))
    mine = await page.locator(".tenant-name").inner_text()
    await tenant.click()
    await page.get_by_role("searchbox", name="Find a tenant").fill(name)
    await page.get_by_role("button", name=name).click()
    await expect(page.locator(".tenant-name")).to_have_text(name)
    await page.get_by_role("link", name="Audit log").click()
    await expect(rows(page).filter(has_text="Tenant created")).to_have_count(1)
    await expect(rows(page).filter(has_text="Collection created")).to_have_count(0)
    await tenant.click()
    await page.get_by_role("searchbox", name="Find a tenant").fill(mine)
    await page.get_by_role("button", name=mine, exact=True).click()
    await expect(page.locator(".tenant-name")).to_have_text(mine)


async def test_the_overview_takes_its_span_from_the_address(open_page: OpenPage) -> None:
    page = await open_page("/admin?range=30d")
    spans = page.get_by_role("group", name="Span")
    await expect(spans.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")
    await spans.get_by_role("button", name="24 hours").click()
    await expect(page).to_have_url(re.compile("range=24h"))
    await expect(page.get_by_role("region", name="Is it up").get_by_text("Up").first).to_be_visible()
    await page.goto("/admin?range=ages")
    await expect(page.get_by_role("alert").filter(has_text="range is one of")).to_be_visible()
