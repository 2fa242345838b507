"""What each parser reads from a file of its format."""

from __future__ import annotations

from ingest.media_types import parser_for
from ingest.parsers.base import ParsedDocument, Source
from tests.ingest import samples


def _parse(filename: str, data: bytes) -> ParsedDocument:
    source = Source(filename, data=data)
    return parser_for(source).parse(source, lambda _: None)


def _blocks(parsed: ParsedDocument, kind: str) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks if block.kind == kind]


def test_word_gives_headings_lists_tables_and_no_deleted_text() -> None:
    parsed = _parse("policy.docx", samples.docx())
    assert parsed.title == "Travel policy"
    assert _blocks(parsed, "heading") == ["Hotels", "Exceptions"]
    assert [block.level for block in parsed.blocks if block.kind == "heading"] == [1, 2]
    assert _blocks(parsed, "table") == ["City | Limit\nParis | 220"]
    assert "A night may cost 180 euros." in parsed.text
    assert "Trains are preferred" in parsed.text
    assert "forbidden" not in parsed.text


def test_slides_are_pages_with_titles_tables_and_notes() -> None:
    parsed = _parse("deck.pptx", samples.pptx())
    assert len(parsed.page_starts) == 2
    assert _blocks(parsed, "heading") == ["Strategy", "Numbers"]
    assert _blocks(parsed, "table") == ["Year | Revenue\n2023 | 12"]
    assert parsed.text.index("Numbers") >= parsed.page_starts[1] > parsed.text.index("Grow in Asia")
    assert "Notes: Say it slowly." in parsed.text


def test_sheets_are_pages_with_the_names_of_columns_above_their_rows() -> None:
    parsed = _parse("staff.xlsx", samples.xlsx())
    assert _blocks(parsed, "heading") == ["People", "Dates"]
    assert _blocks(parsed, "table") == [
        "Name | City | Age\nAna | Lisbon | 41\nBo | – | 3.5",
        "2023-05-01 | yes | 0.1",
    ]
    assert "Staff list" in parsed.text


def test_a_csv_file_is_a_table_with_the_names_of_its_columns_once() -> None:
    parsed = _parse("a.csv", 'Name;Note\nAna;"says ""hi""; a|b"\nBo;\nCy;x;more\n'.encode("cp1252"))
    assert _blocks(parsed, "table") == ['Name | Note | Column 3\nAna | says "hi"; a¦b | –\nBo | – | –\nCy | x | more']


def test_a_table_of_mostly_empty_cells_is_read_as_records() -> None:
    parsed = _parse("a.csv", b"Name,Phone,Fax,Street,City\nAna,,,,Lisbon\nBo,12,,,\n")
    assert _blocks(parsed, "table") == ["Name: Ana | City: Lisbon\nName: Bo | Phone: 12"]


def test_a_long_table_is_divided_and_each_part_begins_with_the_names() -> None:
    rows = "".join(f"{number},Town {number}\n" for number in range(450))
    tables = _blocks(_parse("a.csv", b"Number,Town\n" + rows.encode()), "table")
    assert [table.split("\n")[0] for table in tables] == ["Number | Town"] * 3
    assert [len(table.split("\n")) for table in tables] == [201, 201, 51]
    assert tables[2].endswith("449 | Town 449")


def test_a_csv_file_of_numbers_has_no_header() -> None:
    assert _parse("a.csv", b"1,2\n3,4\n").text.strip() == "1 | 2\n3 | 4"


def test_html_leaves_out_scripts_styles_and_navigation() -> None:
    html = b"""<html><head><title>Leave</title><style>p{}</style><script>alert(1)</script></head><body>
      <nav>Home | About</nav><h1>Leave</h1><p>You have <b>30</b>
      days.</p><ul><li>Ask first</li></ul><pre>a\n  b</pre>
      <table><tr><th>Year</th><th>Days</th></tr><tr><td>2023</td><td>30</td></tr></table>
      <script>evil()</script></body></html>"""
    parsed = _parse("leave.html", html)
    assert parsed.title == "Leave"
    assert parsed.text.split("\n\n") == [
        "Leave",
        "You have 30 days.",
        "- Ask first",
        "a\n  b",
        "Year | Days\n2023 | 30",
        "",
    ]


def test_html_in_an_old_character_set_is_read_as_it_says() -> None:
    html = '<html><head><meta charset="iso-8859-7"></head><body><p>Αθήνα</p></body></html>'
    assert "Αθήνα" in _parse("a.html", html.encode("iso-8859-7")).text


def test_html_nested_ten_thousand_deep_is_read() -> None:
    html = b"<html><body>" + b"<div>" * 10_000 + b"deep" + b"</div>" * 10_000 + b"<p>after</p></body></html>"
    text = _parse("a.html", html).text
    assert "deep" in text
    assert "after" in text


def test_a_table_that_lays_out_a_page_is_read_as_text() -> None:
    html = b"<html><body><table><tr><td><h1>Title</h1><p>Body</p></td><td>Side</td></tr></table></body></html>"
    parsed = _parse("a.html", html)
    assert _blocks(parsed, "heading") == ["Title"]
    assert "Side" in parsed.text
    assert _blocks(parsed, "table") == []


def test_markdown_stays_as_written_and_its_blocks_are_found() -> None:
    text = (
        "Guide\n=====\n\n## Install ##\n\nRun it.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\n# not a heading\n```\n"
    )
    parsed = _parse("guide.md", text.encode())
    assert parsed.text == text
    assert parsed.title == "Guide"
    assert _blocks(parsed, "heading") == ["Guide", "Install"]
    assert _blocks(parsed, "table") == ["| a | b |\n|---|---|\n| 1 | 2 |"]
    assert _blocks(parsed, "code") == ["```sh\n# not a heading\n```"]


def test_a_message_gives_headers_body_and_readable_attachments() -> None:
    parsed = _parse("order.eml", samples.eml())
    assert parsed.title == "Größe of the order"
    assert "From: Ana <ana@example.org>" in parsed.text
    assert parsed.text.count("forty chairs") == 1
    assert "Attachments: prices.csv, chair.png" in parsed.text
    assert "Attachment: prices.csv" in _blocks(parsed, "heading")
    assert "Chair | Price\nOak | 80" in parsed.text


def test_messages_inside_messages_are_read_to_a_depth() -> None:
    from email.message import EmailMessage

    message = EmailMessage()
    message.set_content("innermost words")
    for level in range(6):
        outer = EmailMessage()
        outer["From"], outer["To"], outer["Subject"] = "a@example.org", "b@example.org", f"level {level}"
        outer.set_content(f"words of level {level}")
        outer.add_attachment(message)
        message = outer
    text = _parse("a.eml", message.as_bytes()).text
    assert "words of level 2" in text
    assert "innermost words" not in text


def test_text_is_read_in_the_character_set_it_is_in() -> None:
    for text, encoding in (
        ("Grüße aus Köln", "utf-8"),
        ("Grüße aus Köln", "utf-8-sig"),
        ("Grüße aus Köln", "utf-16"),
        ("Grüße aus Köln, sehr wide", "utf-16-le"),
        ("Grüße aus Köln, mit vielen schönen Wörtern über Bücher und Straßen.", "cp1252"),
        ("Привет, это обычный русский текст: люди гуляют, дети играют.", "cp1251"),
    ):
        assert _parse("a.txt", text.encode(encoding)).text == text


def test_control_characters_become_spaces_and_keep_their_place() -> None:
    text = _parse("a.txt", b"one\x00two\x07three" + b" and some more text" * 20).text
    assert text.startswith("one two three")


def test_pages_of_a_pdf_begin_where_page_starts_say() -> None:
    parsed = _parse("a.pdf", samples.pdf(["First page.", "Second page.\nWith two lines."], title="The yearly report"))
    assert parsed.title == "The yearly report"
    assert len(parsed.page_starts) == 2
    assert parsed.text[parsed.page_starts[1] :].startswith("Second page.")


def test_a_pdf_title_that_says_nothing_is_left_out() -> None:
    assert _parse("a.pdf", samples.pdf(["x"], title="Microsoft Word - draft v3.docx")).title == ""
