"""Tenants, keys and the guided start, as their admins meet them."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product


def row(page: Page, name: str):
    return page.get_by_role("row").filter(has_text=name)


async def act(page: Page, name: str, action: str) -> None:
    await page.get_by_role("button", name=f"Actions for {name}").click()
    await page.get_by_role("menuitem", name=action, exact=True).click()


async def make_tenant(page: Page, name: str, email: str = "") -> None:
    await page.get_by_role("button", name="New tenant").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("First admin").fill(email)
    await form.get_by_role("button", name="Make the tenant").click()


async def test_a_tenant_is_made_suspended_resumed_and_deleted(open_page: OpenPage, product: Product) -> None:
    name, email = f"Acme {uuid4().hex[:6]}", f"{uuid4().hex[:8]}@example.org"
    page = await open_page("/admin/tenants")
    await make_tenant(page, name, email)
    shown = page.get_by_role("dialog", name=f"{name} is there")
    link = await shown.get_by_role("textbox", name="Invitation").input_value()
    assert link.startswith(f"{product.url}/auth/link?token=")
    await screenshot(page, "tenants-invitation")
    assert await accessibility_problems(page) == []
    await shown.get_by_role("button", name="Copy the invitation").click()
    assert await page.evaluate("navigator.clipboard.readText()") == link
    await shown.get_by_role("button", name="I have kept it").click()
    await expect(row(page, name)).to_contain_text("Active")

    await act(page, name, "Suspend")
    question = page.get_by_role("alertdialog", name=f"Suspend {name}?")
    await expect(question.get_by_role("button", name="Suspend")).to_be_disabled()
    await question.get_by_label("Reason").fill("Unpaid")
    await question.get_by_role("button", name="Suspend").click()
    await expect(row(page, name)).to_contain_text("Suspended")
    await act(page, name, "Resume")
    await expect(row(page, name)).to_contain_text("Active")
    # A notice that fades has no contrast for a moment.
    await expect(page.locator("[data-sonner-toast]")).to_have_count(0)

    await act(page, name, "Delete")
    question = page.get_by_role("alertdialog", name=f"Delete {name} for good?")
    await expect(question.get_by_role("definition")).to_have_text("1")
    await screenshot(page, "tenants-delete")
    assert await accessibility_problems(page) == []
    await expect(question.get_by_role("button", name="Delete for good")).to_be_disabled()
    await question.get_by_label(re.compile("Type")).fill(name)
    await question.get_by_role("button", name="Delete for good").click()
    # The page looks again by itself until it is gone.
    await expect(row(page, name)).to_have_count(0)


async def test_the_tenant_one_looks_at_is_not_deleted(open_page: OpenPage) -> None:
    page = await open_page("/admin/tenants?q=Default")
    await act(page, "Default", "Delete")
    question = page.get_by_role("alertdialog")
    await question.get_by_label(re.compile("Type")).fill("Default")
    await question.get_by_role("button", name="Delete for good").click()
    await expect(question.get_by_role("alert")).to_contain_text("You are looking at this tenant")
    await question.get_by_role("button", name="Cancel").click()
    await expect(row(page, "Default")).to_contain_text("Active")


async def test_a_tenant_without_a_name_is_told_at_the_field(open_page: OpenPage) -> None:
    page = await open_page("/admin/tenants")
    await make_tenant(page, "", "no address")
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    await page.get_by_role("dialog").get_by_label("Name").fill(f"Beta {uuid4().hex[:6]}")
    await page.get_by_role("dialog").get_by_role("button", name="Make the tenant").click()
    await expect(page.get_by_role("dialog")).to_contain_text("This is not an e-mail address")


async def test_a_key_is_made_shown_once_rotated_and_revoked(open_page: OpenPage, product: Product) -> None:
    name = f"Night job {uuid4().hex[:6]}"
    page = await open_page("/admin/keys")
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    await page.reload()
    await page.get_by_role("button", name="New key").first.click()
    form = page.get_by_role("dialog", name="New key")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("Upload and change documents").check()
    await screenshot(page, "keys-new")
    assert await accessibility_problems(page) == []
    await form.get_by_role("button", name="Make the key").click()
    shown = page.get_by_role("dialog", name="Your new key")
    key = await shown.get_by_role("textbox", name="Key").input_value()
    await screenshot(page, "keys-shown")
    assert await accessibility_problems(page) == []
    await expect(shown.get_by_label("Example", exact=True)).to_contain_text(f"{product.url}/v1/chat/completions")
    await shown.get_by_role("button", name="I have kept it").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert key not in await page.content()
    assert await _status(product, key) == 200
    # It came in one event and stays in no State: opening the page again brings nothing of it.
    assert sum(key in frame for frame in frames) == 1
    frames.clear()
    await page.reload()
    await expect(row(page, name)).to_contain_text("write:documents")
    assert not any(key in frame for frame in frames)

    await act(page, name, "Rotate")
    form = page.get_by_role("dialog", name="Rotate the key")
    await form.get_by_label("The old key ends").select_option("at once")
    await form.get_by_role("button", name="Make the new key").click()
    second = await page.get_by_role("dialog").get_by_role("textbox", name="Key").input_value()
    await page.get_by_role("button", name="I have kept it").click()
    assert [await _status(product, each) for each in (key, second)] == [401, 200]

    await act(page, name, "Revoke")
    question = page.get_by_role("alertdialog", name="Revoke this key?")
    await expect(question).to_contain_text(name)
    await question.get_by_role("button", name="Revoke").click()
    await expect(row(page, name)).to_contain_text("Revoked")
    assert await _status(product, second) == 401


async def _status(product: Product, key: str) -> int:
    async with httpx.AsyncClient(base_url=product.url, trust_env=False) as client:
        return (await client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})).status_code


async def test_a_keys_name_and_owner_are_kept(open_page: OpenPage, product: Product) -> None:
    name = f"Script {uuid4().hex[:6]}"
    page = await open_page("/admin/keys")
    await page.get_by_role("button", name="New key").first.click()
    form = page.get_by_role("dialog", name="New key")
    await form.get_by_label("Name").fill(name)
    await form.get_by_role("textbox", name="Owner").fill("nobody@example.org")
    await form.get_by_role("button", name="Make the key").click()
    await expect(form).to_contain_text("Nobody in this tenant has this address")
    await form.get_by_role("textbox", name="Owner").fill(product.email)
    await form.get_by_role("button", name="Make the key").click()
    await page.get_by_role("button", name="I have kept it").click()
    await expect(row(page, name)).to_contain_text(product.email)
    await act(page, name, "Change name or end")
    form = page.get_by_role("dialog", name="Change the key")
    await form.get_by_label("Name").fill(f"{name} changed")
    await form.get_by_role("button", name="Save").click()
    await expect(row(page, f"{name} changed")).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), ((1280, 800), True)])
@pytest.mark.parametrize("path", ["/admin/tenants", "/admin/keys"])
async def test_the_lists_are_fit_to_read(open_page: OpenPage, path: str, size: tuple[int, int], dark: bool) -> None:
    page = await open_page(path, size=size, dark=dark)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator(".rows-table, .empty-state, [class*=empty]").first).to_be_visible()
    await screenshot(page, f"{path.rpartition('/')[2]}-{'phone' if size == PHONE else 'dark'}")
    assert await accessibility_problems(page) == []


async def new_tenants_admin(open_page: OpenPage, product: Product) -> Page:
    """The browser of the admin of a tenant where nothing has been done yet."""
    person = {"email": f"{uuid4().hex[:8]}@example.org", "password": "correct horse battery", "roles": ["admin"]}
    async with product.client() as client:
        tenant = await client.post("/v1/admin/tenants", json={"name": f"Acme {uuid4().hex[:6]}"})
        (await client.post(f"/v1/admin/tenants/{tenant.json()['id']}/users", json=person)).raise_for_status()
    page = await open_page("/sign-in", signed_in=False)
    answer = await page.context.request.post(
        "/auth/login", data={key: person[key] for key in ("email", "password")}, headers={"Origin": product.url}
    )
    assert answer.ok, await answer.text()
    return page


async def test_the_guided_start_is_followed_left_out_and_brought_back(open_page: OpenPage, product: Product) -> None:
    page = await new_tenants_admin(open_page, product)
    await page.goto("/admin")
    guide = page.get_by_role("region", name="Guided start")
    await expect(guide).to_be_visible()
    await screenshot(page, "guided-start-overview")
    assert await accessibility_problems(page) == []
    await guide.get_by_role("button", name=re.compile("Leave out: Choose who writes")).click()
    await expect(guide.get_by_role("button", name=re.compile("Take up again: Choose who writes"))).to_be_visible()
    await guide.get_by_role("button", name="Put the guided start away").click()
    await expect(guide).to_have_count(0)

    chat = await open_page("/", context=page.context)
    await expect(chat.get_by_role("heading", level=1)).to_be_visible()
    await expect(chat.get_by_role("region", name="Guided start")).to_have_count(0)

    await page.get_by_role("button", name="Show the guided start").click()
    await expect(guide.get_by_role("button", name=re.compile("Leave out: Choose who writes"))).to_be_visible()
    await chat.reload()
    await expect(chat.get_by_role("region", name="Guided start")).to_be_visible()
    await screenshot(chat, "guided-start-chat")
    assert await accessibility_problems(chat) == []
