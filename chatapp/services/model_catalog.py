"""Use cases of the public catalogue: find a model in it, and hear what it says anew of those taken from it.

What a model had from the catalogue when somebody last looked is kept with it (`ModelTable.catalog_entry`). Nothing is
taken over by itself: another price upstream is ours only once an admin says so, and then from that moment on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatapp.domain import Actor, Permission
from chatapp.errors import Conflict, InvalidInput, NotFound
from chatapp.providers import public_catalog
from chatapp.providers.litellm_provider import LiteLLMProvider
from chatapp.providers.openai_compatible import OpenAICompatible
from chatapp.providers.public_catalog import CatalogEntry
from chatapp.services.model_fields import TOKENS, valid_fields
from chatapp.store import audit, model_prices, providers
from chatapp.store.catalog import PRICES
from chatapp.store.database import transaction
from chatapp.store.tables import ModelTable

MAX_FOUND = 100
_MAX_QUERY_CHARACTERS = 200
_COMPARED = (*PRICES, *TOKENS, "capabilities", "retired_on")
_LITELLM_PREFIX = {"bedrock_converse": "bedrock", "amazon_nova": "amazon-nova"}
"""What litellm puts before a model's name, where it is not its word for the provider."""
_GONE: dict[str, Any] = {"is_gone": True}
"""What is kept of a model that the catalogue no longer lists, once somebody has seen that."""


@dataclass(frozen=True, slots=True)
class CatalogView:
    """A model of the public catalogue. None: the catalogue does not say."""

    name: str
    provider: str
    """litellm's word for who serves it."""
    input_micro_usd_per_mtok: int | None
    output_micro_usd_per_mtok: int | None
    cached_input_micro_usd_per_mtok: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    retired_on: str
    """The day its provider takes it away; empty: none was named."""
    provider_models: dict[str, str]
    """What it is called at a provider of each of our kinds."""

    @classmethod
    def from_entry(cls, entry: CatalogEntry) -> CatalogView:
        """The view of an entry."""
        kinds = (OpenAICompatible.kind, LiteLLMProvider.kind)
        values = {name: getattr(entry, name) for name in ("name", "provider", *_COMPARED)}
        return cls(**values, provider_models={kind: provider_model_of(entry, kind) for kind in kinds})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What the catalogue says otherwise than before."""

    field: str
    before: Any
    """What it said when it was last looked at."""
    now: Any
    ours: Any
    """What holds here; None also where we keep no such thing."""


@dataclass(frozen=True, slots=True)
class UpstreamChange:
    """A model of ours of which the catalogue says something else than when it was last looked at."""

    id: UUID
    """The model's."""
    model: str
    catalog_name: str
    is_gone: bool
    """The catalogue no longer lists it."""
    fields: tuple[FieldChange, ...]
    """Empty where it is gone."""


async def search(actor: Actor, words: str, *, limit: int = 20) -> list[CatalogView]:
    """Models of the catalogue whose name or provider holds every word, those named so exactly first.

    Args:
        actor: who asks.
        words: upper and lower case alike, at most 200 characters; empty: the first of the catalogue.
        limit: 1 to 100.

    Raises:
        NotPermitted: the actor may not see the settings.
        InvalidInput: too many characters, or `limit` is out of range.
    """
    actor.require(Permission.READ_ADMIN)
    if len(words) > _MAX_QUERY_CHARACTERS:
        raise InvalidInput(f"At most {_MAX_QUERY_CHARACTERS} characters.", param="q")
    if not 1 <= limit <= MAX_FOUND:
        raise InvalidInput(f"limit is a number from 1 to {MAX_FOUND}.", param="limit")
    wanted = words.lower().split()
    entries = (await public_catalog.load()).values()
    found = [entry for entry in entries if all(word in f"{entry.provider} {entry.name}".lower() for word in wanted)]
    phrase = " ".join(wanted)
    found.sort(key=lambda entry: _rank(entry.name.lower(), phrase))
    return [CatalogView.from_entry(entry) for entry in found[:limit]]


async def find(actor: Actor, name: str) -> CatalogView:
    """A model of the catalogue, by the catalogue's name of it.

    Raises:
        NotPermitted: the actor may not see the settings.
        NotFound: the catalogue has none of that name.
    """
    actor.require(Permission.READ_ADMIN)
    entry = (await public_catalog.load()).get(name)
    if entry is None:
        raise NotFound("The catalogue has no model of this name.", param="catalog_name")
    return CatalogView.from_entry(entry)


async def list_changes(actor: Actor) -> list[UpstreamChange]:
    """What the catalogue says anew of models that were taken from it, by the model's name.

    Raises:
        NotPermitted: the actor may not see the settings.
    """
    actor.require(Permission.READ_ADMIN)
    listed = await public_catalog.load()
    async with transaction(actor, readonly=True) as tx:
        rows = await providers.followed_models(tx)
        prices = {row.id: await model_prices.in_force(tx, row.id) for row in rows if _is_changed(row, listed)}
    return [
        _change(row, listed.get(row.catalog_name), prices[row.id] or row) for row in rows if _is_changed(row, listed)
    ]


async def accept(actor: Actor, model_id: UUID) -> None:
    """Take over what the catalogue says anew: its price from now on, and what else it says otherwise.

    A model that the catalogue no longer lists is not compared with it any more.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model.
        Conflict: the catalogue says what it said.
    """
    actor.require(Permission.PLATFORM)
    listed = await public_catalog.load()
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        change = _required_change(row, listed, await model_prices.in_force(tx, row.id) or row)
        entry = listed.get(row.catalog_name)
        if entry is None:
            row.catalog_name, row.catalog_entry = "", None
        else:
            await model_prices.set_from_now(tx, row, _new_prices(change, entry))
            taken = {each.field for each in change.fields} & {*TOKENS, "capabilities"}
            given = {name: getattr(entry, name) for name in taken}
            for name, value in valid_fields({name: value for name, value in given.items() if value}).items():
                setattr(row, name, value)
            row.catalog_entry = entry.as_json()
        await audit.write(tx, "model.catalog_accepted", row.id, **_as_lines(change))


async def dismiss(actor: Actor, model_id: UUID) -> None:
    """Keep what we have, and remember that what the catalogue says now was seen.

    Raises:
        NotPermitted: the actor is no platform admin.
        NotFound: there is no such model.
        Conflict: the catalogue says what it said.
    """
    actor.require(Permission.PLATFORM)
    listed = await public_catalog.load()
    async with transaction(actor) as tx:
        row = await providers.get_model(tx, model_id)
        change = _required_change(row, listed, row)
        entry = listed.get(row.catalog_name)
        row.catalog_entry = _GONE if entry is None else entry.as_json()
        await audit.write(tx, "model.catalog_dismissed", row.id, **_as_lines(change))


def provider_model_of(entry: CatalogEntry, kind: str) -> str:
    """What a model of the catalogue is called at a provider of ours.

    Args:
        entry: of the catalogue.
        kind: the provider's. `litellm` wants its prefix before the name; a server with OpenAI's protocol knows none.
    """
    prefix = entry.provider.partition("-")[0]
    prefix = _LITELLM_PREFIX.get(prefix, prefix)
    bare = entry.name.removeprefix(f"{prefix}/")
    return f"{prefix}/{bare}" if kind == LiteLLMProvider.kind else bare


def fields_from(entry: CatalogEntry, kind: str) -> dict[str, Any]:
    """A model's fields as the catalogue gives them; what it does not say is left out.

    Args:
        entry: of the catalogue.
        kind: of the provider that is to serve it.
    """
    return {
        "name": entry.name.rpartition("/")[2],
        "provider_model": provider_model_of(entry, kind),
        **entry.columns(),
    }


def _rank(name: str, phrase: str) -> tuple[int, int, str]:
    last = name.rpartition("/")[2]
    order = 0 if name == phrase else 1 if last == phrase else 2 if last.startswith(phrase) else 3
    return order, len(name), name


def _is_changed(row: ModelTable, listed: Mapping[str, CatalogEntry]) -> bool:
    entry = listed.get(row.catalog_name)
    if not row.catalog_name or row.catalog_entry is None:
        return False
    return row.catalog_entry != (_GONE if entry is None else entry.as_json())


def _change(row: ModelTable, entry: CatalogEntry | None, priced: Any) -> UpstreamChange:
    before, now = row.catalog_entry or {}, {} if entry is None else entry.as_json()
    fields = [
        FieldChange(name, before.get(name), now[name], _ours(row, priced, name))
        for name in _COMPARED
        if name in now and before.get(name) != now[name]
    ]
    return UpstreamChange(row.id, row.name, row.catalog_name, is_gone=entry is None, fields=tuple(fields))


def _ours(row: ModelTable, priced: Any, name: str) -> Any:
    return getattr(priced if name in PRICES else row, name, None)


def _required_change(row: ModelTable, listed: Mapping[str, CatalogEntry], priced: Any) -> UpstreamChange:
    if not _is_changed(row, listed):
        raise Conflict("The catalogue says what it said when it was last looked at.")
    return _change(row, listed.get(row.catalog_name), priced)


def _new_prices(change: UpstreamChange, entry: CatalogEntry) -> dict[str, int | None]:
    """The catalogue's price as a whole where a part of it changed; nothing where it names none."""
    if not {each.field for each in change.fields} & set(PRICES):
        return {}
    prices: dict[str, int | None] = {name: getattr(entry, name) for name in PRICES}
    if entry.input_micro_usd_per_mtok is None or entry.output_micro_usd_per_mtok is None:
        return {}
    return {name: value for name, value in valid_fields(prices).items() if name in PRICES}


def _as_lines(change: UpstreamChange) -> dict[str, Any]:
    return {
        "before": {each.field: each.before for each in change.fields},
        "after": {each.field: each.now for each in change.fields},
        "catalog_name": change.catalog_name,
        "is_gone": change.is_gone,
    }
