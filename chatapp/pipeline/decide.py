"""Which route a turn takes, once what the search found is known."""

from __future__ import annotations

from dataclasses import replace

from chatapp.pipeline.turn import Turn
from chatapp.retrieval.embedder import embed_query
from chatapp.routing.choice import Choice
from chatapp.routing.facts import Facts, Intent


async def decide_route(turn: Turn) -> Turn:
    """Choose once more by the rules that wait for the search, and note the facts for the trace.

    Nothing here asks the database: whom the rules could choose was looked up when the turn began.
    """
    route = turn.route
    if route.facts is None:
        return turn
    facts = replace(route.facts, sources=len(turn.sources), best_score=_best_score(turn))
    if route.choice is None:
        return replace(turn, route=replace(route, facts=facts))
    facts = replace(facts, intent=await _intent(turn, route.choice, facts))
    chosen = route.choice.route(facts)
    # Who was to answer before the search is still better than nobody.
    return replace(turn, route=chosen if chosen.deployments else replace(route, facts=facts, choice=None))


def _best_score(turn: Turn) -> float | None:
    is_compared = bool(turn.retrieved.chunks) and not turn.retrieved.is_degraded
    return turn.retrieved.best_cosine if is_compared else None


async def _intent(turn: Turn, choice: Choice, facts: Facts) -> Intent | None:
    if choice.examples is None or "intent" not in choice.needs(facts.requested_model):
        return None
    embedding = turn.retrieved.embedding
    if embedding is None:
        embedding = await embed_query(turn.standalone_question or turn.question)
    return choice.examples.classify(embedding)
