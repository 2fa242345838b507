from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product

PASSWORD, OTHER = "correct-horse-battery", "another-horse-battery"


def new_email() -> str:
    return f"{uuid4().hex[:8]}@example.org"


async def add_user(product: Product, email: str, *roles: str) -> str:
    """Make a person with a password; their id."""
    async with product.client() as client:
        tenant_id = (await client.get("/auth/me")).json()["tenant_id"]
        body = {"email": email, "password": PASSWORD, "roles": roles or ["member"], "name": email.partition("@")[0]}
        answer = await client.post(f"/v1/admin/tenants/{tenant_id}/users", json=body)
        answer.raise_for_status()
        return answer.json()["id"]


async def add_user_by_link(product: Product, email: str) -> str:
    """Invite a person, who chooses a password nobody else knows; their id."""
    async with product.client() as client:
        tenant_id = (await client.get("/auth/me")).json()["tenant_id"]
        answer = await client.post(f"/v1/admin/tenants/{tenant_id}/users", json={"email": email, "roles": ["member"]})
        made = answer.raise_for_status().json()
    async with httpx.AsyncClient(base_url=product.url, trust_env=False) as guest:
        token = made["invite_link"].rpartition("token=")[2]
        answer = await guest.post(
            "/auth/link", json={"token": token, "password": PASSWORD}, headers={"Origin": product.url}
        )
        assert answer.status_code < 400, answer.text
    return made["id"]


async def signed_in_as(open_page: OpenPage, product: Product, email: str, path: str = "/") -> Page:
    """A browser of its own, with that person's session."""
    page = await open_page("/sign-in", signed_in=False)
    answer = await page.context.request.post(
        f"{product.url}/auth/login", data={"email": email, "password": PASSWORD}, headers={"Origin": product.url}
    )
    assert answer.ok
    await page.goto(path)
    return page


async def status(page: Page) -> int:
    return (await page.context.request.get("/auth/me")).status


async def test_an_invitation_is_shown_once_and_lets_one_person_in(open_page: OpenPage, product: Product) -> None:
    email = new_email()
    page = await open_page("/admin/users")
    await page.get_by_role("button", name="Invite a user").click()
    await page.get_by_role("button", name="Make the invitation").click()
    await expect(page.get_by_role("dialog").get_by_role("alert").first).to_be_visible()
    await page.get_by_role("textbox", name="Address").fill(email)
    await page.get_by_role("checkbox", name="Content owner").check()
    await page.get_by_role("button", name="Make the invitation").click()

    shown = page.get_by_role("textbox", name="Link")
    link = await shown.input_value()
    await page.get_by_role("button", name="I have kept it").click()
    await expect(shown).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("row").filter(has_text=email)).to_contain_text("Invited")
    assert link not in await page.content()

    guest = await open_page(link.replace(product.url, ""), signed_in=False)
    await expect(guest.get_by_text(email)).to_be_visible()
    assert "token" not in guest.url
    await guest.locator("input[type=password]").fill(PASSWORD)
    await guest.keyboard.press("Enter")
    await expect(guest.get_by_role("textbox", name="Message")).to_be_visible()
    await guest.goto("/admin/users")
    await expect(guest.get_by_role("textbox", name="Message")).to_be_visible()
    again = await open_page(link.replace(product.url, ""), signed_in=False)
    await again.wait_for_url("**/sign-in*")
    await expect(again.get_by_text("used already")).to_be_visible()


async def test_people_are_found_looked_at_and_kept_out(open_page: OpenPage, product: Product) -> None:
    email = new_email()
    await add_user(product, email, "reviewer")
    theirs = await signed_in_as(open_page, product, email)
    await expect(theirs.get_by_role("textbox", name="Message")).to_be_visible()
    page = await open_page("/admin/users?roles=reviewer")
    await expect(page.get_by_role("row").filter(has_text=product.email)).to_have_count(0)
    await page.get_by_role("searchbox").fill(email)
    await expect(page).to_have_url(re.compile(r"[?&]q="))
    row = page.get_by_role("row").filter(has_text=email)
    await row.get_by_text(email).first.click()
    panel = page.get_by_role("complementary")
    await expect(panel).to_contain_text("Chrome on Linux")

    await panel.get_by_role("button", name="Keep out", exact=True).click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Keep out").click()

    await expect(row).to_contain_text("Disabled")
    assert await status(theirs) == 401
    await theirs.goto("/documents")
    await theirs.wait_for_url("**/sign-in?next=/documents")


async def test_several_are_removed_at_once_after_a_question(open_page: OpenPage, product: Product) -> None:
    mark = uuid4().hex[:8]
    emails = [f"{mark}-{number}@example.org" for number in range(3)]
    for email in emails:
        await add_user(product, email)
    page = await open_page(f"/admin/users?q={mark}")
    await page.get_by_role("checkbox", name="Choose all on this page").check()
    await page.get_by_role("button", name="Remove").click()
    question = page.get_by_role("alertdialog")
    for email in emails:
        await expect(question).to_contain_text(email)

    await question.get_by_role("button", name="Remove").click()

    await expect(page.get_by_role("heading", name="No user matches")).to_be_visible()


async def test_a_platform_admin_makes_another_and_keeps_one_out_of_everything(
    open_page: OpenPage, product: Product
) -> None:
    email = new_email()
    user_id = await add_user_by_link(product, email)
    page = await open_page(f"/admin/users?q={email}&peek={user_id}")
    panel, question = page.get_by_role("complementary"), page.get_by_role("alertdialog")

    await panel.get_by_role("button", name="Make a platform admin").click()
    await question.get_by_role("button", name="Make a platform admin").click()
    await panel.get_by_role("button", name="Take the platform away").click()
    await question.get_by_role("button", name="Take it away").click()
    await panel.get_by_role("button", name="Keep out of every tenant").click()
    await question.get_by_role("button", name="Keep out everywhere").click()

    await expect(panel.get_by_role("button", name="Let in again everywhere")).to_be_visible()
    await expect(panel).to_contain_text("Disabled")
    await expect(panel.get_by_role("button", name="Let in again", exact=True)).to_have_count(0)


async def test_another_password_signs_the_other_browsers_out(open_page: OpenPage, product: Product) -> None:
    email = new_email()
    await add_user(product, email)
    other_browser = await signed_in_as(open_page, product, email)
    page = await signed_in_as(open_page, product, email)
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitem", name="Account").click()
    await page.wait_for_url("**/account")
    await expect(page.get_by_role("listitem").filter(has_text="Chrome on Linux")).to_have_count(2)

    await page.get_by_label("Present password").fill("wrong")
    await page.get_by_label("New password, at least").fill(OTHER)
    await page.get_by_label("New password again").fill(OTHER)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("This is not your present password.")).to_be_visible()
    assert await status(other_browser) == 200
    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_role("button", name="Change the password").click()

    await expect(page.get_by_role("listitem").filter(has_text="Chrome on Linux")).to_have_count(1)
    assert (await status(other_browser), await status(page)) == (401, 200)
    await page.get_by_role("button", name="Sign out everywhere", exact=True).click()
    await expect(page).to_have_url(re.compile("/sign-in"))


async def test_a_person_of_two_tenants_switches_and_sees_nothing_of_the_other(
    open_page: OpenPage, product: Product
) -> None:
    email, name = new_email(), f"Second {uuid4().hex[:8]}"
    await add_user(product, email)
    async with product.client() as client:
        second = (await client.post("/v1/admin/tenants", json={"name": name})).json()["id"]
        body = {"email": email, "roles": ["member"]}
        invited = (await client.post(f"/v1/admin/tenants/{second}/users", json=body)).json()
    page = await signed_in_as(open_page, product, email)
    message = page.get_by_role("textbox", name="Message")
    await message.fill("Only of the first tenant")
    await message.press("Enter")
    await expect(page.get_by_role("article").first).to_be_visible()
    await page.wait_for_url("**/c/*")
    # The password was an admin's: joining wants another one.
    await page.goto(invited["invite_link"])
    await expect(page.get_by_role("heading", name=f"Join {name}")).to_be_visible()
    await page.get_by_role("button", name="I have an account here already").click()
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator("input[name=new_password]").fill(OTHER)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()

    account = page.get_by_role("button", name="Account of")
    await expect(account).to_contain_text(name)
    await expect(page.get_by_text("Your conversations will be listed here.")).to_be_visible()
    await account.click()
    await page.get_by_role("menuitemradio", name="Default").click()

    await expect(page.get_by_role("link", name="Only of the first tenant")).to_be_visible()
    await expect(account).not_to_contain_text(name)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, PHONE])
async def test_axe_finds_nothing_serious_in_the_pages_of_people(
    open_page: OpenPage, product: Product, size: tuple[int, int], dark: bool
) -> None:
    name = f"{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
    page = await open_page("/account", size=size, dark=dark)
    await expect(page.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"account-{name}")
    user_id = await add_user(product, new_email())
    await page.goto("/admin/users")
    await expect(page.get_by_role("row").filter(has=page.get_by_text(product.email, exact=True)).first).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"users-{name}")
    await page.goto(f"/admin/users?peek={user_id}")
    await expect(page.get_by_role("complementary").get_by_role("heading", name="Signed in")).to_be_visible()
    assert await accessibility_problems(page) == []
    await page.goto("/admin/users")
    await page.get_by_role("button", name="Invite a user").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, f"users-invite-{name}")
