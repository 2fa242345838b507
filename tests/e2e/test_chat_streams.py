from __future__ import annotations

import random

import pytest
from playwright.async_api import expect

from tests.e2e.browser import OpenPage, screenshot
from tests.e2e.conversations import answer_with, ask, finished, message_box, prose, send
from tests.e2e.product import Product, StartProduct

_TOKENS, _GAP_MS = 400, 40
_WHOLE = " ".join(f"word{number}" for number in range(1, _TOKENS + 1))


@pytest.fixture(scope="module")
def scripted(start_product: StartProduct) -> Product:
    """An installation whose model does what a test tells it."""
    return start_product(model="scripted?tokens=20")


async def test_refreshing_twenty_times_in_mid_answer_loses_and_doubles_nothing(
    open_page: OpenPage, scripted: Product
) -> None:
    answer_with(scripted, tokens=_TOKENS, gap_ms=_GAP_MS)
    page = await open_page("/", product=scripted)
    await send(page, "Count the words.")
    await expect(prose(page.get_by_role("article"))).to_contain_text("word3")
    lengths, shown = [], 3
    for _ in range(20):
        await page.wait_for_timeout(random.uniform(20, 300))  # any moment will do
        await page.reload()
        article = page.get_by_role("article")
        # A replay may come in more than one frame; what was shown before has to be there again.
        await expect(prose(article)).to_contain_text(f"word{shown}")
        text = " ".join((await prose(article).inner_text()).split())
        assert _WHOLE.startswith(text), text[-200:]
        lengths.append(len(text))
        shown = len(text.split()) - 1  # the last may be half a word
        await expect(article).to_have_count(1)
    assert lengths == sorted(lengths)
    assert lengths[0] < len(_WHOLE) / 2, "the answer was over before the refreshes began"
    text = " ".join((await prose(await finished(page)).inner_text()).split())
    assert text == _WHOLE


async def test_a_second_tab_follows_the_same_answer(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, tokens=90, gap_ms=40)
    page = await open_page("/", product=scripted)
    await send(page, "Count for two.")
    await expect(prose(page.get_by_role("article"))).to_contain_text("word3")
    second = await open_page(page.url, product=scripted, context=page.context)
    first_text = await prose(await finished(page)).inner_text()
    assert await prose(await finished(second)).inner_text() == first_text
    assert first_text.split()[-1] == "word90"


async def test_a_lost_connection_is_taken_up_again_where_it_was(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, tokens=110, gap_ms=40)
    page = await open_page("/", product=scripted)
    await send(page, "Count through a tunnel.")
    await expect(prose(page.get_by_role("article"))).to_contain_text("word10")
    await page.context.set_offline(True)
    await page.wait_for_timeout(1_500)
    await page.context.set_offline(False)
    words = (await prose(await finished(page)).inner_text()).split()
    assert words == [f"word{number}" for number in range(1, 111)]


_LOSES_THE_QUESTION = """(() => {
    const Real = window.WebSocket;
    let isLost = false;
    window.WebSocket = class extends Real {
        send(data) {
            if (isLost || !String(data).includes("chat_state.ask")) return super.send(data);
            isLost = true;
            this.close();
        }
    };
})()"""
"""The connection is back at its first attempt: no failed one tells the page that it was away."""


async def test_a_question_lost_with_the_connection_comes_back_into_the_box(
    open_page: OpenPage, scripted: Product
) -> None:
    answer_with(scripted, tokens=5)
    page = await open_page("/", product=scripted)
    await page.add_init_script(_LOSES_THE_QUESTION)
    await page.reload()
    await send(page, "Was I heard?")
    await expect(message_box(page)).to_have_value("Was I heard?")
    await expect(page.get_by_role("article")).to_have_count(0)
    await page.get_by_role("button", name="Send").click()
    await expect(prose(await finished(page))).to_contain_text("word5")


@pytest.mark.parametrize("way", ["button", "Escape"])
async def test_stopping_keeps_what_was_written(open_page: OpenPage, scripted: Product, way: str) -> None:
    answer_with(scripted, tokens=400, gap_ms=40)
    page = await open_page("/", product=scripted)
    await send(page, f"Count until I stop you with the {way}.")
    await expect(prose(page.get_by_role("article"))).to_contain_text("word5")
    if way == "button":
        await page.get_by_role("button", name="Stop", exact=True).click()
    else:
        await page.keyboard.press("Escape")
    article = await finished(page)
    await expect(article).to_contain_text("Stopped. What was written is kept.")
    text = await prose(article).inner_text()
    assert len(text.split()) < 400
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await page.reload()
    assert await prose(await finished(page)).inner_text() == text


async def test_the_view_follows_only_at_the_bottom(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, tokens=1200, gap_ms=5)
    page = await open_page("/", product=scripted)
    await send(page, "Write a lot.")
    thread = page.get_by_role("log", name="Conversation")
    await expect(prose(page.get_by_role("article"))).to_contain_text("word500")
    await thread.evaluate("element => { element.scrollTop = 0; }")
    jump = page.get_by_role("button", name="Jump to latest")
    await expect(jump).to_be_visible()
    await expect(prose(page.get_by_role("article"))).to_contain_text("word700")
    assert await thread.evaluate("element => element.scrollTop") == 0
    await jump.click()
    await expect(jump).to_have_count(0)
    await finished(page)
    left = await thread.evaluate("element => element.scrollHeight - element.scrollTop - element.clientHeight")
    assert left < 48


async def test_markdown_is_drawn_and_nothing_in_it_runs_or_leaves(open_page: OpenPage, scripted: Product) -> None:
    answer = (
        "**Bold** and a table:\n\n| Case | Now |\n|:--|--:|\n| Goods | 14 days |\n\n"
        "```python\nprint('hello')\n```\n\nMass is $E = mc^2$.\n\n"
        '<img src=x onerror="window.hacked = 1"> <script>window.hacked = 1</script>\n\n'
        "![pixel](https://evil.example/pixel.png) [portal](https://portal.example/?q=1) [bad](javascript:alert(1))"
    )
    answer_with(scripted, answer=answer, gap_ms=5, piece=7)
    page = await open_page("/", product=scripted)
    foreign: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(scripted.url) else foreign.append(request.url))
    article = await ask(page, "Show me everything.")
    await expect(article.get_by_role("cell", name="14 days")).to_be_visible()
    await expect(article.locator("strong", has_text="Bold")).to_be_visible()
    await expect(article.locator(".katex").first).to_be_visible()
    await expect(article.locator("img, script")).to_have_count(0)
    await expect(article.get_by_role("link")).to_have_count(1)
    await expect(article.locator("pre .code-string")).to_have_text("'hello'")
    await expect(article.locator("pre")).to_have_text("print('hello')")
    await article.get_by_role("button", name="Copy code").click()
    assert await page.evaluate("navigator.clipboard.readText()") == "print('hello')"
    await article.get_by_role("link", name="portal").click()
    await expect(page.get_by_role("alertdialog")).to_contain_text("https://portal.example/?q=1")
    await page.get_by_role("button", name="Stay here").click()
    assert await page.evaluate("window.hacked") is None
    assert not [url for url in foreign if not url.startswith(("data:", "blob:", scripted.url.replace("http", "ws")))]
    await screenshot(page, "chat-markdown")


async def test_brackets_that_cite_nothing_stay_as_they_were_written(open_page: OpenPage, scripted: Product) -> None:
    answer = "Take `a[1, 2]` out of [0, 255], or row [7].\n\n```python\nx = a[1, 2]\n```\n"
    answer_with(scripted, answer=answer, gap_ms=5, piece=7)
    page = await open_page("/", product=scripted)
    article = await ask(page, "How do I read a cell?")
    await expect(prose(article).locator("p")).to_have_text("Take a[1, 2] out of [0, 255], or row [7].")
    await expect(article.locator("pre")).to_have_text("x = a[1, 2]")


async def test_writing_from_right_to_left_stands_at_the_right(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, answer="ניתן להחזיר מוצרים.\n\n- פריט ראשון\n\nIn English again.", piece=9)
    page = await open_page("/", product=scripted)
    article = await ask(page, "מתי אפשר להחזיר?")
    to_the_right = """element => {
        const text = document.createRange();
        text.selectNodeContents(element);
        return element.getBoundingClientRect().right - text.getBoundingClientRect().right;
    }"""
    written = [await line.evaluate(to_the_right) for line in await prose(article).locator("p, li").all()]
    assert [distance < 2 for distance in written] == [True, True, False]


async def test_a_failed_answer_says_so_and_can_be_tried_again(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, tokens=10, fault="server_error")
    page = await open_page("/", product=scripted)
    await send(page, "Will this work?")
    failure = page.get_by_role("alert").filter(has=page.get_by_role("button", name="Try again"))
    await expect(failure).to_be_visible(timeout=30_000)
    answer_with(scripted, tokens=10)
    await failure.get_by_role("button", name="Try again").click()
    await expect(prose(await finished(page))).to_contain_text("word10")
    await expect(page.get_by_text("2/2")).to_be_visible()


async def test_the_next_question_can_be_written_while_the_answer_is(open_page: OpenPage, scripted: Product) -> None:
    answer_with(scripted, tokens=60, gap_ms=30)
    page = await open_page("/", product=scripted)
    await send(page, "First.")
    await message_box(page).fill("Second, written meanwhile.")
    await message_box(page).press("Enter")
    await finished(page)
    await expect(message_box(page)).to_have_value("Second, written meanwhile.")
    await expect(page.get_by_role("article")).to_have_count(1)
