from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.product import Product
from tests.identity_provider.server import CLIENT_ID, CLIENT_SECRET, IdentityProvider, Person


@pytest.fixture
def login() -> Iterator[IdentityProvider]:
    """An identity provider of its own for the test."""
    provider = IdentityProvider()
    provider.open()
    yield provider
    provider.close()


@pytest_asyncio.fixture(loop_scope="session")
async def admin(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """The admin, over HTTP; afterwards the tenant has no identity provider."""
    async with product.client() as client:
        yield client
        base = await base_of(client)
        await client.put(f"{base}/sign-in", json={"has_password_sign_in": True})
        for each in (await client.get(f"{base}/identity-providers")).json()["data"]:
            (await client.delete(f"{base}/identity-providers/{each['id']}")).raise_for_status()


async def base_of(client: httpx.AsyncClient) -> str:
    return f"/v1/admin/tenants/{(await client.get('/auth/me')).json()['tenant_id']}"


async def use(client: httpx.AsyncClient, login: IdentityProvider, **fields: object) -> None:
    """Have the admin's tenant use the provider."""
    body = {"name": "Example Login", "issuer": login.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    answer = await client.post(
        f"{await base_of(client)}/identity-providers", json=body | {"default_roles": ["member"]} | fields
    )
    assert answer.is_success, answer.text


async def choose(page: Page, email: str) -> None:
    """Give the address where the page asks for it first, and go to the provider."""
    link = page.get_by_role("link", name="Continue with Example Login")
    first = page.get_by_role("button", name="Continue", exact=True)
    await expect(link.or_(first)).to_be_visible()
    if await first.is_visible():
        await page.get_by_label("Email").fill(email)
        await first.click()
    await link.click()


async def test_a_person_comes_in_through_their_provider(
    open_page: OpenPage, product: Product, login: IdentityProvider, admin: httpx.AsyncClient
) -> None:
    await use(admin, login, email_domains=["grace.example"])
    login.person = Person(sub=uuid4().hex, email="grace@grace.example", name="Grace Hopper")
    page = await open_page("/documents", signed_in=False)

    await choose(page, "grace@grace.example")

    await page.wait_for_url("**/documents*")
    await expect(page.get_by_text("Grace Hopper").first).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert cookies["chatapp_session"]["httpOnly"]
    assert "chatapp_sign_in" not in cookies


async def test_the_page_says_why_nobody_was_let_in(
    open_page: OpenPage, product: Product, login: IdentityProvider, admin: httpx.AsyncClient
) -> None:
    await use(admin, login, email_domains=["eve.example"])
    login.person = Person(sub=uuid4().hex, email="eve@eve.example", email_verified=False)
    page = await open_page("/sign-in", signed_in=False, size=PHONE, dark=True)

    await choose(page, "eve@eve.example")

    await expect(page.get_by_role("alert")).to_contain_text("has not confirmed your e-mail address")
    assert await accessibility_problems(page) == []
    await screenshot(page, "sign-in-refused-phone-dark")


async def test_where_there_are_several_tenants_the_address_decides(
    open_page: OpenPage, product: Product, login: IdentityProvider, admin: httpx.AsyncClient
) -> None:
    await use(admin, login, email_domains=["grace.example"])
    (await admin.post("/v1/admin/tenants", json={"name": f"Second {uuid4().hex[:6]}"})).raise_for_status()
    page = await open_page("/sign-in", signed_in=False)
    first = page.get_by_role("button", name="Continue", exact=True)
    await expect(first).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_have_count(0)
    assert await accessibility_problems(page) == []

    await page.get_by_label("Email").fill("somebody@grace.example")
    await first.click()
    await expect(page.get_by_role("link", name="Continue with Example Login")).to_be_focused()
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()
    await screenshot(page, "sign-in-address-first")

    await page.get_by_label("Email").fill(product.email)
    await expect(page.get_by_role("link", name="Continue with Example Login")).to_have_count(0)
    await first.click()
    await page.get_by_label("Password", exact=True).fill(product.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{product.url}/")


async def test_an_account_used_elsewhere_wants_its_password_once(
    open_page: OpenPage, product: Product, login: IdentityProvider, admin: httpx.AsyncClient
) -> None:
    await use(admin, login)
    login.person = Person(sub=uuid4().hex, email=product.email)
    (provider,) = (await admin.get(f"{await base_of(admin)}/identity-providers")).json()["data"]
    page = await open_page(provider["start_path"], signed_in=False)

    await expect(page.get_by_role("heading", name="Is this your account?")).to_be_visible()
    assert "email" not in page.url
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("The password is not right")
    assert await accessibility_problems(page) == []
    await page.get_by_label("Password", exact=True).fill(product.password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{product.url}/")


async def test_an_admin_adds_tests_and_removes_a_provider(
    open_page: OpenPage, product: Product, login: IdentityProvider, admin: httpx.AsyncClient
) -> None:
    page = await open_page("/admin/sign-in")
    await page.get_by_role("button", name="Switch passwords off").click()
    await page.get_by_role("button", name="Switch off", exact=True).click()
    await expect(page.get_by_text("Add an identity provider and use it first")).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()

    await page.get_by_role("button", name="Add a provider").first.click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name", exact=True).fill("Example Login")
    await form.get_by_label("Issuer").fill("http://169.254.169.254/")
    await form.get_by_label("Client id").fill(CLIENT_ID)
    await form.get_by_label("Client secret", exact=True).fill(CLIENT_SECRET)
    await form.get_by_label("Groups of the provider").fill("staff = king")
    await form.get_by_role("button", name="See what will change").click()
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("Line 1: there is no role").first).to_be_visible()
    await form.get_by_label("Groups of the provider").fill("staff = member, content_owner")
    await form.get_by_role("button", name="See what will change").click()
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("reserved network").first).to_be_visible()
    await form.get_by_label("Issuer").fill(login.issuer)
    await form.get_by_role("button", name="See what will change").click()
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="Example Login")
    await expect(row).to_contain_text("In use")
    await expect(page.get_by_text("Saved.")).to_have_count(0)
    assert await accessibility_problems(page) == []
    await screenshot(page, "admin-sign-in")

    await page.get_by_role("button", name="Switch passwords off").click()
    await page.get_by_role("button", name="Switch off", exact=True).click()
    await expect(page.get_by_role("button", name="Take passwords again")).to_be_visible()
    base = await base_of(admin)
    assert (await admin.get(f"{base}/sign-in")).json() == {"has_password_sign_in": False, "enabled_providers": 1}
    (kept,) = (await admin.get(f"{base}/identity-providers")).json()["data"]
    assert kept["mappings"] == [{"group": "staff", "roles": ["member", "content_owner"], "groups": []}]
    await page.get_by_role("button", name="Take passwords again").click()
    await expect(page.get_by_role("button", name="Switch passwords off")).to_be_visible()
