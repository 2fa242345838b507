"""Climbing a ladder of models: whether an answer will do, and what the next rung begins with.

An answer that may still be thrown away is held until it has passed, so that nobody reads what is then taken back. The
last rung is never held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chatapp.domain import Citation, Support
from chatapp.errors import AnswerUnusable, TooManyInFlight, UpstreamError
from chatapp.pipeline.cite import cite
from chatapp.pipeline.turn import Turn
from chatapp.routing.route import Deployment, Escalation, Route

MAX_UNSUPPORTED_SHARE = 0.5
"""Of the statements an answer cites a source for. With more of them not carried by it, support is low."""
_FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Climb:
    """Why an answer was given up for that of the next rung."""

    because: str
    """One of `Escalation`, or `failed` where there was no answer."""
    detail: str = ""


def is_held(turn: Turn) -> bool:
    """Whether the answer to come is only shown when it has passed."""
    return bool(turn.route.above) and _checks_support(turn)


def ends_on(turn: Turn) -> tuple[type[UpstreamError], ...]:
    """Failures after which the next rung is asked, and not the next deployment."""
    climbs = turn.route.above and Escalation.INVALID_OUTPUT in turn.route.escalate_on
    return (AnswerUnusable,) if climbs else ()


async def judge(turn: Turn, *, is_shown: bool) -> tuple[Turn, Climb | None]:
    """Whether an answer will do.

    Args:
        turn: as it was answered, or failed.
        is_shown: whether some of the answer was read already: then it stays.

    Returns:
        the turn, with its citations where they were judged, and why the next rung is to be asked; None: it stays.
    """
    if is_shown or not turn.route.above or turn.stop.is_requested or turn.limits.answer_seconds <= 0:
        return turn, None
    if isinstance(turn.error, UpstreamError | TooManyInFlight):
        is_invalid = isinstance(turn.error, AnswerUnusable)
        return turn, Climb(Escalation.INVALID_OUTPUT if is_invalid else _FAILED, turn.error.code)
    if _checks_support(turn):
        turn = await cite(turn)
        carried, stated = supported_statements(turn.citations)
        if not stated or stated - carried > MAX_UNSUPPORTED_SHARE * stated:
            detail = f"{stated - carried} of {stated} statements not carried" if stated else "nothing cited"
            return turn, Climb(Escalation.LOW_SUPPORT, detail)
    return turn, None


def climbed(before: Turn, answered: Turn, climb: Climb) -> Turn:
    """The turn before its answer, on the next rung, with what the last one cost.

    Args:
        before: as the answer given up was begun.
        answered: with that answer.
        climb: why it is given up.
    """
    following = _without(answered.route.above[0], answered.deployment)
    told = f"{climb.because} ({climb.detail})" if climb.detail else climb.because
    route = replace(
        following,
        reason=f"{answered.route.reason}; {following.first.model} after {told}",
        above=tuple(_without(each, answered.deployment) for each in answered.route.above[1:]),
        facts=answered.route.facts,
    )
    *earlier, last = answered.attempts or (None,)
    given_up = [replace(last, outcome="escalated") if last.outcome == "answered" else last] if last else []
    escalation = {
        "from": answered.deployment.model,
        "to": following.first.model,
        "because": climb.because,
        "detail": climb.detail,
    }
    return replace(
        before,
        route=route,
        limits=answered.limits,
        attempts=(*earlier, *given_up),
        escalations=(*before.escalations, escalation),
        usage=answered.usage,
        cost_micro_usd=answered.cost_micro_usd,
    )


def taken_back(given_up: Turn, failed: Turn) -> Turn:
    """The turn with an answer that was given up, as nobody higher up answered, and with what the attempts cost."""
    return replace(
        given_up,
        limits=failed.limits,
        attempts=failed.attempts,
        escalations=failed.escalations,
        usage=failed.usage,
        cost_micro_usd=failed.cost_micro_usd,
    )


def _without(route: Route, asked: Deployment) -> Route:
    """The route without a deployment whose answer would not do, and which would be asked for another as a fallback."""
    others = tuple(each for each in route.deployments if each.key != asked.key)
    above = tuple(_without(each, asked) for each in route.above)
    return replace(route, deployments=others or route.deployments, above=above)


def supported_statements(citations: Sequence[Citation]) -> tuple[int, int]:
    """How many of the statements with a citation are carried by one of their sources, and how many there are."""
    # Marks that stand together share one statement.
    best: dict[int, bool] = {}
    for citation in citations:
        is_carried = citation.support is Support.SUPPORTED
        best[citation.start_index] = best.get(citation.start_index, False) or is_carried
    return sum(best.values()), len(best)


def _checks_support(turn: Turn) -> bool:
    is_quoted = turn.route.first.provider.quotes
    return Escalation.LOW_SUPPORT in turn.route.escalate_on and bool(turn.sources) and not is_quoted
