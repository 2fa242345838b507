"""Trying a route before it is saved: what it would have done with the questions that were asked last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np

from chatapp.domain import Actor, Permission
from chatapp.errors import InvalidInput
from chatapp.retrieval.embedder import embed_texts
from chatapp.routing.facts import Fact, Facts, facts_of_trace
from chatapp.routing.intents import IntentExamples
from chatapp.routing.languages import known_languages, language_of
from chatapp.routing.rules import Decision, decide, needs
from chatapp.services import catalog
from chatapp.services.routes import RouteSettings, require_valid
from chatapp.store import catalog as catalog_rows
from chatapp.store import intents
from chatapp.store import routes as route_rows
from chatapp.store.database import transaction
from chatapp.store.tables import ModelTable, TraceTable

MAX_TRIED = 500


@dataclass(frozen=True, slots=True)
class Tried:
    """What a route would have done with a question that was asked."""

    trace_id: UUID
    asked_at: datetime
    question: str
    model_then: str
    model_now: str
    """Whom it would have been asked of first; by which answer a ladder would have climbed is not to be told."""
    reason: str
    unknown: list[str]
    """Conditions that were asked for and that this question's trace does not tell: they count as not met."""
    cost_then_micro_usd: int
    cost_now_micro_usd: int
    """At the price of the model chosen, for the same tokens."""


@dataclass(frozen=True, slots=True)
class TriedModel:
    """How many questions a model had, and would have had."""

    model: str
    then: int
    now: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What a route would have done with the last questions."""

    tried: list[Tried]
    """The newest first."""
    moved: int
    """How many would have gone to another model."""
    uncertain: int
    """How many have a trace that does not tell everything the rules ask for."""
    models: list[TriedModel]
    """Who had the most first, then and now together."""
    cost_then_micro_usd: int
    cost_now_micro_usd: int


async def dry_run(actor: Actor, wanted: RouteSettings, *, last: int = 100) -> Trial:
    """What a route would have done with the tenant's last questions; nothing is changed or asked.

    Intents are told by today's examples. Questions whose answer was stopped before anybody was asked count too.

    Args:
        actor: who tries it; the questions are the tenant's, so reading traces is needed too.
        wanted: the route to try.
        last: how many of the last answers, 1 to 500.

    Raises:
        NotPermitted: the actor may not change the tenant's settings or not read its traces.
        InvalidInput: the route could not be gone by, or `last` is out of range.
    """
    actor.require(Permission.ADMIN)
    actor.require(Permission.READ_TRACES)
    if not 1 <= last <= MAX_TRIED:
        raise InvalidInput(f"last is a number from 1 to {MAX_TRIED}.", param="last")
    asked = needs(wanted.rules, "")
    languages = await known_languages() if "language" in asked else ()
    async with transaction(actor, readonly=True) as tx:
        models = {model.name: model for model, _ in await catalog_rows.list_models(tx)}
        require_valid(wanted, models, languages)
        traces = await route_rows.last_traces(tx, last)
        vectors = await intents.list_vectors(tx) if "intent" in asked else []
    facts = [_facts_of(trace) for trace in traces]
    if "language" in asked:
        facts = [replace(each, language=await language_of(each.question)) for each in facts]
    if "intent" in asked:
        facts = await _with_intents(facts, traces, IntentExamples.of(vectors))
    tried = [
        _tried(trace, decide(wanted.rules, wanted.default, each), models)
        for trace, each in zip(traces, facts, strict=True)
    ]
    return _trial(tried)


def _facts_of(trace: TraceTable) -> Facts:
    return facts_of_trace(str(trace.body.get("question", "")), trace.feature, trace.body, trace.created_at)


async def _with_intents(facts: Sequence[Facts], traces: Sequence[TraceTable], examples: IntentExamples) -> list[Facts]:
    # As the pipeline does it: of the question that stands alone.
    texts = [
        str(trace.body.get("standalone_question") or each.question) for trace, each in zip(traces, facts, strict=True)
    ]
    vectors: np.ndarray = await embed_texts(texts)
    return [replace(each, intent=examples.classify(vector)) for each, vector in zip(facts, vectors, strict=True)]


def _tried(trace: TraceTable, decision: Decision, models: Mapping[str, ModelTable]) -> Tried:
    chosen = models.get(decision.model)
    unknown: tuple[Fact, ...] = decision.unknown
    return Tried(
        trace_id=trace.id,
        asked_at=trace.created_at,
        question=str(trace.body.get("question", "")),
        model_then=trace.model,
        model_now=decision.model,
        reason=decision.reason,
        unknown=list(unknown),
        cost_then_micro_usd=trace.cost_micro_usd,
        # Who was asked for by name and is gone since is asked of nobody any more; what it cost is what is known.
        cost_now_micro_usd=catalog.price_of(chosen, trace.input_tokens, trace.output_tokens)
        if chosen
        else trace.cost_micro_usd,
    )


def _trial(tried: list[Tried]) -> Trial:
    then, now = Counter(each.model_then for each in tried), Counter(each.model_now for each in tried)
    names = sorted(then | now, key=lambda name: (-then[name] - now[name], name))
    return Trial(
        tried=tried,
        moved=sum(each.model_then != each.model_now for each in tried),
        uncertain=sum(bool(each.unknown) for each in tried),
        models=[TriedModel(name, then[name], now[name]) for name in names],
        cost_then_micro_usd=sum(each.cost_then_micro_usd for each in tried),
        cost_now_micro_usd=sum(each.cost_now_micro_usd for each in tried),
    )
