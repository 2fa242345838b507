from __future__ import annotations

from chatapp.providers.base import Excerpt, ProviderConfig, ProviderRequest
from chatapp.providers.extractive import Extractive, write_answer


def ask(*excerpts: Excerpt, searched: tuple[str, ...] | None = ("Reports",)) -> ProviderRequest:
    return ProviderRequest("extractive", (), excerpts=excerpts, searched=searched)


def test_it_says_that_it_quotes_and_numbers_every_quote() -> None:
    answer = write_answer(ask(Excerpt(2, "Sales rose\nby 4%.", "q3.pdf", 4), Excerpt(1, "Costs fell.", "q3.pdf", 9)))
    assert answer == "Quoted from q3.pdf:\n\n- Sales rose by 4%. [2]\n- Costs fell. [1]"


def test_quotes_of_several_documents_stand_under_their_names() -> None:
    answer = write_answer(ask(Excerpt(1, "Up.", "a.pdf", 1), Excerpt(2, "Down.", "b.pdf", 1)))
    assert answer == "Quoted from 2 documents:\n\n**a.pdf**\n\n- Up. [1]\n\n**b.pdf**\n\n- Down. [2]"


def test_a_quote_cannot_become_markup_or_a_citation() -> None:
    answer = write_answer(ask(Excerpt(1, "See [7] and *this* <img src=x> `code`.", "a.md", 1)))
    assert answer.endswith(r"- See (7) and \*this\* \<img src=x> \`code\`. [1]")


def test_nothing_found_is_said_with_what_was_searched() -> None:
    assert write_answer(ask(searched=("A", "B"))) == "Nothing in the documents answers this. Searched: A, B."
    assert "no documents to search" in write_answer(ask(searched=()))
    assert "no collection was chosen" in write_answer(ask(searched=None))


async def test_it_streams_the_answer_it_writes() -> None:
    request = ask(Excerpt(1, "word " * 50, "a.md", 1))
    deltas = [delta async for delta in Extractive(ProviderConfig()).stream(request)]

    assert "".join(delta.text for delta in deltas) == write_answer(request)
    assert len(deltas) > 5
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.is_estimated
