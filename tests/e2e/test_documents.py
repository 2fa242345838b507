from __future__ import annotations

import asyncio
import csv
import io
import re
from pathlib import Path
from uuid import uuid4

from playwright.async_api import Page, expect

from tests.e2e.browser import PHONE, WIDE, OpenPage, accessibility_problems, screenshot
from tests.e2e.library import Library, act_on, add_by_dialog, become_member, drop, row_of, shown
from tests.e2e.product import Product
from tests.ingest.samples import pdf

REFUNDS = (
    "# Refunds\n\nRefunds are paid within 14 days of the return.\n\n# Gift cards\n\nGift cards are never refunded.\n"
)
LONG = "\n\n".join(
    f"Paragraph {number} tells of matter {number * 7919} and of nothing else at all." for number in range(30_000)
)
"""Takes minutes to embed, so it can be stopped in the middle."""
READY_MS = 60_000


def notes(name: str) -> bytes:
    return f"# {name}\n\nThe {name} opens at nine and closes at five, on every day of the week.\n".encode()


async def test_a_file_is_uploaded_by_the_page_and_followed_until_it_answers(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "refunds.md"
    path.write_text(REFUNDS)
    page = await open_page(library.path)
    await page.get_by_role("heading", name="No document matches").wait_for()
    await add_by_dialog(page, path)
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.get_by_text("Ready to be asked about")).to_be_visible(timeout=READY_MS)
    await expect(tray.get_by_role("status")).to_have_text("1 document ready")
    await expect(row_of(page, "refunds.md")).to_contain_text("Ready")
    [file] = await library.files()
    assert file["ingest"]["status"] == "completed"


async def test_a_collection_is_made_in_the_upload_dialog(open_page: OpenPage, tmp_path: Path, library: Library) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(notes("archive"))
    name = f"Made here {uuid4().hex[:6]}"
    page = await open_page("/documents")
    await page.get_by_role("button", name="Upload", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="New").click()
    await dialog.get_by_role("textbox", name="Collection").fill(name)
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog.get_by_role("combobox", name="Collection")).to_contain_text(name)
    await page.get_by_label("Files", exact=True).set_input_files(path)
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_role("button", name=re.compile(f"^{name}")).click()
    await expect(row_of(page, "notes.md")).to_contain_text("Ready", timeout=READY_MS)


async def test_files_dropped_on_a_collection_go_there_at_once(open_page: OpenPage, library: Library) -> None:
    page = await open_page(library.path)
    await shown(page, library)
    await drop(page, {"one.txt": "The first note speaks of apples.", "two.txt": "The second note speaks of pears."})
    await expect(row_of(page, "one.txt")).to_contain_text("Ready", timeout=READY_MS)
    await expect(row_of(page, "two.txt")).to_contain_text("Ready", timeout=READY_MS)


async def test_the_same_bytes_again_are_said_so_and_not_done_twice(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    await library.add("refunds.md", REFUNDS.encode())
    path = tmp_path / "refunds (copy).md"
    path.write_text(REFUNDS)
    page = await open_page(library.path)
    await row_of(page, "refunds.md").wait_for()
    await add_by_dialog(page, path)
    await expect(page.get_by_text("Already here: the same file is in this collection")).to_be_visible()
    assert len(await library.files()) == 1


async def test_a_file_that_cannot_be_read_says_why_and_can_be_retried(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7\nnothing")
    page = await open_page(library.path)
    await shown(page, library)
    await add_by_dialog(page, path)
    row = row_of(page, "broken.pdf")
    await expect(row).to_contain_text("Failed", timeout=READY_MS)
    await expect(row).to_contain_text("damaged")
    await expect(page.get_by_role("button", name="Retry broken.pdf")).to_be_visible()
    await act_on(page, "broken.pdf", "Retry")
    await expect(row).to_contain_text("Failed", timeout=READY_MS)


async def test_a_file_of_a_kind_that_is_not_read_is_refused_with_the_reason(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"MZ\x90\x00" + bytes(2_000))
    page = await open_page(library.path)
    await shown(page, library)
    await add_by_dialog(page, path)
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.locator("[data-status=refused] .tray-note")).not_to_be_empty()
    assert await library.files() == []


async def test_a_file_over_the_limit_is_never_sent(open_page: OpenPage, tmp_path: Path, library: Library) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(101 * 1024 * 1024)
    page = await open_page(library.path)
    await shown(page, library)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await add_by_dialog(page, path)
    await expect(page.get_by_role("region", name="Uploads")).to_contain_text("Larger than the 100 MB that are accepted")
    assert [url for url in sent if url.endswith("/v1/files")] == []


async def test_work_is_cancelled_within_two_seconds_and_taken_up_again(open_page: OpenPage, library: Library) -> None:
    file = await library.add("long.txt", LONG.encode(), wait=False)
    page = await open_page(library.path)
    row = row_of(page, "long.txt")
    await expect(row.get_by_role("progressbar")).to_be_visible(timeout=READY_MS)
    await act_on(page, "long.txt", "Cancel")
    await expect(row).to_contain_text("Cancelled", timeout=2_000)
    assert (await library.file(file["id"]))["ingest"]["status"] == "cancelled"
    await act_on(page, "long.txt", "Retry")
    await expect(row.get_by_role("progressbar")).to_be_visible(timeout=READY_MS)
    await act_on(page, "long.txt", "Cancel")
    await expect(row).to_contain_text("Cancelled")


async def test_sending_shows_its_progress_survives_navigation_and_can_be_aborted(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "slow.txt"
    path.write_text(LONG)
    page = await open_page(library.path)
    await shown(page, library)
    devtools = await page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 150_000}
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", slow)
    await add_by_dialog(page, path)
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.get_by_text(re.compile(r"Sending [1-9]\d* %"))).to_be_visible()
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    await expect(tray.get_by_role("status")).to_have_text("Adding 1 document")
    await tray.get_by_role("button", name="Show the uploads").click()
    await expect(tray.get_by_text(re.compile(r"Sending \d+ %"))).to_be_visible()
    await tray.get_by_role("button", name="Cancel slow.txt").click()
    await expect(tray.get_by_text("Cancelled")).to_be_visible()
    await devtools.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    assert await library.files() == []


async def test_a_new_version_replaces_the_old_one_under_the_same_document(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    file = await library.add("hours.md", notes("desk"))
    path = tmp_path / "hours.md"
    path.write_bytes(notes("desk") + b"\nOn Sundays it stays closed.\n")
    page = await open_page(library.path)
    await row_of(page, "hours.md").wait_for()
    await page.get_by_label("New version of hours.md").set_input_files(path)
    await expect(page.get_by_role("region", name="Uploads")).to_contain_text("Replaced", timeout=READY_MS)
    now = await library.file(file["id"])
    assert (now["active_version"], now["latest_version"]) == (2, 2)
    await page.get_by_role("button", name="hours.md", exact=True).click()
    await page.get_by_role("tab", name="Versions").click()
    await expect(page.get_by_text("Version 2")).to_be_visible()
    await expect(page.get_by_role("dialog").get_by_text("On Sundays it stays closed.").first).to_be_visible()


async def test_deleting_names_what_goes_and_then_it_is_gone(open_page: OpenPage, library: Library) -> None:
    first = await library.add("first.md", notes("first"))
    await library.add("second.md", notes("second"))
    page = await open_page(library.path)
    await act_on(page, "first.md", "Delete")
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("first.md")
    await dialog.get_by_role("button", name="Keep").click()
    await expect(row_of(page, "first.md")).to_be_visible()
    await act_on(page, "first.md", "Delete")
    await dialog.get_by_role("button", name="Delete", exact=True).click()
    await expect(row_of(page, "first.md")).to_have_count(0)
    await expect(row_of(page, "second.md")).to_be_visible()
    assert (await library.client.get(f"/v1/files/{first['id']}")).status_code == 404


async def test_many_are_chosen_and_deleted_together(open_page: OpenPage, library: Library) -> None:
    for name in ("a.md", "b.md", "c.md"):
        await library.add(name, notes(name))
    page = await open_page(library.path)
    await page.get_by_label("Choose all on this page").check()
    await page.get_by_label("Choose b.md").uncheck()
    await page.get_by_role("button", name="Delete 2").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("Delete 2 documents?")
    await dialog.get_by_role("button", name="Delete 2").click()
    await expect(row_of(page, "a.md")).to_have_count(0)
    assert [file["filename"] for file in await library.files()] == ["b.md"]


async def test_documents_are_moved_to_another_collection_and_answer_there(
    open_page: OpenPage, library: Library
) -> None:
    file = await library.add("moving.md", notes("moving"))
    made = await library.client.post("/v1/vector_stores", json={"name": f"Elsewhere {uuid4().hex[:6]}"})
    page = await open_page(library.path)
    await page.get_by_label("Choose moving.md").check()
    await page.get_by_role("button", name="Move").click()
    await page.get_by_role("menuitem", name=made.json()["name"]).click()
    await expect(row_of(page, "moving.md")).to_have_count(0)
    moved = await library.settled(file["id"])
    assert (moved["collection_id"], moved["ingest"]["status"]) == (made.json()["id"], "completed")
    await library.client.delete(f"/v1/vector_stores/{made.json()['id']}")


PAGES = [f"Page {number}. {'Nothing of note stands here. ' * 4}" for number in range(1, 8)]
PAGES[4] = "Page 5. The harbour master grants berths on Tuesdays only. Nobody else may grant one."


async def _pieces_on_page(page: Page, number: int) -> None:
    await page.get_by_role("listitem").filter(has_text=f"p. {number}").get_by_role("button").first.click()


async def test_a_pdf_opens_at_the_page_with_the_passage_lit(open_page: OpenPage, library: Library) -> None:
    await library.add("harbour.pdf", pdf(PAGES))
    page = await open_page(library.path)
    await page.get_by_role("button", name="harbour.pdf", exact=True).click()
    await page.get_by_role("region", name="Page 1", exact=True).wait_for()
    await _pieces_on_page(page, 5)
    fifth = page.get_by_role("region", name="Page 5", exact=True)
    await expect(fifth.locator(".pdf-lit").first).to_be_in_viewport()
    await expect(page.get_by_label("Page number")).to_have_value("5")
    await expect(fifth.locator(".textLayer")).to_contain_text("harbour master grants berths")
    lit = await fifth.locator(".pdf-lit").first.bounding_box()
    text = await fifth.get_by_text("harbour master").first.bounding_box()
    assert lit is not None
    assert text is not None
    assert abs(lit["y"] - text["y"]) < 6
    await page.get_by_role("button", name="Next page").click()
    await expect(page.get_by_label("Page number")).to_have_value("6")
    await page.get_by_role("button", name="Back to the passage").click()
    await expect(page.get_by_label("Page number")).to_have_value("5")


async def test_the_text_of_a_pdf_can_be_selected_and_the_view_zoomed(open_page: OpenPage, library: Library) -> None:
    await library.add("harbour.pdf", pdf(PAGES))
    page = await open_page(library.path)
    await page.get_by_role("button", name="harbour.pdf", exact=True).click()
    first = page.get_by_role("region", name="Page 1", exact=True)
    await first.get_by_text("Nothing of note").first.wait_for(state="attached")
    await first.get_by_text("Nothing of note").first.select_text()
    assert "Nothing of note" in await page.evaluate("getSelection().toString()")
    before = await first.bounding_box()
    await page.get_by_role("button", name="Zoom in").click()
    await expect(first.locator("canvas")).to_be_visible()
    after = await first.bounding_box()
    assert before is not None
    assert after is not None
    assert 1.15 < after["width"] / before["width"] < 1.25


async def test_nothing_of_the_pdf_view_comes_from_another_host(open_page: OpenPage, library: Library) -> None:
    await library.add("harbour.pdf", pdf(PAGES))
    page = await open_page("about:blank")
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    await page.goto(library.path)
    await page.get_by_role("button", name="harbour.pdf", exact=True).click()
    await page.locator(".pdf-page[data-drawn]").first.wait_for()
    assert {host.split(":")[0] for host in hosts} == {"127.0.0.1"}


async def test_a_text_is_lit_at_its_exact_characters(open_page: OpenPage, library: Library) -> None:
    file = await library.add("refunds.md", REFUNDS.encode())
    page = await open_page(f"{library.path}&document={file['id']}")
    await page.get_by_role("listitem").filter(has_text="Gift cards are never").get_by_role("button").click()
    lit = page.locator("mark.dv-lit")
    await expect(lit.first).to_be_in_viewport()
    shown = " ".join(await lit.all_inner_texts())
    assert "Gift cards are never refunded." in shown
    assert "14 days" not in shown


async def test_a_document_deleted_meanwhile_is_called_withdrawn(open_page: OpenPage, library: Library) -> None:
    file = await library.add("refunds.md", REFUNDS.encode())
    page = await open_page(f"{library.path}&document={file['id']}")
    piece = page.get_by_role("listitem").filter(has_text="Gift cards are never").get_by_role("button")
    await piece.wait_for()
    (await library.client.delete(f"/v1/files/{file['id']}")).raise_for_status()
    await piece.click()
    await expect(page.get_by_text("Withdrawn")).to_be_visible()


async def test_search_state_and_order_are_in_the_address_and_survive_a_reload(
    open_page: OpenPage, library: Library
) -> None:
    for name in ("apple.md", "pear.md", "apricot.md"):
        await library.add(name, notes(name))
    page = await open_page(library.path)
    await row_of(page, "pear.md").wait_for()
    await page.get_by_role("searchbox", name="Search documents").fill("ap")
    await expect(row_of(page, "pear.md")).to_have_count(0)
    await page.get_by_role("button", name="Name").click()
    await page.get_by_role("button", name="Ready", exact=True).click()
    await page.wait_for_url(re.compile(r"q=ap.*sort=filename.*state=ready"))
    await page.reload()
    titles = page.locator(".row-title")
    await expect(titles).to_have_text(["apple.md", "apricot.md"])
    await page.get_by_role("button", name="Failed", exact=True).click()
    await expect(page.get_by_role("heading", name="No document matches")).to_be_visible()
    await page.get_by_role("button", name="Show all documents").click()
    await expect(page.get_by_role("searchbox", name="Search documents")).to_have_value("")


async def test_what_is_filtered_is_exported_and_formulas_are_kept_as_text(
    open_page: OpenPage, library: Library
) -> None:
    await library.add("=cmd.md", notes("formula"))
    await library.add("plain.md", notes("plain"))
    page = await open_page(library.path)
    await row_of(page, "plain.md").wait_for()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="CSV").click()
    exported = await asyncio.to_thread(Path(await (await download.value).path()).read_text, "utf-8")
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert {row["filename"] for row in rows} == {"'=cmd.md", "plain.md"}
    assert {row["status"] for row in rows} == {"completed"}


async def test_a_collection_that_was_just_made_is_shown_and_takes_the_next_file(
    open_page: OpenPage, library: Library
) -> None:
    name = f"New {uuid4().hex[:6]}"
    page = await open_page("/documents")
    await page.get_by_role("button", name="New collection").click()
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator(".rail-item[aria-current]")).to_contain_text(name)
    await page.get_by_role("button", name="Upload", exact=True).click()
    await expect(page.get_by_role("dialog").get_by_role("combobox", name="Collection")).to_contain_text(name)
    stores = (await library.client.get("/v1/vector_stores", params={"limit": 100})).json()["data"]
    [made] = [store for store in stores if store["name"] == name]
    await library.client.delete(f"/v1/vector_stores/{made['id']}")


async def test_a_very_long_name_leaves_room_for_the_other_rows(open_page: OpenPage, library: Library) -> None:
    await library.add(f"{'n' * 240}.txt", b"The lamp is lit at nine.")
    page = await open_page(library.path)
    box = await page.get_by_role("button", name="nnn").first.bounding_box()
    assert box is not None
    assert box["height"] < 80


async def test_a_collection_is_made_renamed_and_deleted_by_its_typed_name(
    open_page: OpenPage, library: Library
) -> None:
    await library.add("inside.md", notes("inside"))
    page = await open_page("/documents")
    await page.get_by_role("button", name="New collection").click()
    await page.get_by_role("textbox", name="Name").fill(library.name)
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("There is a collection named")).to_be_visible()
    # What was refused is still there to be corrected.
    await expect(page.get_by_role("textbox", name="Name")).to_have_value(library.name)
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name=f"Actions for the collection {library.name}").click()
    await page.get_by_role("menuitem", name="Rename").click()
    renamed = f"{library.name} renamed"
    await page.get_by_role("textbox", name="Name").fill(renamed)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name=f"Actions for the collection {renamed}").click()
    await page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("alertdialog")
    button = dialog.get_by_role("button", name="Delete it and 1 document")
    await expect(button).to_be_disabled()
    await dialog.get_by_role("textbox").fill(renamed)
    await button.click()
    await expect(page.get_by_role("button", name=f"Actions for the collection {renamed}")).to_have_count(0)
    assert (await library.client.get(f"/v1/vector_stores/{library.id}")).status_code == 404


async def test_people_without_the_right_to_write_read_and_open_only(
    open_page: OpenPage, product: Product, library: Library
) -> None:
    await library.add("harbour.pdf", pdf(PAGES))
    page = await open_page("/sign-in", signed_in=False)
    await become_member(page.context, product)
    await page.goto(library.path)
    await page.get_by_role("button", name="harbour.pdf", exact=True).wait_for()
    for name in ("Upload", "New collection"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    await expect(page.get_by_role("checkbox")).to_have_count(0)
    await page.get_by_role("button", name="Actions for harbour.pdf").click()
    assert await page.get_by_role("menuitem").all_inner_texts() == ["Open", "Download"]
    await page.get_by_role("menuitem", name="Open").click()
    await expect(page.locator(".pdf-page[data-drawn]").first).to_be_visible()
    answer = await page.request.delete(f"{product.url}/v1/files/{uuid4()}", headers={"Origin": product.url})
    assert answer.status == 403


async def test_the_page_has_no_serious_accessibility_problem_in_any_dress(
    open_page: OpenPage, library: Library
) -> None:
    await library.add("harbour.pdf", pdf(PAGES))
    await library.add("refunds.md", REFUNDS.encode())
    await library.add("broken.pdf", b"%PDF-1.7\nnothing")
    for size, dark in ((WIDE, False), (WIDE, True), (PHONE, False)):
        dress = f"{'phone' if size == PHONE else 'wide'}-{'dark' if dark else 'light'}"
        page = await open_page(library.path, size=size, dark=dark)
        await row_of_any(page, "harbour.pdf").wait_for()
        assert await accessibility_problems(page) == []
        await screenshot(page, f"documents-{dress}")
        await page.get_by_role("button", name="harbour.pdf", exact=True).click()
        await page.locator(".pdf-page[data-drawn]").first.wait_for()
        await _pieces_on_page(page, 5)
        await expect(page.locator(".pdf-lit").first).to_be_in_viewport()
        assert await accessibility_problems(page) == []
        await screenshot(page, f"document-{dress}")
        await page.get_by_role("button", name="Close", exact=True).click()
        await page.get_by_role("button", name="Upload", exact=True).click()
        await page.get_by_role("dialog").wait_for()
        assert await accessibility_problems(page) == []
        await screenshot(page, f"upload-{dress}")


def row_of_any(page: Page, filename: str):
    # On a phone a row is a card and no longer a table row.
    return page.get_by_role("button", name=filename, exact=True)


async def test_a_phone_sees_cards_that_fit(open_page: OpenPage, library: Library) -> None:
    await library.add("a-very-long-name-that-goes-on-and-on-without-any-space-at-all-in-it-2023.md", notes("long"))
    page = await open_page(library.path, size=PHONE)
    await page.locator(".row-title").first.wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator(".row-title").first.click()
    await expect(page.locator(".dv-prose")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
