from __future__ import annotations

from chatapp.retrieval.relevance import is_relevant


def test_a_near_chunk_is_relevant_without_any_of_the_words():
    assert is_relevant(0.6, 0.0, chunk_count=1_000)


def test_a_chunk_with_the_words_may_be_further_away():
    assert is_relevant(0.35, 0.7, chunk_count=1_000)
    assert not is_relevant(0.35, 0.1, chunk_count=1_000)


def test_the_bar_rises_with_the_number_of_chunks():
    assert is_relevant(0.4, 0.0, chunk_count=5)
    assert not is_relevant(0.4, 0.0, chunk_count=5_000)


def test_a_number_or_name_that_stands_there_is_relevant():
    assert is_relevant(0.05, 1.0, chunk_count=100_000)


def test_nothing_near_and_no_words_is_not_relevant():
    assert not is_relevant(0.0, 0.0, chunk_count=0)


def test_words_decide_alone_without_a_vector_side():
    assert is_relevant(0.0, 0.5, chunk_count=1_000, is_keyword_only=True)
    assert not is_relevant(0.0, 0.2, chunk_count=1_000, is_keyword_only=True)
