"""How long a prompt is for one deployment, and how long it may be.

Where the model's encoding is at hand, tokens are counted exactly as soon as it matters. Elsewhere they are estimated
with a margin, and what a provider reports of its own counts corrects the estimates that come after.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.pipeline.tokens import MARGIN, estimate_tokens
from chatapp.providers.encodings import count_now, count_tokens, encoding_of, is_loaded
from chatapp.providers.refusals import SaidSizes
from chatapp.routing.route import Deployment

MESSAGE_TOKENS = 4
"""What frames a message, with every provider about the same."""
_ANSWER_SHARE = 0.25
"""Part of the context kept free for the answer when the model's longest answer is larger."""
_LEARNED_MARGIN = 1.1
"""On top of a correction: the next text may be of another kind."""
_MIN_CORRECTION, _MAX_CORRECTION = 0.5, 4.0
_FORGETTING = 0.05
"""How far a correction comes down with each report of less; up it goes at once."""
_MIN_REPORTED_TOKENS = 200
"""Of a shorter prompt the frames of its messages are too large a part."""
_IN_A_THREAD = 200_000
"""Characters from which an estimate takes milliseconds and is made beside the event loop."""
_MAX_KNOWN = 1_000
_MIN_LIMIT_TOKENS = 256
"""A model that says it reads less than this means something else."""


@dataclass(slots=True)
class _Learned:
    """What a deployment's reports have taught."""

    correction: float | None = None
    """Tokens it counted for each one we had estimated; None: it has not said."""
    limit_tokens: int | None = None
    """What it said it reads at most."""


class _Register:
    """What has been learned in this process, by deployment."""

    by_key: dict[str, _Learned] = {}  # noqa: RUF012  # one register a process is what this is


def _learned(deployment: Deployment) -> _Learned:
    if len(_Register.by_key) > _MAX_KNOWN:
        _Register.by_key.clear()
    return _Register.by_key.setdefault(deployment.key, _Learned())


def forget_learned() -> None:
    """Begin anew: in tests."""
    _Register.by_key.clear()


def max_prompt_tokens(deployment: Deployment) -> int:
    """The longest prompt a deployment takes, with room left for its answer."""
    said = _learned(deployment).limit_tokens
    total = deployment.max_input_tokens if said is None else min(said, deployment.max_input_tokens)
    return total - min(deployment.max_output_tokens, int(total * _ANSWER_SHARE))


def counted_by(deployment: Deployment) -> str:
    """How tokens are counted for a deployment: the encoding's name, or `estimate`."""
    return encoding_of(deployment.provider_model) or "estimate"


def is_short(deployment: Deployment, texts: Sequence[str]) -> bool:
    """Whether messages of these texts fit for certain: no token stands for less than a byte."""
    most = sum(len(text.encode("utf-8", "surrogatepass")) + MESSAGE_TOKENS for text in texts)
    correction = _learned(deployment).correction or 1.0
    return most * max(1.0, correction) <= max_prompt_tokens(deployment)


async def measure(deployment: Deployment, texts: Sequence[str]) -> list[int]:
    """How many tokens each text has for a deployment, rather too many than too few; without what frames a message."""
    encoding = encoding_of(deployment.provider_model)
    correction = _learned(deployment).correction
    if encoding is None:
        factor = MARGIN if correction is None else correction * _LEARNED_MARGIN
        if sum(map(len, texts)) > _IN_A_THREAD:
            return await asyncio.to_thread(_estimates, texts, factor)
        return _estimates(texts, factor)
    counts = await count_tokens(texts, encoding)
    # A count is exact; where the provider counted more all the same, it frames messages in its own way.
    factor = max(1.0, correction or 1.0)
    return [math.ceil(count * factor) for count in counts]


def _estimates(texts: Sequence[str], factor: float) -> list[int]:
    return [math.ceil(estimate_tokens(text) * factor) for text in texts]


def likely_tokens(model: str, texts: Sequence[str]) -> int:
    """The likeliest number of tokens of several messages together, at once and without a margin.

    Args:
        model: the provider's name of the model.
        texts: what is counted exactly where the model's encoding has been read already.
    """
    return sum(likely_text_tokens(model, text) + MESSAGE_TOKENS for text in texts)


def likely_text_tokens(model: str, text: str) -> int:
    """The same of one text without what frames a message: of an answer."""
    encoding = encoding_of(model)
    if encoding is not None and is_loaded(encoding):
        return count_now([text], encoding)[0]
    return estimate_tokens(text)


def expected_tokens(deployment: Deployment, likely: int) -> int:
    """What a deployment will count for a prompt, by what it has reported of others.

    Args:
        deployment: whose.
        likely: what `likely_tokens` said of the prompt.
    """
    return math.ceil(likely * (_learned(deployment).correction or 1.0))


def learn_from_report(deployment: Deployment, likely: int, reported: int) -> None:
    """Take a provider's count of a prompt into account.

    Args:
        deployment: whose.
        likely: what `likely_tokens` said of the same prompt.
        reported: what the provider counted.
    """
    if likely < _MIN_REPORTED_TOKENS or reported <= 0:
        return
    learned = _learned(deployment)
    correction = _within(reported / likely)
    if learned.correction is None or correction > learned.correction:
        learned.correction = correction
    else:
        learned.correction += _FORGETTING * (correction - learned.correction)


def learn_from_refusal(deployment: Deployment, likely: int, said: SaidSizes) -> bool:
    """Take the numbers of a refusal for length into account; False: there were none to learn from."""
    learned = _learned(deployment)
    if said.limit_tokens and said.limit_tokens >= _MIN_LIMIT_TOKENS:
        learned.limit_tokens = said.limit_tokens
    if said.sent_tokens and likely > 0:
        learned.correction = _within(max(said.sent_tokens / likely, learned.correction or 0.0))
    return bool(said.limit_tokens or said.sent_tokens)


def _within(correction: float) -> float:
    return min(_MAX_CORRECTION, max(_MIN_CORRECTION, correction))
