"""What the documents page says besides the list: what became of uploads, who asked, which version was cited."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.e2e.browser import PHONE, OpenPage, accessibility_problems, screenshot
from tests.e2e.conversations import ask
from tests.e2e.library import Library, add_by_dialog, become_member, row_of, shown
from tests.e2e.product import Product

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

HOURS = "# Opening hours of the {place}\n\nThe {place} opens at nine and closes at five, on every day of the week.\n"


async def test_the_tray_tells_new_known_and_failed_files_apart(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    await library.add("library.md", HOURS.format(place="library").encode())
    for name, data in {
        "copy.md": HOURS.format(place="library").encode(),
        "museum.md": HOURS.format(place="museum").encode(),
        "report.pdf": b"MZ\x90\x00" + bytes(2_000),
    }.items():
        (tmp_path / name).write_bytes(data)
    page = await open_page(library.path)
    await shown(page, library)
    await add_by_dialog(page, *sorted(tmp_path.iterdir()))
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.get_by_role("status")).to_have_text("1 ready, 1 already there, 1 failed")
    await expect(tray.locator("[data-status=refused]")).to_contain_text("cannot be read")
    # The same program under the same name would be refused again.
    await expect(tray.get_by_role("button", name="Retry report.pdf")).to_have_count(0)
    await screenshot(page, "documents-tray")


async def test_an_upload_whose_connection_broke_can_be_tried_again(
    open_page: OpenPage, tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "garden.md"
    path.write_text(HOURS.format(place="garden"))
    page = await open_page(library.path)
    await shown(page, library)
    await page.route("**/v1/files", lambda route: route.abort())
    await add_by_dialog(page, path)
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.locator("[data-status=refused]")).to_contain_text("The connection was lost")
    await page.unroute("**/v1/files")
    await tray.get_by_role("button", name="Retry garden.md").click()
    await expect(tray.get_by_role("status")).to_have_text("1 document ready")


async def test_files_dropped_into_the_message_box_go_where_the_person_says(
    open_page: OpenPage, library: Library
) -> None:
    other = (await library.client.post("/v1/vector_stores", json={"name": f"Shelf {uuid4().hex[:6]}"})).json()
    page = await open_page("/")
    await page.get_by_role("button", name="Add files").wait_for()  # who asks is known, and what they may do
    files = {"dropped.txt": "The pond freezes in January.", "second.txt": "The pond thaws in March."}
    await page.evaluate(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of Object.entries(files)) transfer.items.add(new File([text], name));
            const box = document.querySelector('form.composer');
            for (const type of ['dragenter', 'dragover', 'drop'])
                box.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: transfer}));
        }""",
        files,
    )
    dialog = page.get_by_role("dialog", name="Where do these 2 files go?")
    await expect(dialog).to_be_visible()
    assert await accessibility_problems(page) == []
    await screenshot(page, "place-dialog")
    await dialog.get_by_role("button", name=library.name).click()
    await expect(dialog).to_have_count(0)
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray.get_by_role("status")).to_have_text("2 documents ready")
    assert sorted(file["filename"] for file in await library.files()) == sorted(files)
    await library.client.delete(f"/v1/vector_stores/{other['id']}")


async def test_the_drawer_says_who_asked_about_a_document_to_those_who_may_know(
    open_page: OpenPage, product: Product, library: Library
) -> None:
    file = await library.add("hours.md", HOURS.format(place="archive").encode())
    question = "When does the archive open and close?"
    answer = await library.client.post(
        "/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": question}], "collections": [library.id]},
        timeout=60,
    )
    assert answer.json()["choices"][0]["message"]["annotations"], answer.text
    page = await open_page(f"{library.path}&document={file['id']}")
    await page.get_by_role("tab", name="Questions").click()
    await expect(page.get_by_role("tabpanel", name="Questions")).to_contain_text(question)
    assert await accessibility_problems(page) == []
    await screenshot(page, "documents-questions")

    member = await open_page("/documents", signed_in=False)
    await become_member(member.context, product)
    await member.goto(f"{library.path}&document={file['id']}")
    await expect(member.get_by_role("tab", name="Versions")).to_be_visible()
    await expect(member.get_by_role("tab", name="Questions")).to_have_count(0)


async def test_a_citation_of_a_replaced_version_opens_that_version_and_says_so(
    open_page: OpenPage, library: Library
) -> None:
    file = await library.add("hours.md", HOURS.format(place="observatory").encode())
    page = await open_page("/")
    article = await ask(page, "When does the observatory open and close?")
    changed = HOURS.format(place="observatory").replace("nine", "eleven").encode()
    answer = await library.client.put(f"/v1/files/{file['id']}", files={"file": ("hours.md", changed)})
    answer.raise_for_status()
    assert (await library.settled(file["id"]))["active_version"] == 2
    await article.get_by_role("button", name=re.compile("^1")).first.click()
    await expect(page.get_by_text("This is the version that was cited. A newer one has replaced it.")).to_be_visible()
    await expect(page.locator("mark.dv-lit").first).to_contain_text("nine")
    await screenshot(page, "replaced-version")


@pytest.mark.parametrize("size", [(820, 1100), PHONE])
async def test_the_table_fits_narrow_screens(
    open_page: OpenPage, tmp_path: Path, library: Library, size: tuple[int, int]
) -> None:
    await library.add(
        "A report with a rather long name about the third quarter of the year 2023.md", b"# Report\n\nFine."
    )
    await library.add("broken.pdf", b"%PDF-1.7\nnothing")
    page = await open_page(library.path, size=size)
    await row_of(page, "broken.pdf").wait_for()
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    table = await page.locator(".documents-table").bounding_box()
    assert table is not None
    assert table["x"] + table["width"] <= size[0]
    await screenshot(page, f"documents-{size[0]}")


async def test_a_wide_table_has_a_column_for_who_added_a_document(open_page: OpenPage, library: Library) -> None:
    await library.add("notes.md", b"# Notes\n\nSome notes.")
    page = await open_page(library.path, size=(1500, 900))
    await row_of(page, "notes.md").wait_for()
    names = await page.get_by_role("columnheader").all_inner_texts()
    shown_names = [name.strip() for name in names if name.strip()]
    assert shown_names[:8] == ["Name", "Collection", "State", "Pages", "Pieces", "Size", "Added by", "Added"]
    await screenshot(page, "documents-wide")
