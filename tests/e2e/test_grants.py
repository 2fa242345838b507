from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product
from tests.e2e.test_people import add_user, new_email, signed_in_as


async def add_group(product: Product, name: str, *user_ids: str) -> str:
    async with product.client() as client:
        tenant_id = (await client.get("/auth/me")).json()["tenant_id"]
        body = {"name": name, "user_ids": list(user_ids)}
        answer = await client.post(f"/v1/admin/tenants/{tenant_id}/groups", json=body)
        answer.raise_for_status()
        return answer.json()["id"]


async def choose(page: Page, label: str, words: str, name: str) -> None:
    """Type into the field that finds people and take what it found."""
    await page.get_by_role("combobox", name=label).fill(words)
    await page.get_by_role("option").filter(has_text=name).first.click()


async def test_a_collection_made_for_a_group_is_there_for_its_people_alone(
    open_page: OpenPage, product: Product
) -> None:
    mark = uuid4().hex[:8]
    inside, outside = new_email(), new_email()
    group = f"Board {mark}"
    await add_group(product, group, await add_user(product, inside))
    await add_user(product, outside)
    page = await open_page("/documents")
    await page.get_by_role("button", name="New collection").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill(f"Minutes {mark}")
    await dialog.get_by_role("radio", name="Chosen groups and people").check()
    await expect(dialog.get_by_role("button", name="Create")).to_be_disabled()
    await choose(page, "Add a group or a person", mark, group)
    assert await accessibility_problems(page) == []
    await dialog.get_by_role("button", name="Create").click()
    rail = page.get_by_role("navigation", name="Collections")
    await rail.get_by_role("button", name=f"Minutes {mark}").first.click()
    await expect(rail).to_contain_text(f"Read by {group}")

    theirs = await signed_in_as(open_page, product, inside, "/documents")
    place = theirs.get_by_role("navigation", name="Collections")
    await place.get_by_role("button", name=f"Minutes {mark}").click()
    await expect(place).to_contain_text("You may read it, not change it")
    await expect(place.get_by_role("button", name="Actions for the collection")).to_have_count(0)
    others = await signed_in_as(open_page, product, outside, "/documents")
    await expect(others.get_by_role("button", name="All documents")).to_be_visible()
    await expect(others.get_by_text(f"Minutes {mark}")).to_have_count(0)


async def test_grants_are_changed_after_seeing_whom_that_reaches(open_page: OpenPage, product: Product) -> None:
    mark = uuid4().hex[:8]
    email = f"{mark}-grace@example.org"
    await add_user(product, email)
    async with product.client() as client:
        (await client.post("/v1/vector_stores", json={"name": f"Plans {mark}", "grants": []})).raise_for_status()
    theirs = await signed_in_as(open_page, product, email, "/documents")
    await expect(theirs.get_by_role("button", name="All documents")).to_be_visible()
    await expect(theirs.get_by_text(f"Plans {mark}")).to_have_count(0)

    page = await open_page(f"/admin/grants?q={mark}")
    await page.get_by_role("row").filter(has_text=mark).get_by_text(f"Plans {mark}").click()
    await page.get_by_role("button", name="Change who may read it").click()
    dialog = page.get_by_role("dialog")
    await choose(page, "Add everyone", mark, f"{mark}-grace")
    await expect(dialog.get_by_role("status", name="What will change")).to_contain_text(f"New: {mark}-grace")
    await dialog.get_by_role("textbox", name="Why").fill("She plans with us")
    assert await accessibility_problems(page) == []
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("complementary")).to_contain_text("a grant of their own")

    await theirs.reload()
    await expect(theirs.get_by_role("button", name=f"Plans {mark}")).to_be_visible()
    await choose(page, "Find a person", mark, f"{mark}-grace")
    await expect(page.get_by_role("table", name="What this person may read")).to_contain_text(f"Plans {mark}")


async def test_people_are_put_into_a_group_and_taken_out(open_page: OpenPage, product: Product) -> None:
    mark = uuid4().hex[:8]
    for name in ("ada", "alan"):
        await add_user(product, f"{mark}-{name}@example.org")
    page = await open_page("/admin/groups")
    await page.get_by_role("button", name="New group").click()
    await page.get_by_role("textbox", name="Name").fill(f"Engineers {mark}")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await page.wait_for_url("**/admin/groups/*")
    for name in ("ada", "alan"):
        await choose(page, "Add people", f"{mark}-{name}", f"{mark}-{name}")
    await page.get_by_role("button", name="Add (2)").click()
    rows = page.get_by_role("row").filter(has_text=mark)
    await expect(rows).to_have_count(2)

    await page.get_by_role("checkbox", name="Choose all on this page").check()
    await page.get_by_role("button", name="Take out of the group").click()
    await expect(rows).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("name", ["groups", "grants"])
async def test_the_pages_are_readable_by_everybody(
    open_page: OpenPage, product: Product, name: str, size: tuple[int, int], dark: bool
) -> None:
    await add_group(product, f"Group {uuid4().hex[:8]}")
    page = await open_page(f"/admin/{name}", size=size, dark=dark)
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    await screenshot(page, f"admin-{name}-{'phone' if size == PHONE else 'wide'}{'-dark' if dark else ''}")
    assert await accessibility_problems(page) == []
