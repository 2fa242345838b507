from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput, NotFound, NotPermitted
from chatapp.services import documents, ingestion, previews
from chatapp.settings import Settings
from chatapp.store.tables import DocumentVersionTable
from tests.fixtures.ingestion import Upload
from tests.fixtures.people import MakeActor
from tests.ingest import samples

pytestmark = pytest.mark.usefixtures("chroma", "embedder")

MARKDOWN = b"# Rules\n\nFirst paragraph.\n\n## Hotels\n\n| City | Limit |\n|---|---|\n| Paris | 220 |\n\nLast one.\n"


async def _ingested(upload: Upload, filename: str, data: bytes) -> UUID:
    document_id = (await upload(filename, data)).document.id
    await ingestion.ingest_waiting()
    return document_id


async def test_a_preview_is_blocks_with_exact_places(upload: Upload, actor: Actor) -> None:
    document_id = await _ingested(upload, "rules.md", MARKDOWN)
    preview = await previews.preview(actor, document_id)
    assert [(block.kind, block.level, block.text) for block in preview.blocks] == [
        ("heading", 1, "Rules"),
        ("paragraph", 0, "First paragraph."),
        ("heading", 2, "Hotels"),
        ("table", 0, "| City | Limit |\n|---|---|\n| Paris | 220 |"),
        ("paragraph", 0, "Last one."),
    ]
    text = MARKDOWN.decode()
    assert (preview.start, preview.end) == (text.index("Rules"), len(text))  # nothing more to show
    assert all(text[block.start : block.end] == block.text for block in preview.blocks)
    assert (preview.total_characters, preview.media_type, preview.page_count) == (len(text), "text/markdown", 1)


async def test_a_preview_of_a_long_text_is_a_window_around_the_passage(upload: Upload, actor: Actor) -> None:
    # A word of 120 letters is one piece to the model: long to look at, soon embedded.
    data = "\n\n".join(f"Paragraph {number} {'x' * 120}." for number in range(1_000)).encode()
    document_id = await _ingested(upload, "long.txt", data)
    start = data.index(b"Paragraph 700 ")
    preview = await previews.preview(actor, document_id, start=start, end=start + 100)
    assert preview.start <= start < start + 100 <= preview.end
    assert preview.end - preview.start < 60_000
    assert any(block.start == start for block in preview.blocks)
    following = await previews.preview(actor, document_id, start=preview.end)
    assert following.blocks[0].start >= preview.end - 4


async def test_a_passage_of_a_pdf_is_found_on_both_its_pages_and_kept(
    upload: Upload, actor: Actor, storage: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = await _ingested(upload, "a.pdf", samples.pdf(["one two three", "four five six"]))
    preview = await previews.preview(actor, document_id)
    start, end = preview.blocks[0].start + len("one "), preview.blocks[1].start + len("four")
    passage = await previews.passage_rects(actor, document_id, start=start, end=end)
    assert [page.page for page in passage.pages] == [1, 2]
    assert all(len(page.rects) == 1 for page in passage.pages)

    monkeypatch.setattr(previews.sandbox, "locate", None)
    assert await previews.passage_rects(actor, document_id, start=start, end=end) == passage
    monkeypatch.undo()
    await documents.delete(actor, document_id)
    assert not [path for path in (storage.data_dir / "files").rglob("*") if path.is_file()]


async def test_a_passage_of_a_text_has_no_pages(upload: Upload, actor: Actor) -> None:
    document_id = await _ingested(upload, "a.txt", b"some words")
    assert (await previews.passage_rects(actor, document_id, start=0, end=4)).pages == []


async def test_a_range_outside_the_text_is_refused(upload: Upload, actor: Actor) -> None:
    document_id = await _ingested(upload, "a.txt", b"some words")
    for start, end in ((-1, 3), (5, 4), (0, 11)):
        with pytest.raises(InvalidInput):
            await previews.passage_rects(actor, document_id, start=start, end=end)
        with pytest.raises(InvalidInput):
            await previews.preview(actor, document_id, start=start, end=end)


async def test_the_bytes_of_every_version_are_there(upload: Upload, actor: Actor) -> None:
    document_id = await _ingested(upload, "a.txt", b"first words")
    await upload("b.txt", b"second words", document_id=document_id)
    answering = await previews.content(actor, document_id)
    assert (answering.filename, answering.media_type, answering.size_bytes) == ("a.txt", "text/plain", 11)
    await ingestion.ingest_waiting()
    assert (await previews.content(actor, document_id)).filename == "b.txt"
    assert (await previews.content(actor, document_id, version=1)).filename == "a.txt"
    with pytest.raises(NotFound):
        await previews.content(actor, document_id, version=3)


async def test_another_tenant_and_a_person_without_the_right_see_nothing(
    upload: Upload, actor: Actor, other_actor: Actor, make_actor: MakeActor
) -> None:
    document_id = await _ingested(upload, "a.txt", b"some words")
    nobody = await make_actor({Permission.CHAT}, tenant=actor.tenant_id)
    for person, error in ((other_actor, NotFound), (nobody, NotPermitted)):
        for attempt in (
            previews.content(person, document_id),
            previews.preview(person, document_id),
            previews.passage_rects(person, document_id, start=0, end=1),
        ):
            with pytest.raises(error):
                await attempt
    with pytest.raises(NotFound):
        await previews.content(actor, uuid4())


def test_a_range_over_pages_leaves_out_the_line_feed_between_them() -> None:
    # Pages "abc", "" and "defg" joined by line feeds: "abc\n\ndefg".
    assert previews.page_ranges([0, 4, 5], 9, 1, 7) == [(0, 1, 2), (2, 0, 2)]
    assert previews.page_ranges([0, 4, 5], 9, 3, 4) == []


async def test_a_replaced_version_is_still_shown_and_said_to_be_replaced(upload: Upload, actor: Actor) -> None:
    document_id = await _ingested(upload, "hours.pdf", samples.pdf(["The canteen opens at eleven."]))
    assert not (await previews.preview(actor, document_id, version=1)).is_replaced
    await upload("hours.pdf", samples.pdf(["Closed."]), document_id=document_id)
    # The new version does not answer yet, so nothing is replaced.
    assert not (await previews.preview(actor, document_id, version=1)).is_replaced
    await ingestion.ingest_waiting()

    cited = await previews.preview(actor, document_id, start=0, end=20, version=1)
    assert (cited.version, cited.is_replaced, cited.blocks[0].text) == (1, True, "The canteen opens at eleven.")
    passage = await previews.passage_rects(actor, document_id, start=0, end=20, version=1)
    assert (passage.version, passage.is_replaced, len(passage.pages)) == (1, True, 1)
    today = await previews.preview(actor, document_id)
    assert (today.version, today.is_replaced) == (2, False)


def _version_of(paragraphs: int) -> DocumentVersionTable:
    pieces = [
        "| a | b |" if number % 5 == 0 else f"Paragraph {number} {'x' * (number % 40)}" for number in range(paragraphs)
    ]
    text = "\n\n".join(pieces)
    blocks, page_starts, start = [], [0], 0
    for number, piece in enumerate(pieces):
        if number % 5 == 0:
            blocks.append(["table", 0, start, start + len(piece)])
        if number % 7 == 6:
            page_starts.append(start)
        start += len(piece) + 2
    row = {"filename": "a.txt", "media_type": "text/plain", "size_bytes": 1, "sha256": "", "version": 1}
    ids = {"document_id": uuid4(), "tenant_id": uuid4()}
    return DocumentVersionTable(**row, **ids, text=text, blocks=blocks, page_starts=page_starts)


def test_a_window_has_the_blocks_of_the_whole_that_reach_into_it() -> None:
    row = _version_of(60)
    whole = previews.preview_blocks(row)
    assert len(whole) == 60
    for low in range(0, len(row.text), 13):
        for high in (low + 1, low + 200, len(row.text)):
            wanted = [block for block in whole if block.end > low and block.start < high]
            assert previews.preview_blocks(row, low, high) == wanted, (low, high)


def test_a_window_of_a_long_text_costs_no_more_than_one_of_a_short_text() -> None:
    row = _version_of(200_000)
    began = time.perf_counter()
    for part in range(10):
        low = len(row.text) * part // 10
        assert previews.preview_blocks(row, low, low + 40_000)
    assert (time.perf_counter() - began) / 10 < 0.05
