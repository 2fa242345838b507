"""Making a prompt fit a model's input: weak sources go first, then the wording of old turns; or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import PromptMessage
from chatapp.errors import PromptTooLong
from chatapp.pipeline.gauge import MESSAGE_TOKENS, is_short, max_prompt_tokens, measure
from chatapp.pipeline.history import FittedHistory, fit_history
from chatapp.routing.route import Deployment, WhenTooLong

_SOURCES_SHARE = 0.5
"""Of the room beside instructions and question, kept for sources before old turns lose their wording for them."""
_LEAST_SOURCES_SHARE = 0.1
"""The same where nothing said may be left out: with less, a question about documents is refused."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt is made of."""

    fixed: tuple[str, ...]
    """Instructions, the question, and what was written before the answer broke off: nothing of it is left out."""
    history: tuple[PromptMessage, ...] = ()
    summary: str = ""
    """Of what was said before `history`."""
    sources: tuple[str, ...] = ()
    """The best first."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is sent."""
        said = (message.content for message in self.history)
        return (*self.fixed, self.summary, *said, *self.sources)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of it fits."""

    source_count: int
    """How many of the sources, the best ones."""
    history: FittedHistory
    history_tokens: int = 0
    """What the conversation may take; 0 where it was not looked at, as everything is short."""


async def fit(parts: Parts, deployment: Deployment, *, when_too_long: WhenTooLong, halvings: int = 0) -> Fitted:
    """What of a prompt fits a deployment.

    Args:
        parts: the whole prompt.
        deployment: who is to read it.
        when_too_long: whether it may be shortened at all, as the tenant chose.
        halvings: how often the room beside what is fixed is to be halved, after a prompt that was still too long.

    Raises:
        PromptTooLong: instructions and question alone do not fit, or the tenant wants nothing left out.
    """
    if not halvings and is_short(deployment, parts.texts):
        return Fitted(len(parts.sources), FittedHistory(parts.summary, parts.history))
    refuses = when_too_long == "refuse"
    sizes = await measure(deployment, parts.texts)
    count, said = len(parts.fixed), len(parts.fixed) + 1 + len(parts.history)
    fixed = sum(sizes[:count]) + MESSAGE_TOKENS * count
    spoken = [size + MESSAGE_TOKENS for size in sizes[count + 1 : said]]
    conversation = sum(spoken) + sizes[count]
    most = max_prompt_tokens(deployment)
    if fixed > most or (refuses and (halvings or fixed + conversation > most)):
        raise too_long(deployment, fixed + conversation if refuses else fixed)
    room = (most - fixed) >> halvings
    kept, taken = _affordable(sizes[said:], max(0 if refuses else int(room * _SOURCES_SHARE), room - conversation))
    if conversation <= room - taken:
        return Fitted(kept, FittedHistory(parts.summary, parts.history), room - taken)
    return Fitted(kept, fit_history(parts.history, room - taken, sizes=spoken, summary=parts.summary), room - taken)


async def require_room(parts: Parts, deployment: Deployment, *, is_searching: bool) -> None:
    """Refuse, before anything is sent, what is too long for a tenant that wants nothing left out.

    Args:
        parts: without sources, which are not known yet; when some will be searched for, room for them is kept.
        deployment: who would be asked first.
        is_searching: whether there will be sources.

    Raises:
        PromptTooLong: it does not fit.
    """
    if is_short(deployment, parts.texts):
        return
    tokens = sum(await measure(deployment, parts.texts)) + MESSAGE_TOKENS * len(parts.texts)
    most = max_prompt_tokens(deployment)
    if tokens > (most * (1 - _LEAST_SOURCES_SHARE) if is_searching else most):
        raise too_long(deployment, tokens)


def too_long(deployment: Deployment, tokens: int) -> PromptTooLong:
    """The refusal, with the sizes and what to do."""
    return PromptTooLong(
        f"The question with what was said before comes to about {tokens:,} tokens; {deployment.model} reads "
        f"{max_prompt_tokens(deployment):,} beside its answer. Ask a shorter question, begin a new conversation, or "
        "choose a model that reads more.",
        param="messages",
    )


def _affordable(sizes: Sequence[int], tokens: int) -> tuple[int, int]:
    """How many of the sources fit, the best first, and what they take."""
    taken = 0
    for count, size in enumerate(sizes):
        if taken + size > tokens:
            return count, taken
        taken += size
    return len(sizes), taken
