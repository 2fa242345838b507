from __future__ import annotations

import pytest

from ingest.filenames import display_name, extension, stem


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\Plan.docx", "Plan.docx"),
        ("a\x00b\r\n.txt", "ab.txt"),
        ("Jahresbericht für Übung.pdf", "Jahresbericht für Übung.pdf"),
        ("报告 2023.pdf", "报告 2023.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  many   spaces .txt ", "many spaces .txt"),
        ("..", "untitled"),
        ("", "untitled"),
        ("folder/", "untitled"),
        ("\u200b\u200f", "untitled"),
    ],
)
def test_a_name_is_made_fit_for_display(given: str, shown: str) -> None:
    assert display_name(given) == shown


def test_combining_characters_are_composed() -> None:
    assert display_name("u\u0308ber.txt") == "über.txt"


def test_a_long_name_is_cut_and_keeps_its_ending() -> None:
    shown = display_name("x" * 400 + ".docx")
    assert len(shown) == 255
    assert shown.endswith("….docx")


def test_a_long_name_without_an_ending_is_cut() -> None:
    assert len(display_name("x" * 400)) == 255


def test_extension_and_stem_divide_a_name() -> None:
    assert (extension("A.B.PDF"), stem("A.B.PDF")) == ("pdf", "A.B")
    assert (extension("README"), stem("README")) == ("", "README")
    assert stem(".env") == ".env"
