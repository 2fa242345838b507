from __future__ import annotations

import random
from itertools import pairwise

import pytest

from chatapp.domain import Chunk
from chatapp.retrieval import embedder as embedding
from ingest.chunk import MAX_PIECES, Piece, chunk, embedding_title
from ingest.parsers.base import ParsedDocument, TextBuilder

pytestmark = pytest.mark.usefixtures("embedder")

SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank. "


def _chunk(document: ParsedDocument, title: str = "Guide") -> list[Piece]:
    pieces = chunk(document, title=title, count_pieces=embedding.count_word_pieces_each)
    for piece in pieces:
        assert document.text[piece.start : piece.end] == piece.text
        assert piece.text == piece.text.strip()
    assert all(left.end <= right.start for left, right in pairwise(pieces))
    counts = embedding.count_word_pieces_each([_embedded(piece, title) for piece in pieces])
    assert max(counts, default=0) <= MAX_PIECES
    return pieces


def _embedded(piece: Piece, title: str) -> str:
    from uuid import UUID

    nil = UUID(int=0)
    whole = Chunk(nil, nil, nil, 0, piece.text, piece.start, piece.end, piece.page, piece.heading)
    return whole.embedding_text(title)


def _text(text: str) -> ParsedDocument:
    return ParsedDocument("", text, [0])


def test_a_short_text_is_one_piece() -> None:
    pieces = _chunk(_text("  Hello there.\n"))
    assert [(piece.text, piece.page, piece.heading) for piece in pieces] == [("Hello there.", 1, "")]


def test_a_text_without_words_gives_nothing() -> None:
    assert _chunk(_text(" \n\n ")) == []


def test_a_long_text_is_cut_at_sentences_into_pieces_of_like_size() -> None:
    pieces = _chunk(_text(SENTENCE * 60))
    sizes = embedding.count_word_pieces_each([piece.text for piece in pieces])
    assert all(piece.text.endswith("bank.") for piece in pieces)
    assert max(sizes) - min(sizes) <= 32
    assert "".join(piece.text + " " for piece in pieces) == SENTENCE * 60


def test_no_piece_crosses_a_heading_and_each_knows_its_path() -> None:
    builder = TextBuilder()
    builder.add("Rules", kind="heading", level=1)
    builder.add("Hotels", kind="heading", level=2)
    builder.add("A night may cost 180 euros.")
    builder.add("Trains", kind="heading", level=2)
    builder.add("Second class only.")
    builder.add("Contact", kind="heading", level=1)
    pieces = _chunk(builder.build())
    assert [(piece.heading, piece.text) for piece in pieces] == [
        ("Rules > Hotels", "Hotels\n\nA night may cost 180 euros."),
        ("Rules > Trains", "Trains\n\nSecond class only."),
        ("Contact", "Contact"),
    ]


def test_no_piece_crosses_a_page() -> None:
    first, second = SENTENCE * 5, SENTENCE * 5
    pieces = _chunk(ParsedDocument("", f"{first}\n{second}", [0, len(first) + 1]))
    assert [piece.page for piece in pieces] == [1, 2]


def test_number_signs_of_markdown_are_no_text() -> None:
    from ingest.media_types import parser_for
    from ingest.parsers.base import Source

    source = Source("a.md", data=b"# One\n\n## Two\n\nText.\n\n## Three\n\nMore.\n")
    pieces = _chunk(parser_for(source).parse(source, lambda _: None))
    assert [piece.text for piece in pieces] == ["Two\n\nText.", "Three\n\nMore."]


def test_a_long_table_repeats_its_columns_in_the_heading() -> None:
    builder = TextBuilder()
    builder.add("Sales", kind="heading", level=1)
    builder.add_table([["Region", "Revenue"], *([f"Region {row}", f"{row * 1000}"] for row in range(1, 120))])
    pieces = _chunk(builder.build())
    assert len(pieces) > 3
    assert pieces[0].heading == "Sales"
    assert {piece.heading for piece in pieces[1:]} == {"Sales > Region | Revenue"}
    assert all(line.startswith("Region ") for piece in pieces for line in piece.text.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 50_000,
        "word " * 20_000,
        "数字で書かれた長い文章" * 2_000,
        "1,234.56 $ (78) " * 5_000,
        "\n".join("a" for _ in range(20_000)),
        "🙂" * 5_000,
    ],
    ids=["one word", "no sentence", "chinese", "numbers", "lines", "emoji"],
)
def test_text_without_sentences_still_fits_the_model(text: str) -> None:
    pieces = _chunk(_text(text))
    assert sum(len(piece.text) for piece in pieces) > 0.9 * len(text.replace("\n", " ").strip()) - len(pieces) * 2 or (
        "\n" in text or " " in text
    )


def test_long_titles_and_headings_leave_room_for_the_text() -> None:
    builder = TextBuilder()
    builder.add("标题" * 400, kind="heading", level=1)
    builder.add("子标题" * 300, kind="heading", level=2)
    builder.add(SENTENCE * 20)
    pieces = _chunk(builder.build(), title=embedding_title("", "档案" * 120))
    assert len(pieces) < 40


def test_random_texts_are_covered_without_a_gap() -> None:
    chooser = random.Random(4)
    alphabet = ["word", "Ünï", "12.5", "\n", "\n\n", ". ", "! ", "。", "x" * 300, "|", " "]
    for _ in range(30):
        text = " ".join(chooser.choice(alphabet) for _ in range(chooser.randrange(1, 800)))
        pieces = _chunk(_text(text))
        covered = "".join(piece.text for piece in pieces)
        assert "".join(covered.split()) == "".join(text.split())


def test_the_files_name_stands_beside_a_title_that_says_something_else() -> None:
    assert embedding_title("Form 10-Q", "2023 Q1 MSFT") == "2023 Q1 MSFT: Form 10-Q"
    assert embedding_title("Travel policy 2023", "travel policy") == "Travel policy 2023"
    assert embedding_title("", "notes") == "notes"
