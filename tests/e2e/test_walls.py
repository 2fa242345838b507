"""What a browser must not see, fetch or fire: of the admin section, of somebody else, of a model's answer."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from chatapp.components.navigation import NAVIGATION
from chatapp.web.app import create_api
from tests.e2e.browser import OpenPage
from tests.e2e.conversations import answer_with, ask, finished, message_box
from tests.e2e.product import Product, StartProduct
from tests.e2e.test_people import add_user, new_email, signed_in_as

_ROOT = "reflex___state____state"
_FIRE = """async ([origin, events]) => {
    const bus = '/_event/?EIO=4&transport=websocket&token=' + crypto.randomUUID();
    const socket = new WebSocket(origin.replace('http', 'ws') + bus);
    const said = [];
    let open, end;
    const isOpen = new Promise((resolve) => (open = resolve));
    const isDone = new Promise((resolve) => (end = resolve));
    socket.onmessage = ({ data }) => {
        said.push(data);
        if (data === '2') socket.send('3');
        else if (data.startsWith('0')) socket.send('40/_event,');
        else if (data.startsWith('40')) open();
        else if (data.includes('is_hydrated')) end();
    };
    await isOpen;
    const router_data = { pathname: '/', asPath: '/' };
    const event = (name) => JSON.stringify(['event', { name, payload: {}, router_data }]);
    const fire = (name) => socket.send('42/_event,' + event(name));
    events.forEach(fire);
    fire('reflex___state____state.hydrate');
    await isDone;
    socket.close();
    return said.join('\\n');
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def member(product: Product) -> str:
    email = new_email()
    await add_user(product, email, "member")
    return email


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def auditor(product: Product) -> str:
    email = new_email()
    await add_user(product, email, "auditor")
    return email


def admin_routes() -> list[tuple[str, str]]:
    """Method and address of everything under `/v1/admin`."""
    paths: dict[str, Any] = create_api().openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if "/v1/admin/" in path]


async def statuses(page: Page, product: Product, requests: list[tuple[str, str]]) -> dict[str, int]:
    """What the person behind a page gets for each route of their own tenant, asked from the page itself."""
    me = await (await page.context.request.get("/auth/me")).json()
    some = "8f14e45f-ceea-467f-a8d5-2b1c6a2d3e4f"
    addresses = [
        (
            method,
            "/".join(
                me["tenant_id"] if part == "{tenant_id}" else some if "{" in part else part for part in path.split("/")
            ),
        )
        for method, path in requests
    ]
    return await page.evaluate(
        """async (requests) => {
            const found = {};
            for (const [method, path] of requests) {
                const body = method === 'GET' ? undefined : '{}';
                const answer = await fetch(path, { method, body, headers: { 'Content-Type': 'application/json' } });
                found[`${method} ${path}`] = answer.status;
            }
            return found;
        }""",
        addresses,
    )


async def test_a_members_browser_sees_fetches_and_fires_nothing_of_admin(
    open_page: OpenPage, product: Product, member: str
) -> None:
    page = await signed_in_as(open_page, product, member)
    await expect(message_box(page)).to_be_visible()
    assert await page.locator("a[href^='/admin']").count() == 0

    for item in NAVIGATION:
        for path in (item.href, f"{item.href}/", f"{item.href}/index.html"):
            await page.goto(path)
            assert page.url == f"{product.url}/", path
    got = await statuses(page, product, admin_routes())
    assert set(got.values()) <= {403, 404, 422}, got
    assert {status for route, status in got.items() if route.startswith("GET ")} <= {403, 404}, got

    states = [
        f"{_ROOT}.admin___pages___{name}"
        for name in ("users____users_state", "keys____keys_state", "audit____audit_state")
    ]
    said = await page.evaluate(_FIRE, [product.url, [f"{state}.load" for state in states] + [f"{_ROOT}.nope.nope"]])
    assert "is_hydrated" in said
    # Hydrating tells of every State's beginning; loading would have told of rows.
    assert '"sequence"' not in said
    assert member not in said.replace("email", "")


async def test_an_auditor_is_offered_nothing_that_changes_and_changes_nothing(
    open_page: OpenPage, product: Product, auditor: str
) -> None:
    page = await signed_in_as(open_page, product, auditor, "/admin")
    for item in NAVIGATION:
        await page.goto(item.href)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        for words in (
            "Invite a user",
            "New key",
            "New tenant",
            "New group",
            "Add a provider",
            "Add an identity provider",
        ):
            await expect(page.get_by_role("button", name=words)).to_have_count(0)
    got = await statuses(page, product, [route for route in admin_routes() if route[0] != "GET"])

    # A body that is no good may be said before who asks: nothing is changed by it.
    assert set(got.values()) <= {403, 404, 422}, got
    assert 403 in got.values()


async def test_the_next_person_in_the_same_tab_sees_nothing_of_the_first(
    open_page: OpenPage, product: Product, member: str
) -> None:
    page = await open_page("/")
    await ask(page, "Is the vault code 8231 still right?")
    await page.goto("/admin/audit")
    await expect(page.get_by_role("row").nth(1)).to_be_visible()
    tab = await page.evaluate("sessionStorage.token")
    request = page.context.request
    await request.post("/auth/logout", headers={"Origin": product.url})
    signed_in = await request.post(
        "/auth/login", data={"email": member, "password": "correct-horse-battery"}, headers={"Origin": product.url}
    )
    assert signed_in.ok

    for path in ("/", "/documents", "/admin/audit"):
        await page.goto(path)
        await expect(page.get_by_role("navigation").first).to_be_visible()
        assert "8231" not in await page.content()
    assert await page.evaluate("sessionStorage.token") == tab
    await page.go_back()
    await page.go_back()
    await page.wait_for_load_state("networkidle")
    assert "8231" not in await page.content()
    assert product.email not in await page.content()


XSS = (
    "<script>hacked()</script>",
    "<ScRiPt src=//evil.example/x.js></ScRiPt>",
    "<img src=x onerror=hacked()>",
    "<img src=x:alert(alt) onerror=eval(src) alt=hacked()>",
    "<svg onload=hacked()>",
    "<svg><script>hacked()</script></svg>",
    "<svg><animate onbegin=hacked() attributeName=x dur=1s>",
    "<math><mi//xlink:href='javascript:hacked()'>x</math>",
    "<iframe src=javascript:hacked()></iframe>",
    "<iframe srcdoc='<script>parent.hacked()</script>'></iframe>",
    "<object data=javascript:hacked()>",
    "<embed src=javascript:hacked()>",
    "<form action=javascript:hacked()><button>Go</button></form>",
    "<button formaction=javascript:hacked()>Go</button>",
    "<input autofocus onfocus=hacked()>",
    "<details open ontoggle=hacked()>x</details>",
    "<video><source onerror=hacked()></video>",
    "<body onload=hacked()>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a href=javascript:hacked()>a</a>",
    "<a href='&#106;avascript:hacked()'>b</a>",
    "<a href='java\tscript:hacked()'>c</a>",
    "<a href=data:text/html;base64,PHNjcmlwdD5oYWNrZWQoKTwvc2NyaXB0Pg==>d</a>",
    "<noscript><p title='</noscript><img src=x onerror=hacked()>'>",
    "<template><script>hacked()</script></template>",
    "[a](javascript:hacked())",
    "[b](JaVaScRiPt:hacked())",
    "[c](vbscript:hacked())",
    "[d](data:text/html,<script>hacked()</script>)",
    "[e](\u0001javascript:hacked())",
    '[f](https://x.example"onmouseover=hacked())',
    '![g](x" onerror="hacked())',
    "![h](javascript:hacked())",
    "[i]: javascript:hacked()\n\n[i]",
    "<javascript:hacked()>",
    "```html\n<script>hacked()</script>\n```",
    '```mermaid\ngraph TD; A["<img src=x onerror=hacked()>"]\n```',
    "$\\href{javascript:hacked()}{x}$",
    "$\\includegraphics{https://evil.example/x.png}$",
    "| <img src=x onerror=hacked()> | b |\n|--|--|\n| <svg onload=hacked()> | c |",
    "[1](#cite) <a id=x name=createElement><a id=x>",
)


@pytest.fixture(scope="module")
def scripted(start_product: StartProduct) -> Product:
    return start_product(model="scripted?tokens=20")


async def test_nothing_a_model_says_runs_or_loads(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, answer="Begin.\n\n" + "\n\n".join(XSS) + "\n\nThe end.", gap_ms=1, piece=40)
    page = await open_page("/", product=scripted)
    foreign: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(scripted.url) else foreign.append(request.url))
    await page.evaluate("() => { window.hacked = () => { window.isHacked = true; }; }")
    article = await ask(page, "Say what you like.")
    await expect(article).to_contain_text("The end.")

    for again in (False, True):
        if again:
            await page.reload()
            article = await finished(page)
            await expect(article).to_contain_text("The end.")
        forbidden = "script, iframe, object, embed, form, base, link, meta, style, video, audio, template, img"
        assert await article.locator(forbidden).count() == 0
        found = await article.evaluate(
            """element => [...element.querySelectorAll('*')].flatMap((each) => [...each.attributes]
                .filter((one) => one.name.startsWith('on') || /^\\s*(javascript|vbscript|data):/i.test(one.value))
                .map((one) => `${each.tagName} ${one.name}=${one.value}`))"""
        )
        assert found == []
        assert await page.evaluate("window.isHacked") is None
    assert not [url for url in foreign if not url.startswith(("data:", "blob:", scripted.url.replace("http", "ws")))]
