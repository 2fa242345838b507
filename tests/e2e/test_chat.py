from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.e2e.browser import OpenPage, screenshot
from tests.e2e.conversations import HANDBOOK, add_document, ask, finished, message_box, prose, remove_collection, send
from tests.e2e.product import Product


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def handbook(product: Product) -> AsyncIterator[str]:
    """A document to ask about; its id. No other file's tests find it."""
    async with product.client() as client:
        yield await add_document(client, filename="returns.md", text=HANDBOOK, collection="Returns")
    async with product.client() as client:
        await remove_collection(client, "Returns")


async def test_an_answer_cites_the_document_and_has_its_own_address(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid?")
    await expect(prose(answer)).to_contain_text("within 14 days")
    await expect(answer.get_by_role("button", name="1", exact=True).first).to_be_visible()
    await expect(page).to_have_url(f"{page.url.partition('/c/')[0]}/c/{page.url.rpartition('/')[2]}")
    assert "/c/" in page.url
    await expect(message_box(page)).to_be_focused()
    await page.reload()
    await expect(prose(await finished(page))).to_contain_text("within 14 days")
    await expect(page.locator(".bubble")).to_have_text("QuestionHow fast are refunds paid?", use_inner_text=False)


async def test_a_citation_opens_the_document_with_the_passage_lit(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid, and what about gift cards?")
    chip = answer.get_by_role("button", name="1", exact=True).first
    await chip.hover()
    await expect(page.locator(".citation-card")).to_contain_text("returns.md")
    await chip.click()
    panel = page.get_by_role("complementary", name="Source")
    await expect(panel.locator("mark").first).to_contain_text("paid within 14 days")
    await screenshot(page, "chat-source")
    count = await panel.get_by_role("heading").first.inner_text()
    assert count.startswith("Source 1 of ")
    await page.keyboard.press("Escape")
    await expect(panel).to_have_count(0)
    await expect(chip).to_be_focused()


async def test_a_cited_row_of_a_table_is_shown_under_the_names_of_its_columns(
    open_page: OpenPage, product: Product
) -> None:
    rows = "".join(f"Person {number},{4000 + number},B{number % 7}\n" for number in range(150))
    async with product.client() as client:
        await add_document(
            client, filename="staff.csv", text=f"Name,Extension,Office\n{rows}", collection=f"Staff {uuid4().hex[:6]}"
        )
    page = await open_page("/")
    answer = await ask(page, "What is the extension of Person 142?")
    await expect(answer).to_contain_text("Extension: 4142")
    await expect(answer.locator(".source-place")).to_have_text("")
    await answer.locator(".citation").first.click()
    panel = page.get_by_role("complementary", name="Source")
    await expect(panel.locator("mark", has_text="4142")).to_be_in_viewport()
    await expect(panel.get_by_role("columnheader", name="Extension").first).to_be_in_viewport()
    await expect(panel.locator("blockquote")).to_have_text("Person 142 · 4142 · B2")
    await screenshot(page, "chat-source-table")


async def test_a_passage_behind_long_paragraphs_and_a_table_is_in_view(open_page: OpenPage, product: Product) -> None:
    text = (
        "# Ospreys\n\n| Nest | Height | Keeper |\n|:--|--:|---|\n| North | | **Ada** |\n\n"
        + ("They circle above the lake for hours. " * 150 + "\n\n") * 2
        + "## Rest\n\n🪶🪶🪶🪶 Quiet hours. Ospreys rest on the seventh mast. They leave at dawn.\n"
    )
    async with product.client() as client:
        await add_document(client, filename="ospreys.md", text=text, collection=f"Birds {uuid4().hex[:6]}")
    page = await open_page("/")
    answer = await ask(page, "On which mast do ospreys rest?")
    await answer.locator(".citation").first.click()
    panel = page.get_by_role("complementary", name="Source")
    mark = panel.locator("mark")
    await expect(mark).to_have_text("Ospreys rest on the seventh mast.")
    await expect(mark).to_be_in_viewport()
    assert await panel.get_by_role("cell").all_inner_texts() == ["North", "", "Ada"]


async def test_next_and_previous_walk_through_the_citations(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid, and who approves travel?")
    await answer.locator(".citation").first.click()
    panel = page.get_by_role("complementary", name="Source")
    heading = panel.get_by_role("heading", level=2).first
    await panel.get_by_role("button", name="Next citation").click()
    await expect(heading).to_contain_text("Source 2 of")
    await panel.get_by_role("button", name="Previous citation").click()
    await expect(heading).to_contain_text("Source 1 of")
    await panel.get_by_role("button", name="Close the source").click()
    await expect(panel).to_have_count(0)


async def test_a_question_outside_the_documents_gets_a_plain_sentence_and_no_citation(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "Which striker scored most goals in the 1974 world cup?")
    await expect(answer.locator(".citation")).to_have_count(0)
    await expect(prose(answer)).to_contain_text("Returns")
    await expect(answer).not_to_contain_text("quoted from the documents")


async def test_why_this_answer_shows_what_was_found_and_where_the_time_went(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "Who approves travel?")
    await answer.get_by_role("button", name="Why this answer?").click()
    panel = page.get_by_role("complementary", name="Why this answer?")
    await expect(panel.get_by_role("heading", name="What was found")).to_be_visible()
    await expect(panel).to_contain_text("cited")
    await expect(panel).to_contain_text("Searched the documents")
    await screenshot(page, "chat-why")


async def test_an_edited_question_is_a_sibling_and_the_arrows_go_back(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "How fast are refunds paid?")
    await page.locator(".question").hover()
    await page.get_by_role("button", name="Edit question").click()
    editor = page.get_by_role("textbox", name="Edit question")
    await editor.fill("Who approves travel above 2,000 euros?")
    await editor.press("Enter")
    await expect(page.get_by_text("2/2")).to_be_visible()
    await expect(prose(await finished(page))).to_contain_text("finance team")
    await page.get_by_role("button", name="Previous version").click()
    await expect(page.get_by_text("1/2")).to_be_visible()
    await expect(prose(await finished(page))).to_contain_text("within 14 days")
    await page.reload()
    await expect(page.get_by_text("1/2")).to_be_visible()


async def test_regenerating_keeps_the_answer_before(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid?")
    await answer.get_by_role("button", name="Regenerate").click()
    await expect(page.get_by_text("2/2")).to_be_visible()
    await expect(page.get_by_role("article")).to_have_count(1)


async def test_a_follow_up_is_answered_with_the_conversation_in_mind(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "How are refunds for returned goods paid?")
    answer = await ask(page, "and for gift cards?")
    await expect(prose(answer)).to_contain_text("store credit")
    await expect(page.get_by_role("article")).to_have_count(2)


async def test_a_rating_takes_reasons_survives_a_reload_and_can_be_undone(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid?")
    bad = answer.get_by_role("button", name="Bad answer")
    await bad.click()
    await page.get_by_role("button", name="Wrong source").click()
    await page.get_by_role("textbox", name="Comment").fill("It cites the wrong chapter.")
    await page.get_by_role("button", name="Send feedback").click()
    await expect(page.get_by_text("Thank you.")).to_be_visible()
    await page.reload()
    bad = (await finished(page)).get_by_role("button", name="Bad answer")
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "false")
    await page.reload()
    bad = (await finished(page)).get_by_role("button", name="Bad answer")
    await expect(bad).to_have_attribute("aria-pressed", "false")


async def test_a_double_click_on_a_thumb_rates_once(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid?")
    good = answer.get_by_role("button", name="Good answer")
    saved: list[str] = []
    page.on("response", lambda answer: saved.append(answer.url) if "/v1/feedback" in answer.url else None)
    await good.dblclick()
    await expect(good).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Escape")
    for _ in range(5):
        await good.dispatch_event("click")
    await expect(good).to_have_attribute("aria-pressed", "false")
    for _ in range(500):
        if len(saved) == 6:
            break
        await page.wait_for_timeout(20)
    await page.reload()
    good = (await finished(page)).get_by_role("button", name="Good answer")
    await expect(good).to_have_attribute("aria-pressed", "false")


async def test_copying_an_answer_writes_its_sources_out(open_page: OpenPage) -> None:
    page = await open_page("/")
    answer = await ask(page, "How fast are refunds paid?")
    await answer.get_by_role("button", name="Copy answer").click()
    await expect(answer.get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "within 14 days" in copied
    assert "Sources\n[1] returns.md" in copied


async def test_a_conversation_can_be_renamed_pinned_deleted_and_restored(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "How fast are refunds paid to customers?")
    title = "How fast are refunds paid to customers?"
    await _act(page, title, "Rename")
    field = page.get_by_role("textbox", name="New name")
    await field.fill("Refund times")
    await field.press("Enter")
    await expect(page.get_by_role("link", name="Refund times")).to_be_visible()
    await _act(page, "Refund times", "Pin")
    pinned = page.get_by_role("region", name="Pinned")
    await expect(pinned.get_by_role("link", name="Refund times")).to_be_visible()
    await page.reload()
    await expect(pinned.get_by_role("link", name="Refund times")).to_be_visible()
    await _act(page, "Refund times", "Delete")
    await expect(page.get_by_role("link", name="Refund times")).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(pinned.get_by_role("link", name="Refund times")).to_be_visible()


async def test_undoing_the_deletion_of_the_open_conversation_opens_it_again(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "How fast are refunds paid after a deletion?")
    address = page.url
    await _act(page, "How fast are refunds paid after a deletion?", "Delete")
    await expect(page.get_by_role("heading", name="what would you like to know?")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(".bubble")).to_contain_text("after a deletion")
    await expect(page).to_have_url(address)


async def test_a_conversation_deleted_in_another_tab_says_so_and_can_be_brought_back(open_page: OpenPage) -> None:
    first = await open_page("/")
    question = "How fast are refunds paid in two tabs?"
    await ask(first, question)
    second = await open_page(first.url, context=first.context)
    await finished(second)
    await _act(first, question, "Delete")
    await expect(second.get_by_role("heading", name="This conversation was deleted")).to_be_visible()
    await expect(second.get_by_role("link", name=question)).to_have_count(0)
    await second.get_by_role("button", name="Bring it back").click()
    await expect(second.locator(".bubble")).to_contain_text(question)
    await expect(second.get_by_role("link", name=question)).to_be_visible()


async def test_a_question_to_a_conversation_deleted_elsewhere_is_kept(open_page: OpenPage, product: Product) -> None:
    page = await open_page("/")
    await ask(page, "How fast are refunds paid before all is lost?")
    other = await open_page(page.url)
    await finished(other)
    await _act(other, "How fast are refunds paid before all is lost?", "Delete")
    await expect(other.get_by_role("heading", name="what would you like to know?")).to_be_visible()
    await send(page, "And for gift cards?")
    await expect(page.get_by_role("heading", name="This conversation was deleted")).to_be_visible()
    await page.get_by_role("button", name="Bring it back").click()
    await expect(message_box(page)).to_have_value("And for gift cards?")
    await expect(page.get_by_role("article")).to_have_count(1)


async def test_an_answer_asked_of_a_collection_that_is_gone_can_be_asked_again(
    open_page: OpenPage, product: Product
) -> None:
    async with product.client() as client:
        await add_document(client, filename="short-lived.md", text=HANDBOOK, collection="Short-lived")
        page = await open_page("/")
        await page.get_by_role("button", name="Collections asked").click()
        await page.get_by_role("menuitemcheckbox", name="All collections").click()
        await page.get_by_role("menuitemcheckbox", name="Short-lived").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Collections asked: Short-lived")).to_be_visible()
        answer = await ask(page, "How fast are refunds paid?")
        stores = (await client.get("/v1/vector_stores", params={"limit": 100})).json()["data"]
        gone = next(store["id"] for store in stores if store["name"] == "Short-lived")
        (await client.delete(f"/v1/vector_stores/{gone}")).raise_for_status()
    await answer.get_by_role("button", name="Regenerate").click()
    await expect(page.get_by_role("alert")).to_contain_text("is gone")
    await expect(page.get_by_role("button", name="Collections asked: All collections")).to_be_visible()
    await answer.get_by_role("button", name="Regenerate").click()
    await expect(page.get_by_text("2/2")).to_be_visible()
    await expect(prose(await finished(page))).to_contain_text("within 14 days")


async def test_search_finds_a_conversation_by_the_words_of_its_answer(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "Who has to sign off a trip abroad for travel?")
    await page.get_by_role("button", name="New conversation").first.click()
    await page.keyboard.press("Control+k")
    search = page.get_by_role("combobox", name="Search conversations")
    await search.fill("finance team approves")
    found = page.get_by_role("group", name="Conversations · Today").get_by_role(
        "option", name="Who has to sign off a trip abroad"
    )
    await expect(found.locator(".search-snippet mark").first).to_have_text("finance")
    await expect(found).to_have_attribute("aria-selected", "true")
    await screenshot(page, "chat-search")
    await search.press("ArrowDown")
    await search.press("ArrowUp")
    await search.press("Enter")
    await expect(page.locator(".bubble")).to_contain_text("Who has to sign off a trip abroad")


async def test_keys_do_what_the_sheet_says(open_page: OpenPage) -> None:
    page = await open_page("/")
    box = message_box(page)
    await box.press("Shift+Enter")
    assert await box.input_value() == "\n"
    await box.fill("")
    await ask(page, "How fast are refunds paid?")
    await box.press("ArrowUp")
    editor = page.get_by_role("textbox", name="Edit question")
    await expect(editor).to_be_focused()
    await editor.press("Escape")
    await expect(box).to_be_focused()
    await box.blur()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+Shift+O")
    await expect(page.get_by_role("heading", name="what would you like to know?")).to_be_visible()
    await expect(box).to_be_focused()


async def test_each_conversation_keeps_its_own_draft(open_page: OpenPage) -> None:
    page = await open_page("/")
    await ask(page, "How fast are refunds paid?")
    await message_box(page).fill("half a thought")
    await page.get_by_role("button", name="New conversation").first.click()
    await expect(message_box(page)).to_have_value("")
    await page.go_back()
    await expect(message_box(page)).to_have_value("half a thought")


async def test_the_collections_asked_can_be_narrowed_to_none(open_page: OpenPage) -> None:
    page = await open_page("/")
    await page.get_by_role("button", name="Collections asked").click()
    # Other tests of this installation make collections too: all of them are unchecked, then this one comes and goes.
    await page.get_by_role("menuitemcheckbox", name="All collections").click()
    returns = page.get_by_role("menuitemcheckbox", name="Returns", exact=False)
    await expect(returns).not_to_be_checked()
    await returns.click()
    await expect(returns).to_be_checked()
    await returns.click()
    await expect(returns).not_to_be_checked()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Collections asked: No documents")).to_be_visible()
    answer = await ask(page, "How fast are refunds paid?")
    await expect(answer.locator(".citation")).to_have_count(0)


async def test_what_is_done_before_the_script_is_there_is_not_lost(open_page: OpenPage) -> None:
    page = await open_page("/c/nonsense")
    go = asyncio.Event()

    async def late(route: Route) -> None:
        await go.wait()
        await route.continue_()

    await page.route("**/assets/*.js", late)
    await page.goto("/", wait_until="commit")
    box = message_box(page)
    await box.press_sequentially("How fast are refunds paid?")
    await box.press("Enter")
    for name in ("New conversation", "Send", "Search", "Collections asked", "Model"):
        await expect(page.get_by_role("button", name=name).first).to_be_disabled()
    go.set()
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await expect(box).to_have_value("How fast are refunds paid?")
    await page.get_by_role("button", name="Send").click()
    await expect(prose(await finished(page))).to_contain_text("within 14 days")


async def test_a_question_sent_while_the_page_opens_is_shown_and_answered(open_page: OpenPage) -> None:
    page = await open_page("/c/nonsense")
    slow = await page.context.new_cdp_session(page)
    await slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    for number in range(2):
        await page.goto("/", wait_until="commit")
        await page.get_by_role("button", name="New conversation").first.click()
        await message_box(page).fill(f"How fast are refunds paid, number {number}?")
        await page.get_by_role("button", name="Send").click()
        await expect(prose(await finished(page))).to_contain_text("within 14 days")
        await expect(page.locator(".bubble")).to_contain_text(f"number {number}?")


async def test_an_unknown_conversation_is_said_to_be_unknown(open_page: OpenPage) -> None:
    for address in ("/c/6f1e0d4e-0000-4000-8000-000000000000", "/c/nonsense"):
        page = await open_page(address)
        await expect(page.get_by_role("heading", name="This conversation cannot be opened")).to_be_visible()


async def test_a_message_that_is_empty_or_too_long_cannot_be_sent(open_page: OpenPage) -> None:
    page = await open_page("/")
    button = page.get_by_role("button", name="Send")
    await message_box(page).fill("   ")
    await expect(button).to_be_disabled()
    await message_box(page).fill("x" * 200_000)
    await expect(page.get_by_text("characters too many")).to_be_visible()
    await expect(button).to_be_disabled()


async def test_sending_shows_the_question_before_the_server_has_answered(open_page: OpenPage) -> None:
    page = await open_page("/")
    await expect(message_box(page)).to_be_visible()
    await page.wait_for_load_state("networkidle")
    await page.context.set_offline(True)
    await send(page, "Are you there?")
    await expect(page.locator(".bubble")).to_contain_text("Are you there?")
    await page.context.set_offline(False)


async def _act(page: Page, title: str, action: str) -> None:
    row = page.locator(".history-row", has_text=title).first
    await row.hover()
    await row.get_by_role("button", name=f"Actions for {title}").click()
    await page.get_by_role("menuitem", name=action).click()
