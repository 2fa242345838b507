from __future__ import annotations

import pytest

from chatapp.pipeline.gauge import (
    expected_tokens,
    forget_learned,
    is_short,
    learn_from_refusal,
    learn_from_report,
    likely_text_tokens,
    likely_tokens,
    max_prompt_tokens,
    measure,
)
from chatapp.providers.base import ProviderConfig
from chatapp.providers.encodings import count_now
from chatapp.providers.extractive import Extractive
from chatapp.providers.refusals import SaidSizes, sizes_said
from chatapp.routing.route import Deployment

TEXT = "Refunds are paid within 14 days of the day on which the goods came back. " * 20


@pytest.fixture(autouse=True)
def _unlearned() -> None:
    forget_learned()


def deployment(model: str = "llama3.1:8b", *, max_input: int = 8_000, max_output: int = 1_000) -> Deployment:
    return Deployment(Extractive(ProviderConfig()), "somebody", "a model", model, max_input, max_output)


async def test_a_known_encoding_counts_and_any_other_model_is_estimated_with_a_margin() -> None:
    true = count_now([TEXT], "o200k_base")[0]
    assert await measure(deployment("gpt-4o-mini"), [TEXT]) == [true]
    (estimated,) = await measure(deployment(), [TEXT])
    assert true < estimated < 1.5 * true


def test_room_is_kept_for_the_answer_but_never_more_than_a_quarter() -> None:
    assert max_prompt_tokens(deployment()) == 7_000
    assert max_prompt_tokens(deployment(max_output=6_000)) == 6_000


def test_what_is_short_for_certain_is_not_counted() -> None:
    assert is_short(deployment(), [TEXT])
    assert not is_short(deployment(max_input=1_000), [TEXT]), "fewer bytes than tokens allowed"
    assert not is_short(deployment(), ["字" * 3_000]), "three bytes each"


async def test_what_a_provider_reports_corrects_the_next_count() -> None:
    here, other = deployment(), deployment("other")
    likely = likely_tokens(here.provider_model, [TEXT])
    (before,) = await measure(here, [TEXT])
    learn_from_report(here, likely, 2 * likely)
    (after,) = await measure(here, [TEXT])
    assert expected_tokens(here, likely) == 2 * likely
    assert after > 1.5 * before
    assert await measure(other, [TEXT]) == [before], "another model counts in its own way"
    learn_from_report(here, likely, likely)
    assert after > (await measure(here, [TEXT]))[0] > before, "down it goes slowly"


def test_an_answer_has_no_frame_and_each_message_of_a_prompt_has() -> None:
    assert likely_tokens("other", [TEXT, TEXT]) == 2 * (likely_text_tokens("other", TEXT) + 4)


@pytest.mark.parametrize(("likely", "reported"), [(10, 40), (1_000, 0), (0, 5)])
def test_reports_that_say_little_teach_nothing(likely: int, reported: int) -> None:
    learn_from_report(deployment(), likely, reported)
    assert expected_tokens(deployment(), 100) == 100


@pytest.mark.parametrize("reported", [1, 1_000_000])
def test_no_report_makes_counts_absurd(reported: int) -> None:
    learn_from_report(deployment(), 1_000, reported)
    assert 50 <= expected_tokens(deployment(), 100) <= 400


def test_a_refusal_teaches_what_the_model_reads_and_how_it_counts() -> None:
    assert learn_from_refusal(deployment(), 3_000, SaidSizes(4_096, 4_500))
    assert max_prompt_tokens(deployment()) == 4_096 - 1_000
    assert expected_tokens(deployment(), 3_000) == 4_500
    assert not learn_from_refusal(deployment(), 3_000, SaidSizes(None, None))
    learn_from_refusal(deployment(), 3_000, SaidSizes(10, None))
    assert max_prompt_tokens(deployment()) == 4_096 - 1_000, "no model reads ten tokens"


@pytest.mark.parametrize(
    ("reason", "limit", "sent"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            8192,
            9001,
        ),
        (
            "maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the messages)",
            4096,
            5000,
        ),
        ("prompt is too long: 213462 tokens > 200000 maximum", 200000, 213462),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576, 1200000),
        ("the request exceeds the available context size. n_prompt_tokens: 5,123, n_ctx: 4,096", 4096, 5123),
        ("Please reduce the length of the messages.", None, None),
    ],
)
def test_the_numbers_of_a_refusal_are_read(reason: str, limit: int | None, sent: int | None) -> None:
    assert sizes_said(reason) == SaidSizes(limit, sent)
