from __future__ import annotations

import re
import time

import pytest

from chatapp.retrieval.terms import MAX_TERM_CHARACTERS, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How have Apple's net sales changed?", ["appl", "net", "sale", "chang"]),
        ("$82,959 million (12.5%)", ["82959", "million", "12.5"]),
        ("1,234,567.89", ["1234567.89"]),
        ("Form 10-Q for Q3 2023", ["form", "10", "10q", "q3", "2023", "2023q3"]),
        ("10Q", ["10q"]),
        ("R&D in the U.S.", ["rd", "us"]),
        ("COVID-19", ["covid", "19", "covid19"]),
        ("client-server and/or", ["client", "server"]),
        ("2022-06-30", ["2022", "06", "30", "20220630"]),
        ("net|sales|82,959|81,434", ["net", "sale", "82959", "81434"]),
        ("it isn't what we don\u2019t", []),
        ("", []),
        ("?! \u2014 \u2026", []),
    ],
)
def test_english_and_numbers(text: str, expected: list[str]):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\ufb01nancial", "financial"),
        ("\uff11\uff12\uff13", "123"),
        ("r\u00e9sum\u00e9", "resume"),
        ("GR\u00d6SSE", "gr\u00f6\u00dfe"),
        ("co\u00adoperate", "cooperate"),
        ("company\u2019s", "company"),
        ("10-Q", "10\u2011Q"),
    ],
)
def test_forms_of_one_word_give_the_same_terms(one: str, other: str):
    assert terms(one) == terms(other) != []


def test_scripts_without_spaces_give_pairs_that_a_question_shares():
    document = terms("\u58f2\u4e0a\u9ad8\u306f2023\u5e74\u306b\u5897\u52a0\u3057\u305f\u3002")
    assert "2023" in document
    assert {"\u58f2\u4e0a", "\u4e0a\u9ad8"} <= set(document)
    assert set(terms("\u58f2\u4e0a\u9ad8")) <= set(document)


def test_vowel_signs_do_not_split_a_word():
    assert terms("\u0939\u093f\u0928\u094d\u0926\u0940") == ["\u0939\u093f\u0928\u094d\u0926\u0940"]


def test_words_of_other_languages_are_not_stemmed_as_english():
    assert terms("\u0434\u043e\u043a\u0443\u043c\u0435\u043d\u0442\u044b caf\u00e9s stra\u00dfen") == [
        "\u0434\u043e\u043a\u0443\u043c\u0435\u043d\u0442\u044b",
        "cafe",
        "strassen",
    ]


def test_no_term_is_longer_than_the_index_takes():
    assert max(map(len, terms("x" * 10_000 + " " + "1" * 500 + "-a"))) == MAX_TERM_CHARACTERS


@pytest.mark.parametrize("piece", ["a-", "1,", "'", "a'", ".", "a.b&", "1,111", "\u0e01", "\ud800", "\x00", "a\u0300"])
def test_no_text_takes_long(piece: str):
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    terms(text)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "text",
    [
        "Q3 2022",
        "2022 Q3 AAPL.pdf",
        "the third quarter of 2022",
        "the 3rd quarter of fiscal year 2022",
        "Third fiscal quarter 2022",
        "2022Q3",
        "Q3/2022",
    ],
)
def test_a_quarter_is_found_however_it_is_written(text: str) -> None:
    assert terms(text).count("2022q3") == 1
    assert text == "2022Q3" or "q3" in terms(text)


@pytest.mark.parametrize("text", ["A quarter of 2022 shops", "FAQ3 2022", "Q5 2022", "Q3 12022", "the first quartet"])
def test_what_is_no_quarter_is_none(text: str) -> None:
    assert not [term for term in terms(text) if re.fullmatch(r"(\d{4})?q[1-4]", term) and term != "q3"]
