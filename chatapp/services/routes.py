"""Use cases of routes: which model answers what in a tenant, and changing that."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatapp.domain import Actor, Permission, utc_now
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.routing.choice import Choice, Ladder, ServedModel
from chatapp.routing.facts import Facts
from chatapp.routing.languages import known_languages, language_of
from chatapp.routing.route import Escalation, Route, WhenNamedFails, WhenTooLong
from chatapp.routing.rules import Rule, needs
from chatapp.services import catalog, route_memory
from chatapp.services.catalog import InUse
from chatapp.services.intents import examples_of
from chatapp.services.request_parameters import honours, not_honoured
from chatapp.store import audit, routes
from chatapp.store import catalog as catalog_rows
from chatapp.store.database import transaction
from chatapp.store.tables import RouteTable

MAX_RULES = 100
MAX_FALLBACKS = 10
MAX_RUNGS = 10
MAX_REASON_CHARACTERS = 500
_MIN_RUNGS = 2
_MAX_FIRST_VERSION = 1_000_000_000
_NOBODY = "No model is in use. An admin has to add one."


class RouteSettings(BaseModel):
    """A tenant's route as an admin writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    default: str = Field(min_length=1, description="Name of the model where no rule holds.")
    fallbacks: tuple[str, ...] = Field(
        default=(), max_length=MAX_FALLBACKS, description="Asked in turn when the one before failed."
    )
    ladder: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_RUNGS,
        description="Models, the smallest first: an answer begins at the model chosen, where it is here, and climbs.",
    )
    escalate_on: frozenset[Escalation] = Field(
        default=frozenset(),
        description="Why an answer climbs: `invalid_output` (empty, broken, or no JSON where JSON was asked for), "
        "`low_support` (over half of what it cites is not carried by its sources), `asked_again`.",
    )
    when_too_long: WhenTooLong = Field(
        default="fit",
        description="A prompt over the model's input: `fit` drops weak sources and summarises old turns, `refuse` says "
        "so.",
    )
    when_named_fails: WhenNamedFails = Field(
        default="fall_back",
        description="A model asked for by name fails: `fall_back` has the fallbacks answer, `say_so` asks nobody else.",
    )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that a route can name."""

    name: str
    provider: str


@dataclass(frozen=True, slots=True)
class RouteView:
    """A tenant's route."""

    rules: list[dict[str, Any]]
    default: str
    fallbacks: list[str]
    ladder: list[str]
    escalate_on: list[str]
    when_too_long: str
    when_named_fails: str
    version: int
    """0: the tenant has none of its own, and this is what the installation does."""
    updated_at: datetime | None


async def choose(actor: Actor, facts: Facts, parameters: Mapping[str, Any], *, times_asked: int = 0) -> Route:
    """Who answers a question, by what is known of it before its search.

    A model asked for by name is asked first, where no rule leads away from that name; otherwise the tenant's rules
    choose. Its fallbacks follow, and the built-in model, which quotes, stands behind them all; behind a name they do
    unless the tenant wants nobody else to answer. Who cannot answer in the form asked for is passed over.

    Args:
        actor: who asks.
        facts: what is known.
        parameters: of the request, as they go to a provider.
        times_asked: how often the same question was answered before.

    Raises:
        NotFound: there is no such model in use, or none at all.
        InvalidInput: nobody who could be asked, or the model asked for by name, answers in the form asked for.
    """
    wanted = facts.requested_model if facts.requested_model not in {"", catalog.AUTO} else ""
    sources = await route_memory.recall(actor, needs=wanted)
    choice = await _choice(actor, sources.row, sources.models, wanted)
    asked = choice.needs(facts.requested_model)
    if wanted and wanted not in choice.served and "requested_model" not in asked:
        raise _no_such_model(wanted)
    if "language" in asked:
        facts = replace(facts, language=await language_of(facts.question))
    if wanted in choice.served and not asked and not _is_able(choice.served[wanted], parameters):
        raise not_honoured(parameters)
    able = {name: model for name, model in choice.served.items() if _is_able(model, parameters)}
    ladder = replace(choice.ladder, times_asked=times_asked)
    route = replace(choice, served=able, ladder=ladder).route(facts)
    if route.deployments:
        return route
    if choice.served and len(able) < len(choice.served):
        raise not_honoured(parameters)
    raise NotFound(_NOBODY, param="model")


async def without_rules(actor: Actor, model: str = catalog.AUTO) -> Route:
    """Who answers where no rule holds: of the default, or of a model asked for by name.

    Raises:
        NotFound: there is no such model in use, or none at all.
    """
    wanted = model if model not in {"", catalog.AUTO} else ""
    sources = await route_memory.recall(actor, needs=wanted)
    choice = replace(await _choice(actor, sources.row, sources.models, wanted), rules=())
    if wanted and wanted not in choice.served:
        raise _no_such_model(wanted)
    facts = Facts("", "chat", actor.roles, wanted, turns_before=0, is_searching=True, moment=utc_now())
    route = choice.route(facts)
    if not route.deployments:
        raise NotFound(_NOBODY, param="model")
    return route


async def _choice(actor: Actor, row: RouteTable | None, models: InUse, wanted: str) -> Choice:
    """What a tenant's route is chosen by; what a model named by somebody leaves open is the tenant's, too."""
    if row is None:
        fallbacks = tuple(filter(None, dict.fromkeys((models.default, models.last_resort))))
        names = dict.fromkeys(filter(None, (wanted, *fallbacks)))
        return Choice(models.default, models.served(names), fallbacks=fallbacks)
    rules = tuple(_rules(row))
    asked = needs(rules, wanted)
    fallbacks = (*row.fallbacks, row.default_model, *filter(None, [models.last_resort]))
    # Behind a name that no rule knows, neither rules nor ladder lead anywhere.
    others = () if wanted and not asked else (*(rule.model for rule in rules), *row.ladder)
    candidates = [*others, *fallbacks, wanted]
    return Choice(
        row.default_model,
        models.served(dict.fromkeys(candidates)),
        rules,
        fallbacks,
        Ladder(tuple(row.ladder), frozenset(Escalation(each) for each in row.escalate_on)),
        await examples_of(actor, row.intents_version) if "intent" in asked else None,
        row.version,
        "refuse" if row.when_too_long == "refuse" else "fit",
        "say_so" if row.when_named_fails == "say_so" else "fall_back",
    )


def _no_such_model(name: str) -> NotFound:
    return NotFound(f"There is no model named “{name}”. `GET /v1/models` lists them.", param="model")


def _is_able(model: ServedModel, parameters: Mapping[str, Any]) -> bool:
    return all(honours(each.provider, parameters) for each in model.deployments)


async def get(actor: Actor) -> RouteView:
    """The tenant's route, or what the installation does where it has none.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        row = await routes.find(tx)
        if row is not None:
            return _view(row)
        found = await catalog_rows.find_default(tx)
    return RouteView([], found[0].name if found else "", [], [], [], "fit", "fall_back", 0, None)


async def list_choices(actor: Actor) -> list[ModelChoice]:
    """The models a route can name, the default first.

    Raises:
        NotPermitted: the actor may not see the tenant's settings.
    """
    actor.require(Permission.READ_ADMIN)
    async with transaction(actor, readonly=True) as tx:
        found = await catalog_rows.list_models(tx)
    return [ModelChoice(model.name, provider.name) for model, provider in found]


async def put(actor: Actor, wanted: RouteSettings, *, reason: str = "", seen_version: int | None = None) -> RouteView:
    """Give the tenant this route in the place of the one it has. The next question goes by it.

    Args:
        actor: who changes it.
        wanted: the whole route.
        reason: why, for the audit log.
        seen_version: the version it is to take the place of; None: of whatever is there.

    Raises:
        Conflict: there is another version meanwhile.
        NotPermitted: the actor may not change the tenant's settings.
        InvalidInput: a model is not in use, a language has no such code, or the ladder leads nowhere; `param` names
            the place.
    """
    actor.require(Permission.ADMIN)
    languages = await known_languages() if "language" in needs(wanted.rules, "") else ()
    async with transaction(actor) as tx:
        require_valid(wanted, [model.name for model, _ in await catalog_rows.list_models(tx)], languages)
        row = await routes.find(tx, for_update=True)
        if seen_version is not None and seen_version != (row.version if row else 0):
            raise Conflict("Somebody else changed the route meanwhile. Open the page anew, and change it again.")
        before = None if row is None else _as_json(row)
        if row is None:
            # Begun anywhere, so that examples kept from an earlier route are not taken for those of this one.
            intents_version = secrets.randbelow(_MAX_FIRST_VERSION)
            row = RouteTable(
                tenant_id=actor.tenant_id, default_model=wanted.default, version=0, intents_version=intents_version
            )
            tx.session.add(row)
        row.rules = [rule.model_dump(mode="json", exclude_none=True) for rule in wanted.rules]
        row.default_model, row.fallbacks = wanted.default, list(wanted.fallbacks)
        row.ladder, row.escalate_on = list(wanted.ladder), sorted(wanted.escalate_on)
        row.when_too_long, row.when_named_fails = wanted.when_too_long, wanted.when_named_fails
        row.version, row.updated_at = row.version + 1, utc_now()
        await audit.write(tx, "route.changed", actor.tenant_id, before=before, after=_as_json(row), reason=reason)
        return _view(row)


async def remove(actor: Actor, *, reason: str = "") -> None:
    """Take the tenant's route away: the next question goes where the installation sends it. Examples of intents stay.

    Raises:
        NotPermitted: the actor may not change the tenant's settings.
        NotFound: the tenant has no route of its own.
    """
    actor.require(Permission.ADMIN)
    async with transaction(actor) as tx:
        row = await routes.find(tx, for_update=True)
        if row is None:
            raise NotFound("This tenant has no route of its own.")
        await audit.write(tx, "route.removed", actor.tenant_id, before=_as_json(row), reason=reason)
        await tx.session.delete(row)


def require_valid(wanted: RouteSettings, models: Collection[str], languages: Collection[str]) -> None:
    """Refuse a route that could not be gone by.

    Args:
        wanted: the route.
        models: names of those in use.
        languages: codes that a question can be found to be in; only looked at where a rule asks for one.

    Raises:
        InvalidInput: a model is not in use, a language has no such code, or the ladder leads nowhere; `param` names
            the place.
    """
    _require_known(wanted, models)
    for number, rule in enumerate(wanted.rules):
        if strange := [code for code in rule.when.language or () if code not in languages]:
            raise InvalidInput(
                f"“{strange[0]}” is no language that can be told. Use two letters, such as de.",
                param=f"rules.{number}.when.language",
            )
    if len(set(wanted.ladder)) < len(wanted.ladder):
        raise InvalidInput("A model stands on the ladder twice. Leave it there once.", param="ladder")
    if wanted.escalate_on and len(wanted.ladder) < _MIN_RUNGS:
        raise InvalidInput("A ladder needs at least two models to climb.", param="ladder")
    if wanted.ladder and not wanted.escalate_on:
        raise InvalidInput("Say what makes an answer climb the ladder.", param="escalate_on")


def _require_known(wanted: RouteSettings, known: Collection[str]) -> None:
    places: Sequence[tuple[str, str]] = (
        ("default", wanted.default),
        *((f"rules.{number}.model", rule.model) for number, rule in enumerate(wanted.rules)),
        *((f"fallbacks.{number}", name) for number, name in enumerate(wanted.fallbacks)),
        *((f"ladder.{number}", name) for number, name in enumerate(wanted.ladder)),
    )
    for place, name in places:
        if name not in known:
            raise InvalidInput(f"There is no model named “{name}” in use. `GET /v1/models` lists them.", param=place)


def _rules(row: RouteTable) -> list[Rule]:
    return [Rule.model_validate(rule) for rule in row.rules]


def _as_json(row: RouteTable) -> dict[str, Any]:
    return {
        "rules": row.rules,
        "default": row.default_model,
        "fallbacks": row.fallbacks,
        "ladder": row.ladder,
        "escalate_on": row.escalate_on,
        "when_too_long": row.when_too_long,
        "when_named_fails": row.when_named_fails,
    }


def _view(row: RouteTable) -> RouteView:
    return RouteView(**_as_json(row), version=row.version, updated_at=row.updated_at)
