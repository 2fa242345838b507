from __future__ import annotations

from uuid import UUID

import pytest

from chatapp.retrieval.fusion import fuse
from chatapp.retrieval.keyword_index import KeywordMatch

A, B, C = (UUID(int=place) for place in (1, 2, 3))


def test_what_both_sides_praise_comes_first():
    scores = fuse({A: KeywordMatch(share=0.4), B: KeywordMatch(), C: KeywordMatch(share=0.4)}, {A: 0.5, B: 0.5})
    assert list(scores) == [A, C, B]
    assert scores[A] > scores[B]


def test_a_chunk_the_vector_side_did_not_name_lies_behind_those_it_named():
    scores = fuse({A: KeywordMatch(), B: KeywordMatch(), C: KeywordMatch()}, {A: 0.6, B: 0.3})
    assert list(scores) == [A, B, C]
    assert scores[C] == pytest.approx(0.2)


def test_keywords_decide_alone_without_a_vector_side():
    scores = fuse({A: KeywordMatch(share=0.1), B: KeywordMatch(share=0.3)}, {})
    assert list(scores) == [B, A]


def test_the_document_decides_between_equal_chunks():
    matches = {A: KeywordMatch(share=0.2), B: KeywordMatch(share=0.2, document_share=0.5)}
    assert next(iter(fuse(matches, {A: 0.5, B: 0.5}))) == B


def test_equal_scores_come_in_the_order_of_ids():
    assert list(fuse({C: KeywordMatch(), A: KeywordMatch(), B: KeywordMatch()}, {})) == [A, B, C]


def test_nothing_gives_nothing():
    assert fuse({}, {}) == {}
