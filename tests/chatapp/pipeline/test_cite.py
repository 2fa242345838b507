from __future__ import annotations

from uuid import uuid4

import pytest

from chatapp.domain import Chunk, RetrievedChunk, Source, Support
from chatapp.pipeline.cite import best_passage, judge_support, match_claims
from chatapp.pipeline.excerpts import choose_excerpts

REPORT = (
    "Net sales rose by 4% to $82,959 million. Costs of goods fell to $47,074 million because memory became cheaper. "
    "The company opened 12 new stores in Asia.\nThree Months Ended\nJune 25, 2022\nJune 26, 2021\n"
    "Total net sales 82,959 81,434\nTotal cost of sales 47,074 46,179"
)


def source(
    number: int = 1, text: str = REPORT, start: int = 0, *, filename: str = "report.pdf", heading: str = ""
) -> Source:
    chunk = Chunk(uuid4(), uuid4(), uuid4(), 0, text, start, start + len(text), 1, heading)
    return Source(number, RetrievedChunk(chunk, filename, "Quarterly report", 1.0 / number))


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("Sales went up to $82,959 million", "Net sales rose by 4% to $82,959 million."),
        ("cheaper memory lowered costs", "Costs of goods fell to $47,074 million because memory became cheaper."),
        ("There are 12 new Asian stores", "The company opened 12 new stores in Asia."),
        ("Total cost of sales: 47,074 and 46,179", "Total cost of sales 47,074 46,179"),
    ],
)
def test_the_passage_is_the_sentence_a_claim_rests_on(claim: str, passage: str) -> None:
    start, end = best_passage(claim, REPORT)
    assert REPORT[start:end] == passage


@pytest.mark.parametrize("text", ["x", "# Heading", "no sentence at all"])
def test_a_text_without_sentences_is_its_own_passage(text: str) -> None:
    start, end = best_passage("anything", text)
    assert text[start:end] == text


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ("Sales rose. Costs fell a lot [1].", ["Costs fell a lot"]),
        ("Sales rose by much. [1]", ["Sales rose by much."]),
        ("Sales rose by 4% [1] and costs fell a lot [2].", ["Sales rose by 4%", "and costs fell a lot"]),
        ("Sales rose by 4% [1][2].", ["Sales rose by 4%", "Sales rose by 4%"]),
        ("Intro line:\n\n- First of all points [1]\n- Second of all [2]", ["First of all points", "Second of all"]),
        ("| Sales | $5 [1] |", ["Sales $5"]),
        ("Nothing here. `a[1]`", []),
    ],
)
def test_a_claim_is_what_stands_before_its_mark(answer: str, claims: list[str]) -> None:
    found = match_claims(answer, [source(1), source(2)])
    assert [claim.text for claim in found] == claims
    for claim in found:
        assert answer[claim.mark.start : claim.mark.end] == f"[{claim.mark.number}]"
        assert claim.start <= claim.mark.start


@pytest.mark.usefixtures("embedder")
async def test_wrong_figures_and_wrong_sources_are_flagged() -> None:
    passage = "Net sales rose by 4% to $82,959 million."
    marks = await judge_support(
        [
            ("Net sales rose 4% to $82,959 million", passage, REPORT),
            ("Net sales were $82,959 million, up 4%", passage, REPORT),
            ("Net sales rose 4% to $93,111 million", passage, REPORT),
            ("The chairman resigned in spring", passage, REPORT),
        ]
    )
    assert marks == [Support.SUPPORTED, Support.SUPPORTED, Support.WEAK, Support.NONE]
    assert await judge_support([]) == []


@pytest.mark.usefixtures("embedder")
async def test_a_row_with_all_figures_carries_a_sentence_and_the_name_of_a_form_is_no_figure() -> None:
    row = "Work in process 7,030 6,656"
    marks = await judge_support(
        [
            ("Work in process grew from $6,656 million to $7,030 million", row, row),
            ("Work in process grew from $6,656 million to $7,930 million", row, row),
            ("In the 10-Q, Note 9 on page 51, net sales rose by 4% to $82,959 million", REPORT[:40], REPORT),
        ]
    )
    assert marks == [Support.SUPPORTED, Support.WEAK, Support.SUPPORTED]


async def test_what_is_said_in_the_passages_words_needs_no_model() -> None:
    passage = "Net sales rose by 4% to $82,959 million."
    assert await judge_support([("Net sales rose by 4% to $82,959 million", passage, REPORT)]) == [Support.SUPPORTED]


@pytest.mark.usefixtures("embedder")
async def test_the_excerpts_answer_the_question_in_reading_order() -> None:
    chosen = await choose_excerpts("What were total net sales in the quarter ended June 25, 2022?", [source()])
    assert any("82,959 (Three Months Ended June 25, 2022)" in excerpt.text for excerpt in chosen)
    assert 1 <= len(chosen) <= 5
    places = [REPORT.find(excerpt.text[:20]) for excerpt in chosen if excerpt.text[:20] in REPORT]
    assert places == sorted(places)


@pytest.mark.usefixtures("embedder")
async def test_a_question_for_a_number_is_not_answered_without_one() -> None:
    assert await choose_excerpts("How many stores?", [source(text="Stores are nice to have in any country.")]) == ()
    assert await choose_excerpts("How many stores?", [source(text="# Only a heading")]) == ()
    assert await choose_excerpts("How many stores?", []) == ()


@pytest.mark.usefixtures("embedder")
@pytest.mark.parametrize("asked", ["Q3 2022", "the third quarter of 2022", "the third fiscal quarter of 2022"])
async def test_the_report_of_the_quarter_asked_for_is_quoted_first(asked: str) -> None:
    texts = ("Revenue from iPhones was $40,665 million.", "Revenue from iPhones was $65,775 million.")
    sources = [source(1, texts[1], filename="2023 Q1 AAPL.pdf"), source(2, texts[0], filename="2022 Q3 AAPL.pdf")]
    chosen = await choose_excerpts(f"What was the revenue from iPhones in {asked}?", sources)
    assert chosen[0].text == texts[0]


@pytest.mark.usefixtures("embedder")
async def test_a_heading_is_no_answer_and_markdown_is_not_quoted_as_it_is_written() -> None:
    text = "# 4. Lost turns\n\nA **lost turn** is run by `recover`, see [the guide](https://example.org/guide)."
    chosen = await choose_excerpts("What happens to lost turns?", [source(text=text, heading="4. Lost turns")])
    assert [excerpt.text for excerpt in chosen] == ["A lost turn is run by recover, see the guide."]
    bare = text.replace("# 4. ", "")
    chosen = await choose_excerpts("What happens to lost turns?", [source(text=bare, heading="Guide > 4. Lost turns")])
    assert [excerpt.text for excerpt in chosen] == ["A lost turn is run by recover, see the guide."]
